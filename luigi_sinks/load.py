"""The whole journey of a load: stage, seal, check, publish, retire."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from luigi_sinks import checks as standard
from luigi_sinks import report
from luigi_sinks.checks import Check
from luigi_sinks.claim import held, renewing
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.record import Head, Origin
from luigi_sinks.report import Report
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.sink import Sink, Stage
from luigi_sinks.version import WHOLE, State, Version, new_version
from luigi_sinks.writer import Writer

Listener = Callable[[Report], None]


@contextmanager
def loading(
    sink: Sink,
    partition: str,
    origin: Origin,
    *,
    checks: Sequence[Check] = (standard.not_empty,),
    shared_with: Collection[str] = (),
    listeners: Sequence[Listener] = (report.log,),
) -> Iterator[Writer]:
    """Give a writer; publish what was written when the block ends cleanly.

    Listeners are told of each step; what one of them raises before publication
    ends the load. The audit log is one, `partial(luigi_sinks.audited.load, sink)`,
    which targets and tasks add, and who calls this directly may.

    Raises Conflict if another load has the partition or publishes first,
    CheckFailed (BadRow among them) if the rows are wrong, Unavailable if the
    store does not answer. After any of them readers see what they saw before, and
    the same load may simply be run again.
    """
    version = new_version(sink.dataset, partition)
    tell = partial(_tell, listeners, Report(sink.store, version), time.monotonic())
    with _told_on_error(tell):
        head = sink.head(partition)
        _admit(origin, head, shared_with)
        if head.record is None:
            _refuse_another_scheme(sink, partition, origin)
        tell(State.STAGED)
        _clear(sink, partition)
        with held(version.id) as claim:
            stage = sink.begin(version, origin, claim)
            with renewing(claim, stage.renew), _abandoned_on_error(stage):
                with Writer(stage, sink.contract) as writer:
                    yield writer
                sealed = retry_unavailable(stage.seal)
                for check in (_complete(writer), *checks):
                    check(version, sealed)
                retry_unavailable(stage.approve)
                done = {"rows": sealed.rows, "set_aside": sealed.set_aside, "part_seconds": tuple(writer.part_seconds)}
                tell(State.VALIDATED, **done)
            _publish(sink, version, head)
    tell(State.PUBLISHED, **done)
    _retire_others(sink, version)


def load(sink: Sink, partition: str, origin: Origin, rows: Iterable[Any], **options: Any) -> None:
    """Make the rows the partition's next version; `options` and errors as for `loading`."""
    with loading(sink, partition, origin, **options) as writer:
        for row in rows:
            writer.write(row)


def _admit(origin: Origin, head: Head, shared_with: Collection[str]) -> None:
    """Refuse a load that would silently replace what another task or a later date published."""
    if head.record is None:
        return
    holder = head.record.origin
    if origin.family != holder.family and holder.family not in shared_with:
        raise Conflict(
            f"{head.version} was published by {holder.family or 'no task'}; {origin.family or 'no task'} would replace "
            f"it. Write another dataset or partition, or declare shared_with = ({holder.family!r},)"
        )
    if origin.family == holder.family and "" < origin.period < holder.period:
        raise Conflict(
            f"{head.version} holds {holder.period}, which is newer than {origin.period}; a backfill does not replace "
            "it. To keep every date, name its parameter in partition_by"
        )


def _refuse_another_scheme(sink: Sink, partition: str, origin: Origin) -> None:
    """Refuse a new partition that would stand beside others of another kind: readers would see rows twice."""
    for record in sink.records():
        theirs = record.version.partition, record.origin.partition_by
        if record.state is not State.PUBLISHED or theirs == (partition, origin.partition_by):
            continue
        known = all((theirs[1], origin.partition_by))
        if WHOLE in {partition, theirs[0]} or (known and theirs[1] != origin.partition_by):
            raise BadSetting(
                f"{record.version} was loaded with partition_by = {theirs[1]}; beside it, partition {partition} with "
                f"partition_by = {origin.partition_by} would show readers the same rows twice. Keep to the one, or "
                "load another dataset"
            )


def _clear(sink: Sink, partition: str) -> None:
    """Abandon what dead loads left in the partition; raise Conflict for a live one."""
    for record in sink.records(partition=partition):
        if not record.state.is_open or record.is_left:
            continue
        if record.claim.is_live(record.version.id):
            raise Conflict(f"{record.version} is being loaded by {record.claim}; this load wrote nothing")
        sink.attach(record.version).abandon()


def _tell(listeners: Sequence[Listener], report: Report, start: float, state: State, **facts: Any) -> None:
    told = replace(report, state=state, seconds=time.monotonic() - start, **facts)
    for listener in listeners:
        listener(told)


@contextmanager
def _told_on_error(tell: Callable[..., None]) -> Iterator[None]:
    """Tell the listeners what ended the load."""
    with _on_error(lambda error: tell(State.FAILED, error=error), "not every listener was told of this ({})"):
        yield


@contextmanager
def _abandoned_on_error(stage: Stage) -> Iterator[None]:
    """Abandon the stage of a load that ended in an error."""
    with _on_error(lambda _: stage.abandon(), "the staged rows are still there ({}); the next load removes them"):
        yield


@contextmanager
def _on_error(act: Callable[[BaseException], None], otherwise: str) -> Iterator[None]:
    """Act on what ends the block before it goes on; where that fails too, note on it what is so `otherwise`."""
    pid = os.getpid()
    try:
        yield
    except BaseException as error:  # GeneratorExit and SystemExit too: only a clean end publishes
        if pid != os.getpid():  # a child that was forked within the block; the load is its parent's
            raise
        try:
            act(error)
        except Exception as failure:  # noqa: BLE001 - the first error is the one that matters
            error.add_note(otherwise.format(failure))
        raise


def _complete(writer: Writer) -> Check:
    return lambda version, sealed: standard.complete(version, sealed, written=writer.rows)


def _publish(sink: Sink, version: Version, head: Head) -> None:
    """Move the head. An unknown outcome is left for the next look to settle; a Conflict is final."""
    try:
        retry_unavailable(sink.publish, version, replacing=head)
    except Conflict:
        sink.attach(version).abandon()
        raise


def _retire_others(sink: Sink, version: Version) -> None:
    """Retire every earlier head, one that a crash left as published too; a later one stays, as it is the head."""
    for record in sink.records(partition=version.partition):
        if record.state is State.PUBLISHED and record.version != version:
            sink.retire(record.version)
