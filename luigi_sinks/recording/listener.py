"""Records what our own targets see: which versions the current run reads and writes, and what becomes a head."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from luigi_sinks import events as told
from luigi_sinks.events import Action, Outcome
from luigi_sinks.recording import clock, recorder, runs
from luigi_sinks.recording.events import (
    Certainty,
    Check,
    Column,
    Dataset,
    Event,
    Publication,
    Read,
    Removal,
    Unpublication,
    Write,
)


def write(event: told.Event) -> None:
    """Record an event of a load, a read or a verb. Never raises, and does nothing where lineage is off."""
    record = _RECORDED.get((event.action, event.outcome))
    if record is None or (active := recorder.active()) is None:
        return
    with active.harmless():
        found = record(event)
        if found is not None:
            active.append(found)


def _read(event: told.Event) -> Read | None:
    run = runs.current()
    if run is None:
        return None
    run.observed.add(_dataset(event))
    return Read(
        at=clock.now(),
        run=run.id,
        job=run.task.job,
        dataset=_dataset(event),
        certainty=Certainty.OBSERVED,
        partition=event.version.partition,
        version=event.version.id,
        rows=event.rows,
        seconds=event.seconds,
    )


def _write(event: told.Event) -> Write | None:
    """Return what a load wrote. It is recorded before the publication, which so never is of an unknown version."""
    run = runs.current()
    if run is None:
        return None
    return Write(
        at=clock.now(),
        run=run.id,
        job=run.task.job,
        dataset=_dataset(event),
        certainty=Certainty.OBSERVED,
        partition=event.version.partition,
        version=event.version.id,
        owner=(event.origin and event.origin.owner) or run.owner,
        rows=event.rows,
        set_aside=event.set_aside,
        bytes=event.bytes,
        seconds=event.seconds,
        steps=dict(event.steps),
        checks=tuple(Check(check.name, check.passed) for check in event.checks),
        columns=tuple(Column(name, kind) for name, kind in event.columns.items()),
        max_age=run.max_age_of(event.version.dataset),
    )


def _publication(event: told.Event) -> Publication:
    return Publication(
        at=clock.now(),
        dataset=_dataset(event),
        partition=event.version.partition,
        version=event.version.id,
        epoch=event.epoch,
        by=event.login.principal,
        is_rollback=event.action is Action.ROLLBACK,
    )


def _unpublication(event: told.Event) -> Unpublication | None:
    """Return that readers see nothing from now on; None where another version follows, which a rollback tells."""
    if not event.epoch:
        return None
    return Unpublication(
        at=clock.now(),
        dataset=_dataset(event),
        partition=event.version.partition,
        version=event.version.id,
        epoch=event.epoch,
        by=event.login.principal,
    )


def _removal(event: told.Event) -> Removal:
    version = event.version
    return Removal(at=clock.now(), dataset=_dataset(event), partition=version.partition, version=version.id)


def _dataset(event: told.Event) -> Dataset:
    return Dataset(event.location.namespace, event.location.name)


_RECORDED: Mapping[tuple[Action, Outcome], Callable[[told.Event], Event | None]] = {
    (Action.READ, Outcome.SUCCESS): _read,
    (Action.READ, Outcome.STOPPED): _read,
    (Action.LOAD, Outcome.SUCCESS): _write,
    (Action.PUBLISH, Outcome.SUCCESS): _publication,
    (Action.ROLLBACK, Outcome.SUCCESS): _publication,
    (Action.WITHDRAW, Outcome.SUCCESS): _unpublication,
    (Action.DROP_DATASET, Outcome.SUCCESS): _unpublication,
    (Action.PRUNE, Outcome.SUCCESS): _removal,
    (Action.ABANDON, Outcome.SUCCESS): _removal,
}
