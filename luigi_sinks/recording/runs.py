"""Which run is recorded here, and how a program of any kind has its runs recorded."""

from __future__ import annotations

import functools
import os
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypedDict, TypeVar, Unpack, cast

from luigi_sinks.errors import public_message
from luigi_sinks.recording import clock, masking, recorder, targets
from luigi_sinks.recording.events import Certainty, Dataset, End, Ended, Event, Job, Need, Read, Start, Task, Write
from luigi_sinks.recording.recorder import Recorder
from luigi_sinks.recording.targets import Named

_MOST_DATA = 1000
"""Plain inputs, and plain outputs, that are recorded of a run."""

_MOST_VERSIONS = 100
"""Of how many of these the version is recorded: each takes a look at the disk."""

_MOST_REQUIRED = 500
"""Tasks that an `End` names, so that it fits into what is kept for ends; the others get a `Need` each."""


def new_id() -> str:
    """Return the id of a run: a UUID of version 7, whose order is that of time."""
    head = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | secrets.randbits(12) << 64
    return str(uuid.UUID(int=head | 2 << 62 | secrets.randbits(62)))


Record = TypeVar("Record", bound=Callable[..., None])


def _harmless(record: Record) -> Record:
    """Make a method do nothing where lineage is off, and never raise: what goes wrong is counted as lost."""

    @functools.wraps(record)
    def safely(run: Run, *args: Any, **kwargs: Any) -> None:
        if run.recorder is not None:
            with run.recorder.harmless():
                record(run, *args, **kwargs)

    return cast("Record", safely)


@dataclass(eq=False)
class Run:
    """An attempt at a task. Its methods never raise, and do nothing where lineage is off: `recorder` is None then.

    `max_age` is that of its outputs in seconds. `outputs` returns the task's targets; they are
    asked only for a `max_age` of their own. `hidden` are values that must not be recorded.
    `observed` are the datasets that our own targets saw it read.
    """

    recorder: Recorder | None
    task: Task
    owner: str = ""
    max_age: float = 0.0
    outputs: Callable[[], Iterable[Any]] = tuple
    hidden: tuple[str, ...] = ()
    id: str = field(default_factory=new_id)
    observed: set[Dataset] = field(default_factory=set[Dataset])
    _inputs: dict[Dataset, tuple[Named, str]] = field(init=False, default_factory=dict[Dataset, tuple[Named, str]])
    _outputs: dict[Dataset, tuple[Named, str]] = field(init=False, default_factory=dict[Dataset, tuple[Named, str]])
    _error: str = field(init=False, default="")
    _message: str = field(init=False, default="")

    @_harmless
    def begin(self, **facts: Any) -> None:
        """Record the start; `facts` are further fields of `Start`."""
        here: Any = {"host": socket.gethostname(), "pid": os.getpid()}
        of_task: Any = {"task": self.task, "owner": self.owner, "max_age": self.max_age}
        self._append(Start(at=clock.now(), run=self.id, **of_task, **here, **facts))

    @_harmless
    def reads(self, *inputs: Any) -> None:
        """Declare that the run reads plain data, as they are now: paths, URLs, targets of Luigi, or a `Dataset`."""
        _declare(self._inputs, inputs)

    @_harmless
    def writes(self, *outputs: Any) -> None:
        """Declare that the run wrote plain data, as they are now; see `reads`."""
        _declare(self._outputs, outputs)

    @_harmless
    def fail(self, error: BaseException) -> None:
        """Keep what the attempt fails with: the class of an error, and its message if that can hold no secret."""
        assert self.recorder is not None
        self._error = type(error).__name__
        said = public_message(error) or (str(error) if self.recorder.settings.messages else "")
        self._message = masking.text(said, self.hidden)

    def end(self, outcome: Ended, requires: Iterable[Task] = ()) -> None:
        """Record what was declared, and the end; `requires` are tasks that `begin` was not given."""
        if outcome is not Ended.SUSPENDED:
            self._record_declared()
        self._record_end(outcome, sorted(requires))

    @_harmless
    def _record_declared(self) -> None:
        known: Any = {"at": clock.now(), "run": self.id, "job": self.task.job, "certainty": Certainty.DECLARED}
        for found, version in self._inputs.values():
            if not found.is_versioned or found.dataset not in self.observed:
                self._append(Read(dataset=self._safe(found.dataset), version=version, **known))
        for found, version in self._outputs.values():
            if not found.is_versioned:
                max_age = found.max_age or self.max_age
                dataset = self._safe(found.dataset)
                self._append(Write(dataset=dataset, version=version, owner=self.owner, max_age=max_age, **known))

    @_harmless
    def _record_end(self, outcome: Ended, requires: Sequence[Task]) -> None:
        assert self.recorder is not None
        at, first = clock.now(), tuple(requires[:_MOST_REQUIRED])
        for task in requires[_MOST_REQUIRED:]:
            self._append(Need(at=at, task=self.task, needs=task))
        error = {"error": self._error, "message": self._message}
        self._append(End(at=at, run=self.id, outcome=outcome, requires=first, **error))
        self.recorder.spool.settle()

    def max_age_of(self, dataset: str) -> float:
        """Return the seconds after which one of our datasets is stale: as its target says, or the task."""
        of_target = (
            targets.seconds(getattr(target, "max_age", None))
            for target in self.outputs()
            if getattr(target, "dataset", None) == dataset
        )
        return next(filter(None, of_target), self.max_age)

    def _safe(self, dataset: Dataset) -> Dataset:
        return Dataset(masking.text(dataset.namespace, self.hidden), masking.text(dataset.name, self.hidden))

    def _append(self, event: Event) -> None:
        assert self.recorder is not None
        self.recorder.append(event)


