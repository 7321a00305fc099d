"""Processes that record runs, and processes that flush them, which are killed at any time."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import neo4j
from luigi.configuration import get_config

from luigi_sinks import config
from luigi_sinks.lineage import flush
from luigi_sinks.lineage.graph.destination import ToNeo4j
from luigi_sinks.neo4j import errors
from luigi_sinks.recording import clock
from luigi_sinks.recording import settings as recording
from luigi_sinks.recording.events import Certainty, Dataset, End, Ended, Event, Job, Read, Start, Task, Write
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.recording.spool import Spool

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.faults.lineage_processes", "luigi_sinks.lineage.graph.destination"])

DEADLOCK = 3
"""The exit code of a flusher one of whose transactions was a deadlock."""


def start_writer(folder: Path, name: str, number: int) -> Any:
    """Start a process that records one run after the other, and notes each on its own."""
    return _started(_write, folder, name, number)


def start_flusher(folder: Path, size: int = ToNeo4j.most) -> Any:
    """Start a process that flushes a folder again and again."""
    return _started(_flush, _sections(), folder, size, True)


def flush_in_processes(folders: Sequence[Path], size: int) -> list[int]:
    """Flush folders at once, a process each; return their exit codes."""
    processes = [_started(_flush, _sections(), folder, size, False) for folder in folders]
    for process in processes:
        process.join(600)
    return [process.exitcode for process in processes]


def notes(folder: Path) -> tuple[set[str], set[str], set[str]]:
    """Return the runs that were to be started, those that were, and those whose end was recorded too."""
    said = [line.split() for path in folder.glob("*.notes") for line in path.read_text().splitlines()]
    intended, begun, ended = ({run for word, run in said if word == kind} for kind in ("intend", "begin", "end"))
    return intended, begun, ended


def _started(target: Any, *args: Any) -> Any:
    process = _PROCESSES.Process(target=target, args=args)
    process.start()
    return process


def _sections() -> dict[str, dict[str, str]]:
    return {name: dict(get_config().items(name)) for name in get_config().sections() if "luigi_sinks" in name}


def _write(folder: Path, name: str, number: int) -> None:
    spool, job = Spool(folder), Job(name, "Load")
    dataset = Dataset("file", f"/{name}/data.csv")
    with (folder.parent / f"{number}.notes").open("ab", buffering=0) as noted:
        for count in range(10**6):
            run = f"{number}_{count}.{name}"
            about: dict[str, Any] = {"run": run, "job": job, "dataset": dataset, "certainty": Certainty.DECLARED}
            noted.write(f"intend {run}\n".encode())
            spool.append(Start(at=clock.now(), run=run, task=Task(job, f"Load_{number}_{count}_{name}")))
            noted.write(f"begin {run}\n".encode())
            spool.append(Read(at=clock.now(), version=f"m{count}s{number}", **about))
            spool.append(Write(at=clock.now(), version=f"m{count + 1}s{number}", **about))
            spool.append(End(at=clock.now(), run=run, outcome=Ended.COMPLETE))
            noted.write(f"end {run}\n".encode())
            time.sleep(0.002)


def _flush(sections: dict[str, dict[str, str]], folder: Path, size: int, is_following: bool) -> None:
    sections[recording.SECTION] = {"spool": os.fspath(folder), "exit_seconds": "0"}
    get_config().read_dict(sections)
    ToNeo4j.most = size
    deadlocks = _noted_deadlocks()
    settings = config.read(LineageSettings, recording.SECTION)
    if is_following:
        flush.follow(settings, 0.02, lambda _: None)
    report = flush.flush_once(settings)
    if deadlocks:
        os._exit(DEADLOCK)
    assert report.is_complete, report


def _noted_deadlocks() -> list[BaseException]:
    """Return a list of the errors for which a transaction is tried once more."""
    seen: list[BaseException] = []
    known = errors.is_retryable

    def note(error: Exception) -> bool:
        if isinstance(error, neo4j.exceptions.TransientError):
            seen.append(error)
        return known(error)

    errors.is_retryable = note
    return seen


def spooled(folder: Path, events: Sequence[Event]) -> None:
    """Write events into the spool of a process that has ended."""
    spool = Spool(folder)
    for event in events:
        spool.append(event)
    spool.leave()
