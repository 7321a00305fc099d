"""Records the runs of Luigi's tasks: as a context around each, and by the events of the process that schedules them.

The context is Luigi's setting `[worker] task_process_context`. It sees how a run ends by
what the task's process puts into its queue of results, and what the task requires by
which tasks the process asks to be complete: nothing of the task is called once more,
except `output()`.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from functools import cache, lru_cache, partial
from importlib import import_module
from types import TracebackType
from typing import Any, Self

import luigi
import msgspec
from luigi.configuration import get_config
from luigi.date_interval import DateInterval
from luigi.parameter import ParameterVisibility
from luigi.task import flatten
from luigi.task_register import load_task

from luigi_sinks.process import started
from luigi_sinks.recording import (
    checkout,
    clock,
    luigi_targets,  # noqa: F401 - registers the names of Luigi's targets
    masking,
    recorder,
    runs,
    targets,
)
from luigi_sinks.recording.events import Ended, Interruption, Job, Need, Task
from luigi_sinks.recording.recorder import Recorder
from luigi_sinks.recording.runs import Run
from luigi_sinks.recording.settings import SECTION

_log = logging.getLogger("luigi_sinks.lineage")

_AROUND = "around:"
_KEY = ("worker", "task_process_context")

_OUTCOMES = {"DONE": Ended.COMPLETE, "PENDING": Ended.SUSPENDED, "FAILED": Ended.FAILED}
"""What Luigi calls how an execution ended; it calls it nothing if that was interrupted."""

_EXIT_CODE = re.compile(r"exit code (-?\d+)")
_WORKER_PID = re.compile(r"\bpid=(\d+)")
_SHORTEST_HIDDEN = 4
"""Characters from which on a hidden value is searched for in names: a shorter one is in many by chance."""


def take_over() -> None:
    """Make this module's context that of Luigi's workers, around the one that is set, if any."""
    config: Any = get_config()
    present = config.get(*_KEY, "") or ""
    if present.startswith(__name__):
        return
    name = f"{_AROUND}{present.replace('.', ':')}" if present else TaskContext.__name__
    config.set(*_KEY, f"{__name__}.{name}")


def __getattr__(name: str) -> Any:
    """Return the context around another one, `around:its:dotted:name`: a class as Luigi imports it by its name."""
    if name.startswith(_AROUND):
        return partial(TaskContext, around=name.removeprefix(_AROUND).replace(":", "."))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class TaskContext:
    """Records the run of a task, within the context of the user, if there is one.

    Of itself it never raises: with one worker, Luigi would end all of its work; with several it
    would end the task and exit with 0.
    """

    def __init__(self, process: Any, around: str = "") -> None:
        self._stack = ExitStack()
        self._process = process
        self._users = _imported(around)(process) if around else None

    def __enter__(self) -> Self:
        """Enter the user's context, and begin to record."""
        if self._users is not None:
            self._stack.enter_context(self._users)
        active = recorder.active()
        if active is not None:
            self._stack.enter_context(_Attempt(active, self._process))
        else:
            _warn_off()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """End recording, and leave the user's context, which may suppress the error."""
        return self._stack.__exit__(kind, error, trace)


@cache
def _warn_off() -> None:
    _log.warning("tasks of Luigi are not recorded, as there is no section [%s] that works", SECTION)