def _declare(known: dict[Dataset, tuple[Named, str]], data: Iterable[Any]) -> None:
    for each in data:
        if len(known) < _MOST_DATA and (found := targets.named(each)) is not None:
            known[found.dataset] = found, found.version if len(known) < _MOST_VERSIONS else ""


_here: ContextVar[Run | None] = ContextVar("run", default=None)
"""What is recorded in this thread: a program may build several graphs at once, each in a thread of its own."""

_anywhere: dict[str, Run] = {}
"""What is recorded in this process, by the run's id."""


def current() -> Run | None:
    """Return the run that is recorded here; in a thread that a task started itself, the only one of the process."""
    here, anywhere = _here.get(), list(_anywhere.values())
    return anywhere[0] if here is None and len(anywhere) == 1 else here


@contextmanager
def entering(run: Run) -> Iterator[Run]:
    """Make a run the current one within the block."""
    before = _here.get()
    _anywhere[run.id] = run
    _here.set(run)
    try:
        yield run
    finally:
        _here.set(before)
        _anywhere.pop(run.id, None)


class Suspended(BaseException):
    """Ends a block of `run` whose task waits for something: another run of it goes on later."""


class Facts(TypedDict, total=False):
    """What is known of a run besides its job and task: fields of `luigi_sinks.recording.events.Start`."""

    orchestrator: str
    orchestrator_version: str
    parent: str
    build: int
    period: str
    worker: str
    commit: str
    source: str
    digest: str
    column_lineage: dict[str, dict[str, tuple[str, ...]]]


@contextmanager
def run(
    job: str,
    task: str = "",
    *,
    params: Mapping[str, Any] | None = None,
    requires: Iterable[tuple[str, str]] = (),
    owner: str = "",
    max_age: timedelta | float = 0,
    **facts: Unpack[Facts],
) -> Iterator[Run]:
    """Have a block recorded as a run of a job, by whichever orchestrator or none; errors in it are passed on.

    - `job`: the name of what runs again and again.
    - `task`: the job with its parameters, unique in the namespace. Default: `job`.
    - `params`: the parameters; those that look like secrets are masked.
    - `requires`: pairs of job and task that must be complete before.
    - `owner`: the team that the job belongs to.
    - `max_age`: the age, a timedelta or seconds, at which what the run writes is stale. Default: as in luigi.cfg.
    - `facts`: what else is known, see `Facts`.

    Loads and reads of luigi_sinks in the block are recorded with their versions; declare plain
    data by `reads` and `writes`. An error makes the run failed; what ends it and is no error,
    such as KeyboardInterrupt, aborted; `Suspended` suspended. Nothing is recorded without the section
    `[luigi_sinks.lineage]`.

    Example:
        >>> with run("Clean", "Clean 2013-01", params={"month": "2013-01"}, owner="flight_ops") as clean:
        ...     clean.reads("/data/flights.csv")
        ...     clean.writes("s3://bucket/clean/2013-01.parquet")

    """
    found = _made(job, task or job, owner, targets.seconds(max_age))
    if found.recorder is not None:
        with found.recorder.harmless():
            texts = {name: masking.setting(name, str(value)) for name, value in (params or {}).items()}
            needed = tuple(_task(found.task.job.namespace, *each) for each in requires)
            safe = {name: masking.text(said) if isinstance(said, str) else said for name, said in facts.items()}
            found.begin(params=texts, requires=needed, **safe)
    with entering(found):
        try:
            yield found
        except Suspended:
            found.end(Ended.SUSPENDED)
            raise
        except BaseException as error:
            found.fail(error)
            found.end(Ended.FAILED if isinstance(error, Exception) else Ended.ABORTED)
            raise
        found.end(Ended.COMPLETE)


def _task(namespace: str, job: str, task: str) -> Task:
    return Task(Job(namespace, masking.text(str(job))), masking.text(str(task)))


def _made(job: str, task: str, owner: str, max_age: float) -> Run:
    found = recorder.active()
    namespace = found.settings.namespace if found else ""
    default = found.settings.max_age if found else 0.0
    return Run(found, _task(namespace, job, task), masking.text(str(owner)), max_age or default)
