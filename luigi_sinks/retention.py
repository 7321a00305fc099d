"""Which versions are kept, and which a pruner may delete: pure rules, as in `record`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from luigi_sinks import record as rules
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.record import Pointer, Record
from luigi_sinks.version import State

MIN_AGE = timedelta(hours=1)
"""How long a version is kept after readers saw it last, unless another time is set: somebody may still read it."""

_LEAST = 2
_LONGEST = timedelta(days=36_500)
_WITH_ROWS = frozenset({State.PUBLISHED, State.RETIRED, State.SUPERSEDED})


@dataclass(frozen=True)
class Retention:
    """How many versions of each partition are kept.

    - `keep`: how many that may be the head, the head included; at least 2, so that there is one to roll back to.
    - `min_age`: how long each version is kept after it ceased to be the head. Default: an hour.

    Raises BadSetting for a `keep` below 2, and for a negative time.

    Example:
        >>> Retention(keep=3, min_age=timedelta(days=7)).keep
        3

    """

    keep: int
    min_age: timedelta = MIN_AGE

    def __post_init__(self) -> None:
        if isinstance(self.keep, bool) or not isinstance(self.keep, int) or self.keep < _LEAST:
            raise BadSetting(f"keep = {self.keep!r} must be a number from {_LEAST} on: the head, and one to go back to")
        if not isinstance(self.min_age, timedelta) or not timedelta(0) <= self.min_age <= _LONGEST:
            raise BadSetting(
                f"min_age = {self.min_age!r} must be a timedelta that is not negative, of {_LONGEST.days} days at most"
            )


def retention(keep: int | None, min_age: timedelta | None) -> Retention | None:
    """Return what two settings say, None if neither is set. Raises BadSetting if they cannot work."""
    if keep is None and min_age is not None:
        raise BadSetting(f"min_age = {min_age!r} has no effect without keep; set how many versions to keep")
    if keep is None:
        return None
    return Retention(keep) if min_age is None else Retention(keep, min_age)


def pin(record: Record, head: Pointer) -> Record:
    """Keep a version that was published, or superseded, until it is unpinned."""
    del head
    if record.state not in _WITH_ROWS:
        raise Conflict(f"{record.version} is {record.state}; it cannot be pinned")
    return replace(record, pinned=True)


def unpin(record: Record, head: Pointer) -> Record:
    """Let a version be dropped again."""
    del head
    return replace(record, pinned=False)


def expose(record: Record, head: Pointer, *, name: str) -> Record:
    """Keep a version that was published, or superseded, while readers find it under a name."""
    del head
    if record.state not in _WITH_ROWS:
        raise Conflict(f"{record.version} is {record.state}; it cannot be exposed")
    return record if name in record.exposed else replace(record, exposed=(*record.exposed, name))


def hide(record: Record, head: Pointer, *, name: str) -> Record:
    """Record that readers find the version under this name no more."""
    del head
    if name not in record.exposed:
        raise Conflict(f"{record.version} is not exposed as {name!r}; `luigi-sinks show` prints its names")
    return replace(record, exposed=tuple(each for each in record.exposed if each != name))


def to_drop(records: Iterable[Record], policy: Retention) -> list[Record]:
    """Return the versions whose rows go, oldest first: never a head, a pin, or a load and its base.

    Withdrawn versions do not count among those that are kept, as they are never published again.
    """
    known = list(records)
    bases = rules.bases(known)
    by_partition: dict[str, list[Record]] = defaultdict(list)
    for record in known:
        if record.state in _WITH_ROWS:
            by_partition[record.version.partition].append(record)
    found = [each for group in by_partition.values() for each in _beyond(group, policy)]
    free = (each for each in found if not (each.pinned or each.exposed) and each.version.id not in bases)
    return sorted(free, key=lambda record: record.seq)


def _beyond(partition: Sequence[Record], policy: Retention) -> Iterator[Record]:
    """Yield the versions of one partition that are neither the head, nor among the newest before it, nor too young.

    One that was superseded is never among those: it was not the head, and cannot be.
    """
    has_head = any(record.state is State.PUBLISHED for record in partition)
    room = policy.keep - has_head
    before = datetime.now(UTC) - policy.min_age
    for record in sorted(partition, key=lambda record: record.seq, reverse=True):
        over = record.superseded_at or record.retired_at
        if record.state is State.RETIRED and record.is_complete and room > 0:
            room -= 1
        elif record.state is not State.PUBLISHED and (over is None or over <= before):
            yield record
