"""Measures what recording lineage costs a task of Luigi, in CPU time: `python benchmarks/recording.py`.

The bars: 100 us for each handler, 1 ms for a task whose parent imports luigi_sinks.recording.
"""

import logging
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import luigi
from luigi.configuration import get_config
from luigi.worker import ContextManagedTaskProcess, TaskStatusReporter

ROUNDS = 2_000
CONTEXT = "luigi_sinks.recording.luigi.TaskContext"
IMPORT = """
import luigi, time
before = time.process_time()
import luigi_sinks.recording.luigi
print(time.process_time() - before)
"""


class Month(luigi.Task):
    """A file of a month, as most tasks write one."""

    day = luigi.DateParameter()
    carrier = luigi.Parameter(default="UA")
    folder = luigi.Parameter(significant=False)

    def output(self) -> Any:
        """Return the file."""
        return luigi.LocalTarget(f"{self.folder}/{self.carrier}-{self.day}.csv")

    def run(self) -> None:
        """Do nothing: what is measured is what comes before and after."""


class Year(Month):
    """A task with inputs."""

    inputs = luigi.IntParameter(default=12)

    def requires(self) -> Any:
        """Return as many tasks as `inputs` says."""
        days = [self.day + timedelta(days=number) for number in range(self.inputs)]
        return [Month(day=day, folder=self.folder) for day in days]


def main() -> None:
    """Print the median CPU time of each handler, and what a task costs more than without lineage."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(400):
            Path(folder, f"UA-{date(2013, 1, 1) + timedelta(days=number)}.csv").write_text("x")
        get_config().set("luigi_sinks.lineage", "spool", f"{folder}/spool")
        measure_handlers(folder)
        for inputs in (0, 1, 12, 100, 365):
            measure_tasks(folder, inputs)
    found = statistics.median(imported() for _ in range(5))
    print(f"{'import in a child, by the config line alone':<50} {found * 1e6:8.1f} us")


def measure_handlers(folder: str) -> None:
    """Time what Luigi calls: the context, the queue, the check of a dependency, and the handlers of events."""
    from luigi_sinks.recording import luigi as recording  # noqa: PLC0415 - the section must be there before

    spent: defaultdict[str, list[int]] = defaultdict(list)
    for number in range(ROUNDS):
        task = Year(day=date(2013, 1, 1) + timedelta(days=number % 300), inputs=1, folder=folder, carrier=f"C{number}")
        (needed,) = task.deps()
        timed(spent["DEPENDENCY_DISCOVERED"], lambda: event(luigi.Event.DEPENDENCY_DISCOVERED, task, needed))  # noqa: B023
        process = a_process(task, "")
        context = recording.TaskContext(process)
        timed(spent["the context, before the task"], context.__enter__)
        timed(spent["the check of a dependency"], lambda: process.check_complete(needed))  # noqa: B023
        timed(spent["the end, and the plain inputs and outputs"], lambda: process.result_queue.put(done(task)))  # noqa: B023
        timed(spent["the context, after the task"], lambda: context.__exit__(None, None, None))  # noqa: B023
        timed(spent["PROCESS_FAILURE"], lambda: event(luigi.Event.PROCESS_FAILURE, task, "with exit code -9"))  # noqa: B023
        timed(spent["FAILURE"], lambda: event(luigi.Event.FAILURE, task, ValueError("x")))  # noqa: B023
    for name, times in spent.items():
        print(f"{name:<50} {statistics.median(times) / 1e3:8.1f} us")


def measure_tasks(folder: str, inputs: int) -> None:
    """Print how much more CPU time a task takes with the context than without it."""
    spent: dict[str, list[int]] = {"": [], CONTEXT: []}
    for number in range(ROUNDS // max(inputs, 10) * 2):
        for context, times in spent.items():
            task = Year(day=date(2013, 1, 1), inputs=inputs, folder=folder, carrier=f"{inputs}-{number}")
            timed(times, a_process(task, context).run)
    without, recorded = (statistics.median(times) / 1e3 for times in spent.values())
    print(f"{f'a task with {inputs} inputs, without lineage {without:.0f} us, more:':<50} {recorded - without:8.1f} us")


def a_process(task: luigi.Task, context: str) -> Any:
    """Return what runs a task, as a worker makes it."""
    reporter = TaskStatusReporter(None, task.task_id, WORKER, None)
    return ContextManagedTaskProcess(context, task, WORKER, queue.SimpleQueue(), reporter)


WORKER = f"Worker(salt=1, workers=1, host=h, username=u, pid={os.getpid()})"


def done(task: luigi.Task) -> tuple[Any, ...]:
    """Return what a process puts into the queue."""
    return task.task_id, "DONE", "", [], []


def event(kind: str, task: luigi.Task, *about: Any) -> None:
    """Trigger an event as Luigi does."""
    task.trigger_event(kind, task, *about)


def timed(times: list[int], call: Callable[[], object]) -> None:
    """Add the CPU time of a call."""
    before = time.thread_time_ns()
    call()
    times.append(time.thread_time_ns() - before)


def imported() -> float:
    """Return the CPU time of the import that each child needs whose parent has not done it."""
    return float(subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
