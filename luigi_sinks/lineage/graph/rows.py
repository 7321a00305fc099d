"""Which statements write an event, and with which rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import singledispatchmethod
from typing import Any

import msgspec

from luigi_sinks.lineage.graph import statements
from luigi_sinks.lineage.graph.keys import dataset_key, job_key, short, slot_key, task_key, version_key
from luigi_sinks.lineage.graph.merging import Row
from luigi_sinks.lineage.graph.statements import Statement
from luigi_sinks.recording.events import (
    Certainty,
    Dataset,
    End,
    Ended,
    Event,
    Interruption,
    Job,
    Lost,
    Need,
    Publication,
    Read,
    Removal,
    Start,
    Task,
    Unpublication,
    Write,
)

RANKS = {Ended.ABORTED: 1, Ended.SUSPENDED: 2, Ended.FAILED: 3, Ended.COMPLETE: 4}
"""Which outcome holds where two are told: that of a run's own process, before that of who found it dead."""


def by_statement(events: Iterable[Event]) -> list[tuple[str, list[Row]]]:
    """Return the statements that write events, with their rows, in an order that can be run."""
    facts = _Facts()
    for event in events:
        facts.add(event)
    return [(each.cypher, list(facts.rows[each].values())) for each in statements.ORDER if facts.rows[each]]


class _Facts:
    """The rows of each statement, by their keys."""

    def __init__(self) -> None:
        self.rows: dict[Statement, dict[tuple[Any, ...], Row]] = {each: {} for each in statements.ORDER}

    @singledispatchmethod
    def add(self, event: Event) -> None:
        """Add what an event says."""
        raise TypeError(f"{type(event).__name__} is no event")

    @add.register
    def _(self, event: Start) -> None:
        job, task = job_key(event.task.job), self._task(event.task, event.at)
        facts = event.owner, event.max_age
        self._say(statements.JOB_FACTS, job, _rank(event.at, *facts), *facts)
        for needed in event.requires:
            self._say(statements.REQUIRES, task, self._task(needed, event.at))
        about = event.orchestrator, event.parent, event.build, event.period, event.host, event.pid, event.worker
        said, code = (_json(event.params), event.owner), (event.commit, event.source, event.digest)
        self._say(statements.RUNS, event.run, task, job, event.at, *said, *about, *code)
        self._say(statements.NEEDS_OF_STARTED, event.run)

    @add.register
    def _(self, event: End) -> None:
        rank = RANKS[event.outcome]
        self._say(statements.ENDS, event.run, rank, event.at, event.outcome, event.error or None, event.message or None)
        for needed in event.requires:
            self._say(statements.NEEDS_OF_RUNS, event.run, self._task(needed, event.at))

    @add.register
    def _(self, event: Need) -> None:
        self._say(statements.REQUIRES, self._task(event.task, event.at), self._task(event.needs, event.at))

    @add.register
    def _(self, event: Interruption) -> None:
        self._say(statements.INTERRUPTIONS, self._task(event.task, event.at), [f"{event.at:016d} {event.cause}"])

    @add.register
    def _(self, event: Read) -> None:
        dataset, is_observed = self._dataset(event.dataset), event.certainty is Certainty.OBSERVED
        self._say(statements.FLOWS_IN, self._job(event.job), dataset, event.at, event.at, is_observed)
        if event.version:
            self._say(statements.READS, event.run, self._version(event), is_observed, event.rows)
        else:
            self._say(statements.READS_OF_DATASETS, event.run, dataset, is_observed, event.rows)

    @add.register
    def _(self, event: Write) -> None:
        dataset, is_observed = self._dataset(event.dataset), event.certainty is Certainty.OBSERVED
        self._say(statements.FLOWS_OUT, self._job(event.job), dataset, event.at, event.at, is_observed)
        columns = _json(event.columns)
        rank = _rank(event.at, event.owner, event.max_age, columns)
        self._say(statements.DATASET_FACTS, dataset, rank, event.owner, event.max_age, columns)
        if event.version:
            version = self._version(event)
            figures = event.rows, event.set_aside, event.bytes, event.seconds
            said = _json(event.steps), _json(event.checks), is_observed
            self._say(statements.BY, version, event.run)
            self._say(statements.WRITES, version, event.at, event.run, event.owner, *figures, *said)

    @add.register
    def _(self, event: Publication) -> None:
        version, slot = self._version(event), slot_key(event.dataset, event.partition)
        self._say(statements.SLOTS, slot, dataset_key(event.dataset))
        self._say(statements.PUBLICATIONS, slot, version, event.epoch, event.at, event.by, event.is_rollback)

    @add.register
    def _(self, event: Unpublication) -> None:
        self._version(event)
        slot, dataset = slot_key(event.dataset, event.partition), dataset_key(event.dataset)
        self._say(statements.SLOTS, slot, dataset)
        self._say(statements.UNPUBLICATIONS, slot, dataset, event.epoch, event.at, event.by)

    @add.register
    def _(self, event: Removal) -> None:
        self._say(statements.REMOVALS, self._version(event), event.at)

    @add.register
    def _(self, event: Lost) -> None:
        self._say(statements.LOSSES, event.spool, event.count)

    def _job(self, job: Job) -> str:
        return self._say(statements.JOBS, job_key(job), job.namespace, job.name)

    def _task(self, task: Task, at: int) -> str:
        return self._say(statements.TASKS, task_key(task), self._job(task.job), at)

    def _dataset(self, dataset: Dataset) -> str:
        return self._say(statements.DATASETS, dataset_key(dataset), dataset.namespace, dataset.name)

    def _version(self, event: Read | Write | Publication | Unpublication | Removal) -> str:
        key = version_key(event.dataset, event.partition, event.version)
        return self._say(statements.VERSIONS, key, self._dataset(event.dataset), short(event.version))

    def _say(self, statement: Statement, *row: Any) -> str:
        """Add a row to a statement, or join it with the one of the same keys; return the first key."""
        key, found = row[: statement.keys], self.rows[statement]
        found[key] = statement.merged(list(row), found[key]) if key in found else list(row)
        return str(row[0])


def _rank(at: int, *said: Any) -> str:
    """Return what orders statements of facts that change: by time, and else so that no two are equal."""
    return f"{at:016d} {zlib.crc32(repr(said).encode()):08x}"


def _json(value: Any) -> str | None:
    """Return a value as JSON; None if there is nothing in it."""
    return msgspec.json.encode(value, order="sorted").decode() if value else None
