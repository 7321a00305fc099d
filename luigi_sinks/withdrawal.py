"""The rules by which a published version is taken back, and which one readers see instead: pure, as in `record`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from luigi_sinks import record as rules
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Pointer, Record, Withdrawal
from luigi_sinks.version import State, Version


def withdraw(record: Record, head: Pointer, *, withdrawal: Withdrawal) -> Record:
    """Declare a version wrong, whatever became of its rows; the first withdrawal of a version stays."""
    del head
    if not record.was_complete:
        rules.published_before(record)
    return record if record.withdrawn else replace(record, withdrawn=withdrawal)


def unpublish(record: Record, head: Pointer, *, replacing: Pointer) -> Record:
    """Let nothing follow the withdrawn version as the head, if the head still is `replacing`.

    Once that is done, it changes nothing, so a call whose answer was lost may be repeated.
    """
    if head == after(replacing):
        return record
    if head != replacing or head.version != record.version:
        raise rules.overtaken(record.version, head)
    if record.withdrawn is None:
        raise Conflict(f"{record.version} is not withdrawn; readers keep it until it is, or until another is published")
    return rules.retire(record, after(head), at=datetime.now(UTC))


def after(head: Pointer) -> Pointer:
    """Return the pointer that follows a head which nothing replaces: it keeps counting."""
    return Pointer(None, head.epoch + 1)


def sound(records: Iterable[Record], *, besides: Version) -> list[Record]:
    """Return the versions of a partition that may follow a withdrawn one as the head, the newest first."""
    found = [each for each in records if each.state is State.RETIRED and each.is_complete and each.version != besides]
    return sorted(found, key=lambda record: record.seq, reverse=True)
