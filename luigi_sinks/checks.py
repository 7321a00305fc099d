"""Checks that a staged version must pass before it is published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class SharedKey:
    """A key that a staged version and the head of another partition both have."""

    fields: tuple[str, ...]
    values: tuple[Any, ...]
    other: Version


def not_empty(version: Version, counts: StagedCounts, *, rejected: int = 0, listed: str = "") -> None:
    """Raise CheckFailed for a version without rows.

    A load passes how many bad rows it `rejected`, and the file in which they are `listed`.
    """
    if counts.rows == 0 and rejected:
        all_rows = f"all {rejected} rows are bad" if rejected > 1 else "the only row is bad"
        raise CheckFailed(f"{version}: {all_rows} and set aside; nothing was published. See {listed}")
    if counts.rows == 0:
        raise CheckFailed(
            f"{version}: there are no rows; nothing was published. To publish an empty version, set checks = ()"
        )


def unique_across_partitions(
    version: Version, counts: StagedCounts, *, shared_key: Callable[[Version], SharedKey | None] = lambda _: None
) -> None:
    """Raise CheckFailed for a version with a key that readers see in another partition too, and so twice.

    Name it in a task's `checks`; a load passes `shared_key`, which asks the store. It looks at the
    heads as they are then: of two partitions loaded at the same moment, neither sees the other.
    """
    del counts
    if (found := shared_key(version)) is not None:
        from luigi_sinks.wrong_values import shown  # noqa: PLC0415 - most keys are unique

        key = ", ".join(f"{name} = {shown(value)}" for name, value in zip(found.fields, found.values, strict=True))
        raise CheckFailed(
            f"{version}: {found.other} has {key} too, so readers would see that key twice; nothing was published. "
            "Remove the row from one of the two, or put the partition's value into the key"
        )


def complete(version: Version, counts: StagedCounts, *, written: int) -> None:
    """Raise CheckFailed if the server counts more or fewer rows than were written."""
    expected = written - counts.set_aside
    if counts.rows != expected:
        raise CheckFailed(
            f"{version}: the server counts {counts.rows} rows, but {expected} were written; nothing was published. "
            "Run the task again"
        )
