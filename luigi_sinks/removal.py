"""The rules by which the rows of a version are deleted: pure, as in `record`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from luigi_sinks import record as rules
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Pointer, Record
from luigi_sinks.version import State, Version


def refuse_base(version: Version, loads: Iterable[Record]) -> None:
    """Raise Conflict if a load at work is made from the version."""
    if version.id in rules.bases(loads):
        raise Conflict(f"{version} is being copied by a load; it is not deleted. Run this again when that has ended")


def begin_drop(record: Record, head: Pointer, *, min_age: timedelta = timedelta(0)) -> Record:
    """Block reads and publications of the version before its rows are deleted.

    It must have been retired at least `min_age` ago: somebody may still read it.
    """
    if head.version == record.version:
        raise Conflict(f"{record.version} is the head; it cannot be dropped")
    if record.is_unfinished:
        raise rules.refused(record, "is being loaded or was interrupted; it cannot be dropped. The next load clears it")
    if record.pinned or record.exposed:
        kept = "pinned" if record.pinned else f"exposed as {', '.join(record.exposed)}"
        raise Conflict(f"{record.version} is {kept}; it cannot be dropped")
    if record.state is State.RETIRED and record.retired_at and datetime.now(UTC) < record.retired_at + min_age:
        raise Conflict(
            f"{record.version} was the head until {record.retired_at:%Y-%m-%d %H:%M:%S} UTC; readers may still be at "
            f"it; prune it from {record.retired_at + min_age:%Y-%m-%d %H:%M:%S} UTC on, or now by min_age=timedelta(0)"
        )
    has_rows = record.state not in {State.DROPPED, State.FAILED}
    return replace(record, state=State.DROPPING) if has_rows else record


def end_drop(record: Record, head: Pointer) -> Record:
    """Record that the rows are deleted."""
    del head
    return replace(record, state=State.DROPPED) if record.state is State.DROPPING else record


def cancel_drop(record: Record, head: Pointer) -> Record:
    """Return to the state before `begin_drop`, since no row could be deleted."""
    del head
    if record.state is not State.DROPPING:
        return record
    never_shown = State.SUPERSEDED if record.superseded_at else State.ABANDONED
    return replace(record, state=State.RETIRED if record.publications else never_shown)


def swept(record: Record, head: Pointer) -> Record:
    """Record that nothing is left of a dead version."""
    return end_drop(rules.fail(record, head), head)
