"""What was recorded of runs, as events of OpenLineage's own client; and an OpenLineage endpoint as a destination."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from luigi_sinks.errors import NotInstalled
from luigi_sinks.limit import UNLIMITED, within
from luigi_sinks.lineage.destinations import Part
from luigi_sinks.lineage.endpoint import Endpoint, Unacceptable
from luigi_sinks.lineage.facets.columns import column_lineage
from luigi_sinks.lineage.facets.dataset import of_dataset, of_input, of_output
from luigi_sinks.lineage.facets.job import of_job
from luigi_sinks.lineage.facets.producer import PRODUCER
from luigi_sinks.lineage.facets.run import of_run
from luigi_sinks.lineage.facets.run_id import run_id
from luigi_sinks.recording import clock
from luigi_sinks.recording.events import Certainty, Dataset, End, Ended, Event, Job, Read, Start, Write
from luigi_sinks.recording.settings import LineageSettings

try:
    from openlineage.client import event_v2 as spec
except ImportError as missing:
    raise NotInstalled("openlineage", missing) from missing

_log = logging.getLogger("luigi_sinks.lineage")

Use = TypeVar("Use", Read, Write)

_TYPES = {
    Ended.COMPLETE: spec.RunState.COMPLETE,
    Ended.SUSPENDED: spec.RunState.COMPLETE,
    Ended.FAILED: spec.RunState.FAIL,
    Ended.ABORTED: spec.RunState.ABORT,
}


@dataclass(frozen=True)
class KnownRun:
    """What is known of one run; `reads` and `writes` in the order of time, each once."""

    id: str
    start: Start | None = None
    end: End | None = None
    reads: tuple[Read, ...] = ()
    writes: tuple[Write, ...] = ()

    @property
    def job(self) -> Job | None:
        """The run's job, if anything names it."""
        if self.start is not None:
            return self.start.task.job
        uses: tuple[Read | Write, ...] = (*self.reads, *self.writes)
        return uses[0].job if uses else None

    @property
    def outputs(self) -> tuple[Write, ...]:
        """What was written. What a suspended run only declares comes with the run that completes its task."""
        if self.end is None or self.end.outcome is not Ended.SUSPENDED:
            return self.writes
        return tuple(write for write in self.writes if write.certainty is Certainty.OBSERVED)


def to_openlineage(events: Iterable[Event]) -> Iterator[spec.RunEvent]:
    """Yield the events of one run: START if its start is known, and COMPLETE, FAIL or ABORT if its end is.

    Events may come in any order and more than once. Nothing is yielded for a run whose
    job nothing names.

    Example:
        >>> from luigi_sinks.recording.events import Task
        >>> run, task = "019c3f5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f", Task(Job("luigi", "Flights"), "Flights_2013_01")
        >>> recorded = [Start(at=1, run=run, task=task), End(at=2, run=run, outcome=Ended.COMPLETE)]
        >>> [(event.eventType.value, event.job.name) for event in to_openlineage(recorded)]
        [('START', 'Flights'), ('COMPLETE', 'Flights')]

    """
    run = gather(list(events))
    if run.start is not None:
        yield started(run.start)
    if run.end is not None and run.job is not None:
        yield ended(run, run.end, run.job)


def gather(events: Sequence[Event]) -> KnownRun:
    """Return what events say of the one run that they are about."""
    about = [event for event in events if isinstance(event, Start | End | Read | Write)]
    start = next((event for event in about if isinstance(event, Start)), None)
    ends = [event for event in about if isinstance(event, End)]
    return KnownRun(
        id=about[0].run if about else "",
        start=start,
        end=max(ends, key=_rank, default=None),
        reads=_once(event for event in about if isinstance(event, Read)),
        writes=_once(event for event in about if isinstance(event, Write)),
    )


def _rank(end: End) -> tuple[bool, int]:
    """Order ends: what the run itself said counts more than that its process was found dead."""
    return end.outcome is not Ended.ABORTED, end.at


def _once(events: Iterable[Use]) -> tuple[Use, ...]:
    found: list[Use] = []
    for event in sorted(events, key=lambda event: event.at):
        if event not in found:
            found.append(event)
    return tuple(found)


def started(start: Start) -> spec.RunEvent:
    """Return the event START of a run."""
    return _event(spec.RunState.START, start.at, KnownRun(start.run, start), start.task.job)


def ended(run: KnownRun, end: End, job: Job) -> spec.RunEvent:
    """Return the last event of a run, with all that is known of it."""
    return _event(_TYPES[end.outcome], end.at, run, job)


def more(run: KnownRun, job: Job) -> spec.RunEvent:
    """Return the event OTHER, for what became known of a run after its last event."""
    return _event(spec.RunState.OTHER, max(use.at for use in (*run.reads, *run.writes)), run, job)


