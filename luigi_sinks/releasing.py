"""The rules of how a release ends for one of its versions: pure, as in `record`."""

from __future__ import annotations

from dataclasses import replace

from luigi_sinks import record as rules
from luigi_sinks.record import Pointer, Record
from luigi_sinks.release import Release


def settle(record: Record, head: Pointer) -> Record:
    """Record that it is known how the release ended; a version that was not published by then never is."""
    del head
    if record.release is None or not record.is_unsettled:
        return record
    return replace(record, release=replace(record.release, is_settled=True))


def give_up(record: Record, head: Pointer) -> Record:
    """Record that a release ended before any publication. Raises Conflict if this version was published."""
    if record.publications:
        raise rules.refused(record, "was published meanwhile, so its release goes on")
    return settle(record, head)


def is_of(record: Record, release: Release) -> bool:
    """Tell whether a version says itself that it belongs to a release; what another record says is not enough."""
    return record.release is not None and record.release.members == release.members
