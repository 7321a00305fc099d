"""The rules of a load for an older period than the head's, which readers never see: pure, as in `record`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from luigi_sinks import record as rules
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Head, Origin, Pointer, Record
from luigi_sinks.version import State


def is_older(origin: Origin, head: Head) -> bool:
    """Tell whether a version would hold an older period than the head of the same task family."""
    if head.record is None:
        return False
    holder = head.record.origin
    return origin.family == holder.family and "" < origin.period < holder.period


def backfill(origin: Origin, head: Head) -> Conflict:
    """Return the error of a load for an older period than the head's."""
    held = head.record.origin.period if head.record else ""
    return Conflict(
        f"{head.version} holds {held}, which is newer than {origin.period}; a backfill does not replace it. To keep "
        "every date, name its parameter in partition_by; to complete older dates by versions that readers never see, "
        "set older = 'superseded'"
    )


def supersede(record: Record, head: Pointer) -> Record:
    """Complete the output of a version whose checks passed, without showing it: the head holds a newer period."""
    if record.state is State.SUPERSEDED:
        return record
    if record.state is not State.VALIDATED or head.version is None:
        raise rules.refused(record, "cannot be superseded")
    return replace(record, state=State.SUPERSEDED, superseded_at=datetime.now(UTC))