def _event(kind: spec.RunState, at: int, run: KnownRun, job: Job) -> spec.RunEvent:
    return spec.RunEvent(
        eventType=kind,
        eventTime=clock.iso(clock.moment(at)),
        producer=PRODUCER,
        run=spec.Run(run_id(run.id), of_run(run.start, run.end)),
        job=spec.Job(job.namespace, job.name, of_job(run.start)),
        inputs=[_input(dataset, uses) for dataset, uses in _by_dataset(run.reads).items()],
        outputs=[_output(dataset, uses, run) for dataset, uses in _by_dataset(run.outputs).items()],
    )


def _by_dataset(uses: Iterable[Use]) -> dict[Dataset, list[Use]]:
    found: dict[Dataset, list[Use]] = {}
    for use in uses:
        found.setdefault(use.dataset, []).append(use)
    return found


def _input(dataset: Dataset, reads: Sequence[Read]) -> spec.InputDataset:
    described = of_dataset(dataset.namespace, dataset.name, reads)
    return spec.InputDataset(dataset.namespace, dataset.name, facets=described, inputFacets=of_input(reads))


def _output(dataset: Dataset, writes: Sequence[Write], run: KnownRun) -> spec.OutputDataset:
    described = of_dataset(dataset.namespace, dataset.name, writes)
    declared = run.start.column_lineage if run.start else {}
    described |= column_lineage(declared, writes, run.reads)
    return spec.OutputDataset(dataset.namespace, dataset.name, facets=described, outputFacets=of_output(writes))


class Runs:
    """Tells, event by event in the order of a spool's file, what is to be sent to OpenLineage.

    Example:
        >>> from luigi_sinks.recording.events import Task
        >>> task, runs = Task(Job("luigi", "Flights"), "Flights_2013_01"), Runs()
        >>> runs.take(Start(at=1, run="nightly", task=task)).eventType.value
        'START'
        >>> runs.take(End(at=2, run="nightly", outcome=Ended.COMPLETE)).eventType.value
        'COMPLETE'

    """

    def __init__(self) -> None:
        self._open: dict[str, list[Event]] = {}

    def take(self, event: Event) -> spec.RunEvent | None:
        """Return what is due now that this event is known, if anything is.

        A run's start and end are due when they come; what it reads and writes goes with its
        end. What another process read or wrote for a run, or what comes after its end, is
        sent by itself.
        """
        if isinstance(event, Start):
            return None if self._is_kept(event) else started(event)
        if isinstance(event, End):
            run = gather([*self._open.pop(event.run, ()), event])
            return ended(run, event, run.job) if run.job is not None else None
        if isinstance(event, Read | Write) and not self._is_kept(event):
            return more(gather([event]), event.job)
        return None

    def _is_kept(self, event: Start | Read | Write) -> bool:
        """Keep an event with those of its run; return False for the first of a run, of which only a start is kept."""
        known = self._open.get(event.run)
        if known is not None:
            known.append(event)
        elif isinstance(event, Start):
            self._open[event.run] = [event]
        return known is not None


class ToOpenLineage:
    """Delivers to an OpenLineage endpoint. An event that the endpoint will never accept is left out."""

    name: ClassVar[str] = "openlineage"
    most: ClassVar[int] = 25
    """Few, as after a failure all of them are sent once more."""

    def __init__(self, settings: LineageSettings, seconds: float | None = None) -> None:
        self._endpoint = Endpoint(settings.openlineage_url, settings.openlineage_credential)
        self._seconds = UNLIMITED if seconds is None else round(seconds, 1)

    def deliver(self, parts: Sequence[Part]) -> int:
        """Send what is due with these events; return how many the endpoint refused for good."""
        with within("exit_seconds", self._seconds):
            return sum(self._deliver(part) for part in parts)

    def _deliver(self, part: Part) -> int:
        runs = _runs_before(part)
        refused = sum(self._refuses(due) for due in map(runs.take, part.events) if due is not None)
        if not part.is_last:
            _known[part.path] = part.end, runs
        return refused

    def _refuses(self, event: spec.RunEvent) -> bool:
        try:
            self._endpoint.send(event)
        except Unacceptable as refusal:
            _log.warning("the end or start of a run of %s is left out: %s", event.job.name, refusal)
            return True
        return False

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()


_known: dict[Path, tuple[int, Runs]] = {}
"""The runs that are open at an offset of a file, so that whoever follows it need not read it from its start again."""


def _runs_before(part: Part) -> Runs:
    """Return the runs that are open where a part begins."""
    offset, runs = _known.pop(part.path, (0, Runs()))
    if offset != part.start:
        runs = Runs()
        for event in part.earlier():
            runs.take(event)
    return runs
