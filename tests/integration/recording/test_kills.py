"""Processes of tasks that are killed leave whole lines, and no run is recorded as ended that was not."""

from collections import Counter

import pytest

from luigi_sinks.recording import spool
from luigi_sinks.recording.events import End, Interruption, Start, Write
from tests.integration.recording.conftest import run_luigi

POINTS = [
    "the task",
    *(f"{when} {what}" for what in ("Start", "Write", "End") for when in ("before", "within", "after")),
]

TASKS = f"""
import os, signal
from pathlib import Path

import luigi_sinks.recording
import luigi
from luigi_sinks.recording.spool import Spool

OUT = Path(__file__).parent / "out"
PARENT, APPEND, WRITE = os.getpid(), Spool.append, os.write


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def write_half(file, line):
    if b'"kind"' not in line:  # the first line of a file
        return WRITE(file, line)
    WRITE(file, line[: len(line) // 2])
    kill()


class Doomed(luigi.Task):
    number = luigi.IntParameter()
    point = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(OUT / f"{{self.point}} {{self.number}}")

    def run(self):
        self.output().open("w").close()
        if self.point == "the task":
            kill()


def append(spool, event):
    point = next((start.point for start in DOOMED), "") if os.getpid() != PARENT else ""
    when, _, kind = point.partition(" ")
    if kind != type(event).__name__:
        APPEND(spool, event)
        return
    if when == "before":
        kill()
    if when == "within":
        os.write = write_half
    APPEND(spool, event)
    kill()


DOOMED = []


class Remember:
    def __init__(self, process):
        DOOMED.append(process.task)

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


Spool.append = append


class All(luigi.Task):
    def requires(self):
        return [Doomed(number=number, point=point) for number in range(3) for point in {POINTS}] + [
            Doomed(number=number, point="never") for number in range(10)
        ]
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    context = "task_process_context = tasks.Remember"
    return run_luigi(tmp_path_factory.mktemp("kills") / "run", TASKS, lineage="import", workers=2, worker=context)


def test_of_tasks_that_are_killed_at_any_point_all_is_known_that_was_written_before(outcome):
    assert None not in outcome.events()
    assert all(spool.is_dead(path) for path in outcome.spools)

    points = {start.run: start.params["point"] for start in outcome.events(Start)}
    never_began = {"before Start", "within Start"}
    assert Counter(points.values()) == {point: 3 for point in POINTS if point not in never_began} | {"never": 10}
    ended = Counter(points[end.run] for end in outcome.events(End))
    assert ended == {"after End": 3, "never": 10}
    wrote = Counter(points[write.run] for write in outcome.events(Write))
    assert wrote == {"after Write": 3, "before End": 3, "within End": 3, "after End": 3, "never": 10}


def test_each_kill_is_told_by_the_parent_once(outcome):
    interruptions = outcome.events(Interruption)
    assert {event.cause for event in interruptions} == {"exit code -9"}
    assert len({event.task for event in interruptions}) == len(interruptions) == 3 * len(POINTS)


def test_a_torn_tail_costs_the_line_alone_that_was_being_written(outcome):
    torn = [path for path in outcome.spools if not path.read_bytes().endswith(b"\n")]
    assert len(torn) == 3 * 3
    kinds = Counter(tuple(type(event) for _, event in spool.read(path)) for path in torn)
    assert kinds == {(): 3, (Start,): 3, (Start, Write): 3}
