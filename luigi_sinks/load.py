"""The whole journey of a load: stage, seal, check, publish."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

from luigi_sinks import checks as standard
from luigi_sinks import pruning, scheme, settling, superseding, versions
from luigi_sinks import record as rules
from luigi_sinks.checks import Check
from luigi_sinks.claim import Claim, held, renewing
from luigi_sinks.errors import BadSetting, Conflict, Unavailable, did_you_mean
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import Listener, Telling, telling
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.release import Release
from luigi_sinks.retention import Retention
from luigi_sinks.retry import patient
from luigi_sinks.sink import Sink
from luigi_sinks.staged import Staged
from luigi_sinks.version import WHOLE, Version, new_version
from luigi_sinks.writer import Writer

_log = logging.getLogger("luigi_sinks")

Older = Literal["refuse", "superseded"]
"""What becomes of a load for an older period than the head's."""


@dataclass(frozen=True)
class Load:
    """A load that is to come: of which partition, for whom, and on which terms; `loading` explains them.

    `place` is the connection as luigi.cfg names it, STORE or STORE.NAME, by which the
    versions of a release find each other.
    """

    sink: Sink
    partition: str
    origin: Origin
    checks: Sequence[Check] = (standard.not_empty,)
    shared_with: Collection[str] = ()
    older: Older = "refuse"
    most_bad_rows: float | None = None
    again: bool = True
    changes_by_key: bool = False
    takes_over: bool = False
    retention: Retention | None = None
    listeners: Sequence[Listener] = ()
    place: str = ""

    def telling(self, version: Version) -> AbstractContextManager[Telling]:
        """Give what tells of the load."""
        return telling(patient(self.sink), Action.LOAD, version, self.origin, self.listeners)


@contextmanager
def loading(  # noqa: PLR0913 - each option stands for itself
    sink: Sink,
    partition: str,
    origin: Origin,
    *,
    checks: Sequence[Check] = (standard.not_empty,),
    shared_with: Collection[str] = (),
    older: Older = "refuse",
    most_bad_rows: float | None = None,
    again: bool = True,
    changes_by_key: bool = False,
    takes_over: bool = False,
    retention: Retention | None = None,
    listeners: Sequence[Listener] = (),
) -> Iterator[Writer]:
    """Give a writer; publish what was written when the block ends cleanly.

    `partition` is the partition's id, `_all` for a dataset without partitions.
    `checks` must pass before readers see the version. `shared_with` names other task
    families that may write the same partition. `older` says what becomes of a load for an
    older period than the head's: "refuse" raises Conflict, "superseded" completes its output
    by a version that readers never see. `most_bad_rows` is how many rows that break the
    contract, or which share of all rows, is set aside into a file; without it, the first one
    ends the load. `again` allows to load an output that is complete; without it, that is a
    Conflict. `changes_by_key` makes the version of the head and of the rows that are given:
    each replaces the one with its key, and `Writer.delete` leaves others out; without a head
    it is made of the rows. `takes_over` abandons what an earlier try of the same output left on
    another host, though its lease is not over: the caller knows that it is dead. `retention`
    says which older versions of the partition are deleted once the new one is published.
    `listeners` are told of each step, after those that hear of every load: the audit log,
    the log, and what `listen` added.

    Raises Conflict if another load has claimed the partition or publishes first,
    CheckFailed (BadRow is one) if rows are wrong, BadSetting for partitions of another
    kind than the dataset has, and Unavailable if the store does not answer, though each
    call is retried for as long as the sink's `patience`. After each of them readers see
    what they saw before, except that a version may be published whose publication ended
    in Unavailable; the same load may be run again, and finds it.
    """
    load = Load(
        sink,
        partition,
        origin,
        checks=checks,
        shared_with=shared_with,
        older=older,
        most_bad_rows=most_bad_rows,
        again=again,
        changes_by_key=changes_by_key,
        takes_over=takes_over,
        retention=retention,
        listeners=listeners,
    )
    with writing(load) as writer:
        yield writer


