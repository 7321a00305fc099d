"""What a staged version must pass before readers may see it."""

from __future__ import annotations

from collections.abc import Callable

from luigi_sinks.errors import CheckFailed
from luigi_sinks.sink import StagedCounts
from luigi_sinks.version import Version

Check = Callable[[Version, StagedCounts], None]
"""Raises CheckFailed, with a message that names the version, if something is wrong."""


def not_empty(version: Version, sealed: StagedCounts) -> None:
    """Refuse a version without rows."""
    if sealed.rows == 0:
        raise CheckFailed(
            f"{version}: there are no rows at all; nothing was published. If an empty version is right, set checks = ()"
        )


def complete(version: Version, sealed: StagedCounts, *, written: int) -> None:
    """Refuse a version of which the server counts other rows than were written."""
    expected = written - sealed.set_aside
    if sealed.rows != expected:
        raise CheckFailed(
            f"{version}: the server counts {sealed.rows} rows where {expected} were written; nothing was published"
        )
