"""What a staged version must pass before readers may see it."""

from __future__ import annotations

from collections.abc import Callable

from luigi_sinks.errors import CheckFailed
from luigi_sinks.record import StagedCounts
from luigi_sinks.version import Version

Check = Callable[[Version, StagedCounts], None]
"""Raises CheckFailed, with a message that names the version, if something is wrong."""


def not_empty(version: Version, counts: StagedCounts) -> None:
    """Refuse a version without rows."""
    if counts.rows == 0:
        raise CheckFailed(
            f"{version}: there are no rows at all; nothing was published. If an empty version is right, set checks = ()"
        )


def complete(version: Version, counts: StagedCounts, *, written: int) -> None:
    """Refuse a version of which the server counts other rows than were written."""
    expected = written - counts.set_aside
    if counts.rows != expected:
        raise CheckFailed(
            f"{version}: the server counts {counts.rows} rows where {expected} were written; nothing was published"
        )