def load(sink: Sink, partition: str, origin: Origin, rows: Iterable[Any], **options: Any) -> None:
    """Make the rows the partition's next version; `options` and errors as for `loading`."""
    with loading(sink, partition, origin, **options) as writer:
        writer.write_all(rows)


@contextmanager
def writing(load: Load) -> Iterator[Writer]:
    """Do what `loading` does."""
    with staging(load) as staged, staged.writing() as writer:
        yield writer


@contextmanager
def staging(load: Load) -> Iterator[Staged]:
    """Give what takes the rows of a version, from whichever processes; publish it when the block ends cleanly.

    It is `loading` without the writer: the block has parts written to `Staged.stage`, or to what
    `Sink.attach` gives elsewhere, and then calls `Staged.seal` with what was written, or ends in
    Conflict. Lease, checks, events and errors are as for `loading`.

    Example:
        >>> from luigi_sinks import Origin, Written, config
        >>> from luigi_sinks.contract import Contract, Field, TupleShape
        >>> from luigi_sinks.sink import Part
        >>> from luigi_sinks.sqlite import SQLiteSink
        >>> contract = Contract("numbers", {"": TupleShape((Field("id", int),))})
        >>> sink = SQLiteSink(config.common().local, "mariadb", "staged_numbers", contract)
        >>> with staging(Load(sink, "_all", Origin("Numbers_1"))) as staged:
        ...     staged.stage.write(Part(0, "", 1, *contract.accept("", [(1,), (2,)], 1)))
        ...     staged.seal(Written(rows=2))
        >>> sink.head("_all").record.rows
        2

    """
    version = new_version(load.sink.dataset, load.partition)
    with load.telling(version) as told:
        found = look(load)
        with claiming(load, version, found, told) as staged:
            yield staged
            if not told.event.checks:
                raise Conflict(
                    f"{version}: the block ended without staged.seal(Written(rows=...)), which says how many rows were "
                    "written; nothing is published"
                )
            end = _supersede if superseding.is_older(load.origin, found.head) else _publish
            end(staged.sink, version, found.head, told)
        tidy(load)


@dataclass(frozen=True)
class Found:
    """What a load finds in its partition: the head that it is to replace, and versions that are unfinished."""

    head: Head
    unfinished: Sequence[Record]


def look(load: Load) -> Found:
    """Return what there is, once no release is left half done."""
    sink = patient(load.sink)
    unfinished = settling.settle(sink, load.partition)
    return Found(sink.head(load.partition), unfinished)


@contextmanager
def claiming(
    load: Load, version: Version, found: Found, told: Telling, release: Release | None = None
) -> Iterator[Staged]:
    """Claim the partition and register the version; abandon it if the block ends in an error."""
    sink, head = patient(load.sink), found.head
    _admit(load, head)
    if superseding.is_older(load.origin, head) and load.older == "refuse":
        raise superseding.backfill(load.origin, head)
    told.tell(Outcome.BEGUN, replaced=head.version)
    _clear(load, found.unfinished)
    with held(version.id, sink.lease) as claim, _abandoned_on_error(load.sink, version, told):
        base = head.record if load.changes_by_key else None
        made_of = base.version.id if base else ""
        stage = sink.begin(replace(_staged(sink, version, load.origin, claim), base=made_of, release=release))
        with renewing(claim, partial(_renew, load.sink, version), sink.lease):
            yield Staged(sink, stage, told, load.checks, load.most_bad_rows, base)


def _publish(sink: Sink, version: Version, head: Head, told: Telling) -> None:
    """Make the version the head."""
    with told.step("publish"):
        record = sink.publish(version, replacing=head)
    told.tell(Outcome.SUCCESS, action=Action.PUBLISH, epoch=record.publications[-1].epoch)


def _supersede(sink: Sink, version: Version, head: Head, told: Telling) -> None:
    """Complete the output of an older period, whose version readers never see."""
    with told.step("supersede"):
        sink.change(version, superseding.supersede)
    told.tell(Outcome.SUPERSEDED, replaced=None, epoch=head.epoch)


