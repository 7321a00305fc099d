"""What a registry keeps of a version, and the rules of a version's life.

    staged → sealed → validated → published ⇄ retired → dropping → dropped
    │          │          ├→ superseded → dropping → dropped
    └──────────┴──────────┴→ abandoned → failed

Each rule is a pure function, a `Transition`: it takes the record and the pointer of
the partition's head as they are now, and returns the record as it must become, the
same record if there is nothing to change, or raises Conflict. A store reads, calls
one, compares and swaps; it adds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from luigi_sinks.checks import CheckResult, StagedCounts
from luigi_sinks.claim import Claim
from luigi_sinks.errors import Conflict
from luigi_sinks.release import Release
from luigi_sinks.version import State, Version


@dataclass(frozen=True)
class Origin:
    """Who asked for a version.

    `update_id` identifies the output: the task's id. `rerun` is the label under which
    the same output was loaded once more. `period` is the task's date if it has one
    outside the partition; an older period never replaces a newer one. `partition_by`
    names the parameters that chose the partition, where that is known.
    """

    update_id: str
    rerun: str = ""
    partition_by: tuple[str, ...] = ()
    family: str = ""
    owner: str = ""
    period: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Publication:
    """One time that a version became the head.

    `epoch` counts the moves of the partition's head, this one included; 0 where it is
    not known, since the version was published before epochs were recorded.
    """

    epoch: int
    at: datetime
    by: str = ""
    why: str = ""


@dataclass(frozen=True)
class Withdrawal:
    """Who declared a published version wrong, when and why; its output is incomplete again."""

    at: datetime
    by: str = ""
    why: str = ""


@dataclass(frozen=True)
class Record:
    """One version's line of history.

    `seq` orders the versions of a dataset. `origin` says who asked for it, `claim` which
    process loads it, `checks` what each check said, `steps` how many seconds each step of the
    load took until then. `rows` is the server's count, and
    `set_aside` counts rows that the task allows to be left out. `schema` is what the
    version was loaded with, as JSON in the store's own terms: columns, mapping or graph.
    `principal` is the login that loaded it. `base` is the id of the version it was made
    from, if any. `publications` are the times that it became the head, `retired_at` is when
    it last ceased to be. `superseded_at` is when it was passed over for a head of a newer period.
    `withdrawn` and `pinned` stand beside `state`: a withdrawn version that is dropped stays withdrawn.
    `release` is what it is published with, if anything, and `exposed` the names beside the head that show it.
    """

    version: Version
    seq: int
    state: State
    origin: Origin
    claim: Claim
    staged_at: datetime
    rows: int | None = None
    set_aside: int = 0
    schema: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    principal: str = ""
    base: str = ""
    publications: tuple[Publication, ...] = ()
    retired_at: datetime | None = None
    superseded_at: datetime | None = None
    withdrawn: Withdrawal | None = None
    pinned: bool = False
    release: Release | None = None
    exposed: tuple[str, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)

    @property
    def published_at(self) -> datetime | None:
        """Return when it was first published."""
        return self.publications[0].at if self.publications else None

    @property
    def was_complete(self) -> bool:
        """Tell whether it was published or superseded, even if it was withdrawn since."""
        return bool(self.publications) or self.superseded_at is not None

    @property
    def is_complete(self) -> bool:
        """Tell whether it was published, or superseded, and not withdrawn; whether it is the head does not matter.

        A version of a release is complete once all of that is published.
        """
        return self.was_complete and self.withdrawn is None and not self.is_unsettled

    @property
    def is_unsettled(self) -> bool:
        """Tell whether its release goes on, or a process that died left it to be finished or taken back."""
        is_over = self.state in {State.DROPPING, State.DROPPED, State.FAILED}
        return self.release is not None and not self.release.is_settled and not is_over

    @property
    def is_publishable(self) -> bool:
        """Tell whether it may become the head: its checks passed, or it was the head before."""
        if self.state is State.VALIDATED:
            return self.release is None or not self.release.is_settled
        return self.state is State.RETIRED and self.is_complete

    @property
    def is_left(self) -> bool:
        """Tell whether its load failed without the right to delete its rows: they wait for a pruner."""
        return self.state is State.ABANDONED and self.claim.is_given_up

    @property
    def is_unfinished(self) -> bool:
        """Tell whether a load is working on it, or ended without clearing it."""
        return self.state.is_open and not self.is_left

    def answers(self, asked: Origin) -> bool:
        """Tell whether it completes the output that is asked for; without a label, any rerun does."""
        same = self.origin.update_id == asked.update_id and asked.rerun in {"", self.origin.rerun}
        return same and self.is_complete

    @property
    def seconds(self) -> float | None:
        """Return how long the load took, from stage to first publication."""
        return (self.published_at - self.staged_at).total_seconds() if self.published_at else None


@dataclass(frozen=True)
class Pointer:
    """The version that is a partition's head, if any, and how often the head has moved.

    The epoch makes compare-and-swap safe: after A, B, A the version is the same again,
    the epoch is not.
    """

    version: Version | None = None
    epoch: int = 0


@dataclass(frozen=True)
class Head:
    """The version that readers see, if any, with its record."""

    record: Record | None = None
    epoch: int = 0

    @property
    def version(self) -> Version | None:
        """Return the version that readers see."""
        return self.record.version if self.record else None

    @property
    def pointer(self) -> Pointer:
        """Return what a publication compares."""
        return Pointer(self.version, self.epoch)


Transition = Callable[[Record, Pointer], Record]
"""Takes a record and the pointer of its partition, and returns the record as it must become."""


def staged(
    version: Version,
    origin: Origin,
    claim: Claim,
    *,
    schema: Mapping[str, Any] | None = None,
    principal: str = "",
) -> Record:
    """Return the first record of a version. The registry gives it its number."""
    at = datetime.now(UTC)
    return Record(version, 0, State.STAGED, origin, claim, at, schema=schema or {}, principal=principal)


def as_pointed(record: Record, head: Pointer, *, at: datetime | None = None) -> Record:
    """Return the record with the state that the pointer says; the pointer is the authority.

    Every store applies it wherever it reads a record, so a crash between two steps
    leaves nothing to repair. `at` is the time to note, where that is to be stored.
    """
    if head.version == record.version:
        if record.state is State.PUBLISHED:
            return record
        found = Publication(head.epoch, at or datetime.now(UTC), why="found as the head")
        known = record.publications and record.publications[-1].epoch in {0, head.epoch}
        publications = record.publications if known else (*record.publications, found)
        return replace(record, state=State.PUBLISHED, publications=publications, retired_at=None)
    if record.state is State.PUBLISHED:
        return replace(record, state=State.RETIRED, retired_at=record.retired_at or at)
    return record


def accept_rows(record: Record, head: Pointer) -> Record:
    """Return the record of a version that takes rows."""
    del head
    if record.state is not State.STAGED:
        raise refused(record, "takes no more rows")
    return record


def renew(record: Record, head: Pointer, *, claim: Claim) -> Record:
    """Extend the claim of the load that works on the version; one that was left stays left."""
    del head
    if not record.state.is_open:
        raise refused(record, "has no load to renew the claim of")
    return record if record.is_left else replace(record, claim=claim)


def close(record: Record, head: Pointer) -> Record:
    """Let the version take no more rows."""
    del head
    if record.state is State.STAGED:
        return replace(record, state=State.SEALED)
    if record.state not in {State.SEALED, State.VALIDATED}:
        raise refused(record, "cannot be sealed")
    return record


def seal(record: Record, head: Pointer, *, counts: StagedCounts) -> Record:
    """Let the version take no more rows, and keep what the server counted."""
    return replace(close(record, head), rows=counts.rows, set_aside=counts.set_aside)


def approve(
    record: Record,
    head: Pointer,
    *,
    checks: Sequence[CheckResult] = (),
    rejected: int = 0,
    steps: Mapping[str, float] | None = None,
) -> Record:
    """Record that the sealed version passed its checks; `rejected` rows were set aside before they came here."""
    del head
    if record.state is State.VALIDATED:
        return record
    if record.state is not State.SEALED or record.rows is None:
        raise refused(record, "cannot be approved")
    set_aside = record.set_aside + rejected
    return replace(record, state=State.VALIDATED, checks=tuple(checks), set_aside=set_aside, steps=steps or {})


def publish(record: Record, head: Pointer, *, replacing: Pointer, publication: Publication) -> Record:
    """Make the version the head, if the head still is `replacing`.

    Publishing the head again changes nothing, so a call whose answer was lost may be
    repeated. The publication gets its epoch here.
    """
    if head.version == record.version:
        return record
    if head != replacing:
        raise overtaken(record.version, head)
    if not record.is_publishable:
        raise refused(record, f"{'is withdrawn and ' * bool(record.withdrawn)}cannot be published")
    publications = (*record.publications, replace(publication, epoch=head.epoch + 1))
    return replace(record, state=State.PUBLISHED, publications=publications, retired_at=None)


def retire(record: Record, head: Pointer, *, at: datetime | None = None) -> Record:
    """Record that the version is no longer the head; does nothing if it is, or never was."""
    return as_pointed(record, head, at=at or datetime.now(UTC))


def abandon(record: Record, head: Pointer, *, checks: Sequence[CheckResult] = ()) -> Record:
    """Give up an unfinished version, whose rows are to be deleted; leaves every other one alone.

    A version that was published is never abandoned, even if its record claims to be open.
    `checks` say which check ended the load, if one did.
    """
    del head
    if not record.is_unfinished or record.publications:
        return record
    return replace(record, state=State.ABANDONED, checks=tuple(checks) or record.checks)


def fail(record: Record, head: Pointer) -> Record:
    """Record that the rows of an abandoned version are deleted."""
    del head
    return replace(record, state=State.FAILED, rows=None) if record.state is State.ABANDONED else record


def leave(record: Record, head: Pointer) -> Record:
    """Leave the rows of an abandoned version for a pruner, as this login may not delete them."""
    del head
    return replace(record, claim=record.claim.given_up()) if record.state is State.ABANDONED else record


def bases(records: Iterable[Record]) -> set[str]:
    """Return the ids of the versions that loads at work are made from; one that ended needs its base no more."""
    at_work = (each for each in records if each.is_unfinished and each.claim.is_live(each.version.id))
    return {record.base for record in at_work if record.base}


def published_before(record: Record) -> Record:
    """Return the record of a version that was published at some time. Raises Conflict for any other."""
    if not record.publications:
        raise refused(record, "was never published")
    return record


def readable(record: Record) -> Record:
    """Return the record of a version whose rows can be read. Raises Conflict for any other."""
    if not record.state.has_rows:
        raise refused(record, "has no rows to read")
    return record


def overtaken(version: Version, head: Pointer) -> Conflict:
    """Return the error of a publication that came second."""
    return Conflict(f"{version}: the head moved on to {head.version} meanwhile; nothing was published")


def being_loaded(record: Record, why: str = "") -> Conflict:
    """Return the error of a load that another one, which holds a claim, keeps out."""
    return Conflict(
        f"{why}{record.version} is being loaded by {record.claim}, since {record.staged_at:%Y-%m-%d %H:%M:%S} UTC; "
        f"this load wrote nothing. Its claim ends at {record.claim.until:%H:%M:%S} UTC unless it is renewed: run this "
        "again then, or, if that process is gone, take over by luigi_sinks.versions.abandon(catalog, version)"
    )


def unknown(version: Version) -> Conflict:
    """Return the error for a version that the registry does not hold."""
    return Conflict(f"{version} is not in the registry")


def refused(record: Record, what: str) -> Conflict:
    """Return the error of a step that a version's state does not allow."""
    return Conflict(f"{record.version} is {record.state}; it {what}")