def _imported(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    return getattr(import_module(module), kind)


class _Attempt:
    """Records one execution of a task's process."""

    def __init__(self, active: Recorder, process: Any) -> None:
        self._active = active
        self._process = process
        self._task = process.task
        self._required: dict[str, Task] = {}
        self._stack = ExitStack()
        self._run: Run | None = None

    def __enter__(self) -> None:
        with self._active.harmless():
            self._begin()

    def __exit__(self, *error: object) -> None:
        with self._active.harmless():
            self._stack.close()
            if self._run is not None:  # nothing was put into the queue
                self._end(Ended.ABORTED)

    def _begin(self) -> None:
        task, worker = self._task, str(self._process.worker_id)
        run = Run(
            self._active,
            _named(task, self._active),
            owner=masking.text(_text(task, "owner")),
            max_age=targets.seconds(_attribute(task, "max_age")) or self._active.settings.max_age,
            outputs=partial(_outputs, task),
            hidden=_hidden(task),
        )
        run.begin(
            params={name: masking.setting(name, text, _value(task, name)) for name, text in _public(task).items()},
            orchestrator="luigi",
            orchestrator_version=luigi.__version__,
            parent=worker,
            worker=worker,
            build=_build(self._process),
            period=_period(task),
            **checkout.facts(type(task).__module__),
            column_lineage=_column_lineage(task),
        )
        self._run = run
        self._stack.enter_context(runs.entering(run))
        self._replace("result_queue", partial(_Results, self._put))
        self._replace("check_complete", lambda check: partial(self._check, check))

    def _replace(self, name: str, wrap: Callable[[Any], Any]) -> None:
        """Put something around an attribute of the process until the end."""
        before = getattr(self._process, name)
        setattr(self._process, name, wrap(before))
        self._stack.callback(setattr, self._process, name, before)

    def _check(self, check: Callable[[Any], bool], task: Any) -> bool:
        """Ask whether a task is complete, and note that this one requires it, and what it gets from it."""
        is_complete = check(task)
        with self._active.harmless():
            if task.task_id != self._task.task_id and self._run is not None:
                self._required[task.task_id] = _named(task, self._active)
                if is_complete and not isinstance(self._task, luigi.WrapperTask):
                    self._run.hidden += _hidden(task)
                    self._run.reads(*_outputs(task))
        return is_complete

    def _put(self, result: Any) -> None:
        """Record the end from what the process says of it: id, status, explanation, what is missing, what is new."""
        with self._active.harmless():
            _, status, _, _, new = result
            for described in new or ():
                with self._active.harmless():
                    found: Any = load_task(*described)
                    self._required[found.task_id] = _named(found, self._active)
            self._end(_OUTCOMES.get(status, Ended.ABORTED))

    def _end(self, outcome: Ended) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        if outcome is Ended.COMPLETE:
            with self._active.harmless():
                run.writes(*_outputs(self._task))
        run.end(outcome, self._required.values())


class _Results:
    """A queue of results that tells of each before it is put."""

    def __init__(self, tell: Callable[[Any], None], queue: Any) -> None:
        self._tell = tell
        self._queue = queue

    def put(self, result: Any, *args: Any, **kwargs: Any) -> Any:
        self._tell(result)
        return self._queue.put(result, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def _recording(record: Callable[[Recorder, Any, Any], None]) -> Callable[[Any, Any], None]:
    """Make a handler of Luigi's events that never raises, and does nothing where lineage is off."""

    def handle(task: Any, about: Any) -> None:
        active = recorder.active()
        if active is not None:
            with active.harmless():
                record(active, task, about)

    return handle


def _need(active: Recorder, task: Any, required: Any) -> None:
    active.append(Need(at=clock.now(), task=_named(task, active), needs=_named(required, active)))


def _killed(active: Recorder, task: Any, said: Any) -> None:
    code = _EXIT_CODE.search(str(said))
    _interrupted(active, task, f"exit code {code[1]}" if code else "killed")


def _timed_out(active: Recorder, task: Any, _: Any) -> None:
    _interrupted(active, task, "timeout")


def _interrupted(active: Recorder, task: Any, cause: str) -> None:
    """Record an interruption once: Luigi tells of it again and again until it comes to handle it."""
    at, name = clock.now(), _named(task, active)
    is_new = at - _interruptions.get(name, 0) > _SAME_INTERRUPTION
    _interruptions[name] = at
    if is_new:
        active.append(Interruption(at=at, task=name, cause=cause))


def _failed(active: Recorder, task: Any, error: BaseException) -> None:
    """Keep the error of the current run, whose end is recorded when its process says so."""
    run = runs.current()
    if run is not None and run.task == _named(task, active):
        run.fail(error)


luigi.Task.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)(_recording(_need))
luigi.Task.event_handler(luigi.Event.PROCESS_FAILURE)(_recording(_killed))
luigi.Task.event_handler(luigi.Event.TIMEOUT)(_recording(_timed_out))
luigi.Task.event_handler(luigi.Event.FAILURE)(_recording(_failed))

_interruptions: dict[Task, int] = {}
"""When an interruption of a task was last told."""

_SAME_INTERRUPTION = 1_000_000

_tasks: dict[str, Task] = {}
_MOST_TASKS = 10_000
"""Tasks whose names are remembered: each is asked for with each of its dependencies."""


def _named(task: Any, active: Recorder) -> Task:
    """Return the name of a task; a secret in its parameters, of which Luigi makes its id, is left out."""
    name: str = task.task_id
    found = _tasks.get(name)
    if found is None:
        if any(masking.is_secret(key, text, _value(task, key)) for key, text in _public(task).items()):
            name = f"{task.get_task_family()}_{name.rpartition('_')[2]}"
        found = Task(Job(active.settings.namespace, task.get_task_family()), masking.text(name))
        if len(_tasks) >= _MOST_TASKS:
            _tasks.clear()
        _tasks[task.task_id] = found
    return found


def _value(task: Any, name: str) -> Any:
    return task.param_kwargs.get(name)


@lru_cache(maxsize=1024)
def _parameters(kind: Any) -> dict[str, Any]:
    """Return the parameters of a class of tasks, which Luigi looks for each time."""
    return dict(kind.get_params())


def _public(task: Any) -> dict[str, str]:
    """Return the public parameters as text, as Luigi does, which takes four times as long to find them."""
    if task.__class__.to_str_params is not luigi.Task.to_str_params:
        overridden: dict[str, str] = task.to_str_params(only_public=True)
        return overridden
    known = _parameters(task.__class__)
    return {
        name: str(known[name].serialize(value))
        for name, value in task.param_kwargs.items()
        if known[name].visibility == ParameterVisibility.PUBLIC
    }


def _hidden(task: Any) -> tuple[str, ...]:
    """Return the values of the other parameters, which may be part of a path or a message."""
    known = _parameters(task.__class__)
    others = [name for name, each in known.items() if each.visibility != ParameterVisibility.PUBLIC]
    values = [known[name].serialize(getattr(task, name)) for name in others]
    return tuple(value for value in values if isinstance(value, str) and len(value) >= _SHORTEST_HIDDEN)


def _outputs(task: Any) -> list[Any]:
    found: list[Any] = flatten(task.output())
    return found


def _attribute(task: Any, name: str) -> Any:
    """Return an attribute, None if there is none or a property fails."""
    try:
        return getattr(task, name, None)
    except Exception:  # noqa: BLE001 - it is the task's code
        return None


def _text(task: Any, name: str) -> str:
    found = _attribute(task, name)
    return found if isinstance(found, str) else ""


def _column_lineage(task: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return what the task declares of where its columns come from; nothing if that has another form."""
    try:
        return msgspec.convert(_attribute(task, "column_lineage") or {}, dict[str, dict[str, tuple[str, ...]]])
    except msgspec.ValidationError:
        return {}


def _period(task: Any) -> str:
    """Return the first public date or interval among the parameters, as text."""
    known = _parameters(task.__class__)
    for name, value in task.param_kwargs.items():
        if isinstance(value, date | DateInterval) and known[name].visibility == ParameterVisibility.PUBLIC:
            return str(value.isoformat() if isinstance(value, date) else value)
    return ""


def _build(process: Any) -> int:
    """Return when the build began: when the local scheduler first heard of the worker, else when its process began."""
    try:
        state = process.status_reporter._scheduler._state  # noqa: SLF001 - what Luigi shows of it is a list of all
        began = state._active_workers[process.worker_id].started  # noqa: SLF001
    except (AttributeError, KeyError):
        began = _process_began(process.worker_id)
    return int(began * 1_000_000)


@lru_cache(maxsize=64)
def _process_began(worker: str) -> float:
    """Return when the process of a worker began, in seconds since 1970; 0 if it cannot be seen from here."""
    pid = _WORKER_PID.search(worker)
    ticks = started(int(pid[1])) if pid else None
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0