def refuse_unknown(older: Any) -> None:
    """Raise BadSetting for what cannot become of a load for an older period."""
    if older not in (known := get_args(Older)):
        raise BadSetting(f"older = {older!r} is unknown; {did_you_mean(older, known)}")


def _admit(load: Load, head: Head) -> None:
    """Refuse a load that would silently replace what another task, a later date, or (not `again`) itself published.

    Publishing refuses what comes true after the head was read.
    """
    sink, partition, origin = patient(load.sink), load.partition, load.origin
    for record in () if load.again else sink.records(update_ids={origin.update_id}):
        if record.version.partition == partition and record.answers(origin):
            raise Conflict(f"{record.version} completes {origin.update_id} already; this load wrote nothing")
    if head.record is None:
        scheme.refuse_another(sink.example(), partition, origin)
        return
    holder = head.record.origin
    if origin.family != holder.family and holder.family not in load.shared_with:
        raise Conflict(
            f"{head.version} was published by {holder.family or 'no task'}; {origin.family or 'no task'} would replace "
            f"it. To keep both, give each task a partition of its own by partition_by, or partition = 'NAME' where no "
            f"parameter tells them apart, or another dataset. To replace it, declare shared_with = ({holder.family!r},)"
        )


def _staged(sink: Sink, version: Version, origin: Origin, claim: Claim) -> Record:
    if version.partition != WHOLE and not origin.partition_by:
        origin = scheme.named(sink.example(), origin)
    return rules.staged(version, origin, claim, schema=sink.declared, principal=sink.login.principal)


def _renew(sink: Sink, version: Version, claim: Claim) -> None:
    sink.change(version, partial(rules.renew, claim=claim))


def _clear(load: Load, unfinished: Iterable[Record]) -> None:
    """Abandon what dead loads left in the partition; raise Conflict for a live one."""
    for record in unfinished:
        if not record.is_unfinished:
            continue
        if record.claim.is_live(record.version.id) and not _takes_over(load, record):
            raise rules.being_loaded(record)
        versions.abandon(patient(load.sink), record.version)


def _takes_over(load: Load, record: Record) -> bool:
    """Return whether the load may take what a try of the same output left, of whose host it cannot know."""
    return load.takes_over and record.origin.update_id == load.origin.update_id and not record.claim.is_here


def tidy(load: Load) -> None:
    """Delete what dead loads left in the partition, and versions that are not kept.

    The version is published: nothing here fails its load.
    """
    sink, partition = patient(load.sink, 0), load.partition
    try:
        versions.sweep_remains(sink, partition)
    except Exception as error:  # noqa: BLE001 - the next load or `versions.sweep` does it
        _log.warning("%s/%s: not swept after the publication: %s", sink.dataset, partition, error)
    try:
        if load.retention is not None:
            pruning.prune_all(sink, pruning.plan_prune(sink, load.retention, partition=partition))
    except Exception as error:  # noqa: BLE001 - the next load or `luigi-sinks prune` does it
        _log.warning("%s/%s: not pruned after the publication: %s", sink.dataset, partition, error)


@contextmanager
def _abandoned_on_error(sink: Sink, version: Version, told: Telling) -> Iterator[None]:
    """Abandon the version of a load that ends in an error, whichever it is: only a clean end publishes."""
    pid = os.getpid()
    try:
        yield
    except BaseException as error:  # GeneratorExit and SystemExit too
        if pid == os.getpid():  # a forked child leaves the load to its parent
            try:
                patience = 0 if isinstance(error, Unavailable) else sink.patience  # it has run out already
                versions.abandon(patient(sink, patience), version, checks=told.event.checks)
            except Conflict:
                pass  # it was not registered yet, or another load has cleared it
            except Exception as failure:  # noqa: BLE001 - the first error is the one that matters
                error.add_note(f"the staged rows are still there ({failure}); the next load removes them")
        raise
