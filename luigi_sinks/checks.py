"""Checks that a staged version must pass before it is published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from luigi_sinks.errors import CheckFailed
from luigi_sinks.version import Version


@dataclass(frozen=True)
class StagedCounts:
    """What the server itself counts of a staged version that is ready to serve.

    `set_aside` counts rows that were left out because the task allows it.
    """

    rows: int
    set_aside: int = 0


Check = Callable[[Version, StagedCounts], None]
"""A check: takes the version and its counts, and raises CheckFailed, with the version in the message."""


@dataclass(frozen=True)
class CheckResult:
    """What one check said of a staged version; `message` explains a failure."""

    name: str
    passed: bool
    message: str = ""


def not_empty(version: Version, counts: StagedCounts) -> None:
    """Raise CheckFailed for a version without rows."""
    if counts.rows == 0:
        raise CheckFailed(
            f"{version}: there are no rows; nothing was published. To publish an empty version, set checks = ()"
        )


def complete(version: Version, counts: StagedCounts, *, written: int) -> None:
    """Raise CheckFailed if the server counts more or fewer rows than were written."""
    expected = written - counts.set_aside
    if counts.rows != expected:
        raise CheckFailed(
            f"{version}: the server counts {counts.rows} rows, but {expected} were written; nothing was published. "
            "Run the task again"
        )
