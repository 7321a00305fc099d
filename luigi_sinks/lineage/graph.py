"""Writes events into Neo4j, so that any order of them, and any repetition, makes the same graph.

All edges point upstream, for a search that can be pruned:

    (LineageRun)-[:OF]->(LineageTask)-[:OF]->(LineageJob)
    (LineageTask)-[:REQUIRES]->(LineageTask)
    (LineageVersion)-[:BY]->(LineageRun)-[:READ]->(LineageVersion)
    (LineageVersion)-[:OF]->(LineageDataset)<-[:OF]-(LineageSlot)
    (LineageSlot)-[:PUBLISHED {epoch, at}]->(LineageVersion)
    (LineageJob)-[:READS]->(LineageDataset)-[:FROM]->(LineageJob)

A slot is a partition of a dataset; its head is the version that was published with the
highest epoch. A read of a dataset without versions is `(LineageRun)-[:READ]->(LineageDataset)`.

Three rules keep the order of events out of the graph. MERGE names keys only; all else is
said by SET. Where two events say different things of one property, the higher rank holds:
the later time, the further outcome, the larger count. And each transaction locks one node
first, so that no two are under way at once: their locks would be a deadlock, and a property
that is compared and set could be set by another one between the two. ON CREATE SET is not
among the rules, since a node may have been made by an event that does not know the property.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import singledispatchmethod
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import neo4j

from luigi_sinks.errors import SinkError
from luigi_sinks.neo4j import connection
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.neo4j.errors import QueryRefused
from luigi_sinks.neo4j.settings import Neo4jSettings
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
    Write,
)

LABELS = ("LineageDataset", "LineageJob", "LineageRun", "LineageSlot", "LineageTask", "LineageVersion")
TURN, SPOOL = "LineageTurn", "LineageSpool"
"""The node that each transaction locks, which knows the graph's format; and a spool file that events were lost of."""

TYPES = ("BY", "FROM", "OF", "PUBLISHED", "READ", "READS", "REQUIRES")

MIGRATIONS: Mapping[int, Sequence[str]] = {
    1: (
        *(
            f"CREATE CONSTRAINT lineage_{label.removeprefix('Lineage').lower()} IF NOT EXISTS "
            f"FOR (n:{label}) REQUIRE n.key IS UNIQUE"
            for label in (*LABELS, TURN, SPOOL)
        ),
        "CREATE INDEX lineage_run_started IF NOT EXISTS FOR (n:LineageRun) ON (n.started)",
        "CREATE INDEX lineage_run_job_started IF NOT EXISTS FOR (n:LineageRun) ON (n.job, n.started)",
        "CREATE INDEX lineage_task_seen IF NOT EXISTS FOR (n:LineageTask) ON (n.seen)",
        "CREATE INDEX lineage_version_version IF NOT EXISTS FOR (n:LineageVersion) ON (n.version)",
    ),
}
"""The statements that make each format of the graph from the one before; each may run twice."""

FORMAT = max(MIGRATIONS)

RANKS = {Ended.ABORTED: 1, Ended.SUSPENDED: 2, Ended.FAILED: 3, Ended.COMPLETE: 4}
"""Which outcome holds where two are told: that of a run's own process, before that of who found it dead."""

_FOUND_FORMAT = f"MATCH (n:{TURN} {{key: 'turn'}}) RETURN n.format AS format"
_SET_FORMAT = f"""
MERGE (n:{TURN} {{key: 'turn'}})
SET n.format = CASE WHEN n.format > $format THEN n.format ELSE $format END"""

LOCK = f"MERGE (n:{TURN} {{key: 'turn'}}) SET n.turn = coalesce(n.turn, 0) + 1"


def prepare(run: Run) -> None:
    """Make the constraints and indexes that are missing. Raises SinkError for a graph of a later release."""
    found = run(_FOUND_FORMAT)
    written = (found[0]["format"] or 0) if found else 0
    if written > FORMAT:
        raise SinkError(
            f"the lineage in Neo4j has format {written}, and this luigi_sinks knows formats up to {FORMAT}; "
            "install a newer luigi_sinks"
        )
    for format_ in range(written + 1, FORMAT + 1):
        for statement in MIGRATIONS[format_]:
            run(statement)
        run("CALL db.awaitIndexes(300)")
        run(_SET_FORMAT, format=format_)


def write(settings: Neo4jSettings, events: Sequence[Event]) -> None:
    """Write events in one transaction; they may be written again. Raises Unavailable and whatever Neo4jCatalog does."""
    connection.transact(settings, _written, statements(events), version="lineage")


def _written(tx: neo4j.Transaction, statements: Sequence[tuple[str, list[Row]]]) -> None:
    run = connection.within(tx)
    run(LOCK)
    for statement, rows in statements:
        run(statement, rows=rows)


def is_refused(error: SinkError) -> bool:
    """Tell whether the database refuses events for what they say, and would do so each time."""
    code = str(getattr(error.__cause__, "code", ""))
    return isinstance(error, QueryRefused) or code.startswith("Neo.DatabaseError.Statement.")


LONGEST = 500
"""Characters of a key; an index takes some 8,000 bytes, and more would be refused."""


def dataset_key(dataset: Dataset) -> str:
    """Return what names a dataset in the graph."""
    return _key(f"{dataset.namespace}/{dataset.name}")


def slot_key(dataset: Dataset, partition: str) -> str:
    """Return what names a partition of a dataset in the graph."""
    return f"{dataset_key(dataset)}#{_key(partition)}"


def version_key(dataset: Dataset, partition: str, version: str) -> str:
    """Return what names a version of a dataset in the graph."""
    return f"{slot_key(dataset, partition)}#{_key(version)}"


def job_key(job: Job) -> str:
    """Return what names a job in the graph."""
    return _key(f"{job.namespace}/{job.name}")


def task_key(task: Task) -> str:
    """Return what names a task in the graph."""
    return _key(f"{task.job.namespace}/{task.id}")


def _key(name: str) -> str:
    """Return a name, the end of one that is too long replaced by its digest."""
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}~{sha256(name.encode()).hexdigest()[:16]}"


Row = list[Any]


class _Statement(NamedTuple):
    """A statement that takes `$rows`; `merged` makes one row of two that have the same first `keys` values."""

    cypher: str
    keys: int
    merged: Callable[[Row, Row], Row]


def _highest(position: int) -> Callable[[Row, Row], Row]:
    """Return what keeps that one of two rows that is higher from a position on; None is lowest."""
    return lambda row, other: max(row, other, key=lambda x: [(v is not None, v) for v in x[position:]])


def _either(row: Row, other: Row) -> Row:
    """Keep one of two rows that say the same."""
    del other
    return row


def _widest(row: Row, other: Row) -> Row:
    """Keep the first time, the last time, and whether any was observed."""
    *key, first, last, is_observed = row
    return [*key, min(first, other[-3]), max(last, other[-2]), is_observed or other[-1]]


def _largest(keys: int) -> Callable[[Row, Row], Row]:
    """Return what keeps of each value behind the keys the larger one."""
    return lambda row, other: row[:keys] + [max(pair) for pair in zip(row[keys:], other[keys:], strict=True)]


def _joined(row: Row, other: Row) -> Row:
    """Join the sets at the end of two rows."""
    return [*row[:-1], sorted({*row[-1], *other[-1]})]


_MORE = "CASE WHEN {new} > coalesce({old}, {new}) THEN {new} ELSE coalesce({old}, {new}) END"
_LESS = "CASE WHEN {new} < coalesce({old}, {new}) THEN {new} ELSE coalesce({old}, {new}) END"


def _more(old: str, new: str) -> str:
    """Set a property to the larger of what it is and what it would become."""
    return f"{old} = " + _MORE.format(old=old, new=new)


def _less(old: str, new: str) -> str:
    return f"{old} = " + _LESS.format(old=old, new=new)


_FLOW = f"{_less('f.first', 'x[2]')}, {_more('f.last', 'x[3]')}, f.observed = coalesce(f.observed, false) OR x[4]"

JOBS = _Statement(
    "UNWIND $rows AS x MERGE (j:LineageJob {key: x[0]}) SET j.namespace = x[1], j.name = x[2]",
    1,
    _either,
)
JOB_FACTS = _Statement(
    """
    UNWIND $rows AS x MERGE (j:LineageJob {key: x[0]})
    WITH j, x WHERE x[1] > coalesce(j.rank, '')
    SET j.rank = x[1], j.owner = x[2], j.max_age = x[3]""",
    1,
    _highest(1),
)
TASKS = _Statement(
    f"""
    UNWIND $rows AS x MERGE (t:LineageTask {{key: x[0]}}) SET {_more("t.seen", "x[2]")}
    WITH t, x MATCH (j:LineageJob {{key: x[1]}})
    MERGE (t)-[:OF]->(j)""",
    2,
    _largest(2),
)
REQUIRES = _Statement(
    """
    UNWIND $rows AS x MATCH (t:LineageTask {key: x[0]}) MATCH (u:LineageTask {key: x[1]})
    MERGE (t)-[:REQUIRES]->(u)""",
    2,
    _either,
)
RUNS = _Statement(
    """
    UNWIND $rows AS x MERGE (r:LineageRun {key: x[0]})
    SET r.job = x[2], r.started = x[3], r.params = x[4], r.owner = x[5], r.orchestrator = x[6], r.parent = x[7],
        r.build = x[8], r.period = x[9], r.host = x[10], r.pid = x[11], r.worker = x[12], r.commit = x[13],
        r.source = x[14]
    WITH r, x MATCH (t:LineageTask {key: x[1]})
    MERGE (r)-[:OF]->(t)""",
    1,
    _highest(1),
)
ENDS = _Statement(
    """
    UNWIND $rows AS x MERGE (r:LineageRun {key: x[0]})
    WITH r, x WHERE x[1] > coalesce(r.rank, 0) OR (x[1] = r.rank AND x[2] > r.ended)
    SET r.rank = x[1], r.ended = x[2], r.outcome = x[3], r.error = x[4], r.message = x[5]""",
    1,
    _highest(1),
)
# What a run found it needs while it ran is said by its end, which does not name the task; the start does.
NEEDS_OF_RUNS = _Statement(
    """
    UNWIND $rows AS x MERGE (r:LineageRun {key: x[0]})
    WITH r, x MATCH (u:LineageTask {key: x[1]})
    MERGE (r)-[:REQUIRES]->(u)
    WITH r, u MATCH (r)-[:OF]->(t:LineageTask) MERGE (t)-[:REQUIRES]->(u)""",
    2,
    _either,
)
NEEDS_OF_STARTED = _Statement(
    """
    UNWIND $rows AS x MATCH (r:LineageRun {key: x[0]})-[:REQUIRES]->(u:LineageTask)
    MATCH (r)-[:OF]->(t:LineageTask)
    MERGE (t)-[:REQUIRES]->(u)""",
    1,
    _either,
)
INTERRUPTIONS = _Statement(
    """
    UNWIND $rows AS x MERGE (t:LineageTask {key: x[0]})
    WITH t, coalesce(t.interruptions, []) + x[1] AS said
    CALL (said) { UNWIND said AS each WITH DISTINCT each ORDER BY each RETURN collect(each) AS sorted }
    SET t.interruptions = sorted""",
    1,
    _joined,
)
DATASETS = _Statement(
    "UNWIND $rows AS x MERGE (d:LineageDataset {key: x[0]}) SET d.namespace = x[1], d.name = x[2]",
    1,
    _either,
)
DATASET_FACTS = _Statement(
    """
    UNWIND $rows AS x MERGE (d:LineageDataset {key: x[0]})
    WITH d, x WHERE x[1] > coalesce(d.rank, '')
    SET d.rank = x[1], d.owner = x[2], d.max_age = x[3], d.columns = x[4]""",
    1,
    _highest(1),
)
VERSIONS = _Statement(
    """
    UNWIND $rows AS x MERGE (v:LineageVersion {key: x[0]}) SET v.version = x[2]
    WITH v, x MATCH (d:LineageDataset {key: x[1]})
    MERGE (v)-[:OF]->(d)""",
    1,
    _either,
)
BY = _Statement(
    """
    UNWIND $rows AS x MATCH (v:LineageVersion {key: x[0]}) MERGE (r:LineageRun {key: x[1]})
    MERGE (v)-[:BY]->(r)""",
    2,
    _either,
)
WRITES = _Statement(
    """
    UNWIND $rows AS x MATCH (v:LineageVersion {key: x[0]})
    WITH v, x WHERE x[1] > coalesce(v.written, -1) OR (x[1] = v.written AND x[2] > v.run)
    SET v.written = x[1], v.run = x[2], v.owner = x[3], v.rows = x[4], v.set_aside = x[5], v.bytes = x[6],
        v.seconds = x[7], v.steps = x[8], v.checks = x[9], v.observed = x[10]""",
    1,
    _highest(1),
)
READS = _Statement(
    f"""
    UNWIND $rows AS x MATCH (v:LineageVersion {{key: x[1]}}) MERGE (r:LineageRun {{key: x[0]}})
    MERGE (r)-[f:READ]->(v) SET f.observed = coalesce(f.observed, false) OR x[2], {_more("f.rows", "x[3]")}""",
    2,
    _largest(2),
)
READS_OF_DATASETS = _Statement(READS.cypher.replace("(v:LineageVersion", "(v:LineageDataset"), 2, _largest(2))
FLOWS_IN = _Statement(
    f"""
    UNWIND $rows AS x MATCH (j:LineageJob {{key: x[0]}}) MATCH (d:LineageDataset {{key: x[1]}})
    MERGE (j)-[f:READS]->(d) SET {_FLOW}""",
    2,
    _widest,
)
FLOWS_OUT = _Statement(FLOWS_IN.cypher.replace("(j)-[f:READS]->(d)", "(d)-[f:FROM]->(j)"), 2, _widest)
SLOTS = _Statement(
    """
    UNWIND $rows AS x MERGE (s:LineageSlot {key: x[0]})
    WITH s, x MATCH (d:LineageDataset {key: x[1]})
    MERGE (s)-[:OF]->(d)""",
    1,
    _either,
)
PUBLICATIONS = _Statement(
    """
    UNWIND $rows AS x MATCH (s:LineageSlot {key: x[0]}) MATCH (v:LineageVersion {key: x[1]})
    MERGE (s)-[p:PUBLISHED {epoch: x[2]}]->(v)
    WITH p, x WHERE x[3] < coalesce(p.at, x[3] + 1)
    SET p.at = x[3], p.by = x[4], p.rollback = x[5]""",
    3,
    min,
)
REMOVALS = _Statement(
    f"UNWIND $rows AS x MATCH (v:LineageVersion {{key: x[0]}}) SET {_more('v.removed', 'x[1]')}",
    1,
    _largest(1),
)
LOSSES = _Statement(
    f"UNWIND $rows AS x MERGE (s:{SPOOL} {{key: x[0]}}) SET {_more('s.lost', 'x[1]')}",
    1,
    _largest(1),
)

_ORDER = (
    *(JOBS, JOB_FACTS, TASKS, REQUIRES, RUNS, ENDS, NEEDS_OF_RUNS, NEEDS_OF_STARTED, INTERRUPTIONS),
    *(DATASETS, DATASET_FACTS, VERSIONS, BY, WRITES, READS, READS_OF_DATASETS, FLOWS_IN, FLOWS_OUT),
    *(SLOTS, PUBLICATIONS, REMOVALS, LOSSES),
)
"""Nodes before what looks them up."""


def statements(events: Iterable[Event]) -> list[tuple[str, list[Row]]]:
    """Return the statements that write events, with their rows, in an order that can be run."""
    facts = _Facts()
    for event in events:
        facts.add(event)
    return [(each.cypher, list(facts.rows[each].values())) for each in _ORDER if facts.rows[each]]


class _Facts:
    """The rows of each statement, by their keys."""

    def __init__(self) -> None:
        self.rows: dict[_Statement, dict[tuple[Any, ...], Row]] = {each: {} for each in _ORDER}

    @singledispatchmethod
    def add(self, event: Event) -> None:
        """Add what an event says."""
        raise TypeError(f"{type(event).__name__} is no event")

    @add.register
    def _(self, event: Start) -> None:
        job, task = event.task.job, self._task(event.task, event.at)
        self._say(JOB_FACTS, job_key(job), _rank(event.at, event.owner, event.max_age), event.owner, event.max_age)
        for needed in event.requires:
            self._say(REQUIRES, task, self._task(needed, event.at))
        about = event.orchestrator, event.parent, event.build, event.period, event.host, event.pid, event.worker
        said, code = (_json(event.params), event.owner), (event.commit, event.source)
        self._say(RUNS, event.run, task, job_key(job), event.at, *said, *about, *code)
        self._say(NEEDS_OF_STARTED, event.run)

    @add.register
    def _(self, event: End) -> None:
        rank = RANKS[event.outcome]
        self._say(ENDS, event.run, rank, event.at, event.outcome, event.error or None, event.message or None)
        for needed in event.requires:
            self._say(NEEDS_OF_RUNS, event.run, self._task(needed, event.at))

    @add.register
    def _(self, event: Need) -> None:
        self._say(REQUIRES, self._task(event.task, event.at), self._task(event.needs, event.at))

    @add.register
    def _(self, event: Interruption) -> None:
        self._say(INTERRUPTIONS, self._task(event.task, event.at), [f"{event.at:016d} {event.cause}"])

    @add.register
    def _(self, event: Read) -> None:
        dataset, is_observed = self._dataset(event.dataset), event.certainty is Certainty.OBSERVED
        self._say(FLOWS_IN, self._job(event.job), dataset, event.at, event.at, is_observed)
        if event.version:
            self._say(READS, event.run, self._version(event), is_observed, event.rows)
        else:
            self._say(READS_OF_DATASETS, event.run, dataset, is_observed, event.rows)

    @add.register
    def _(self, event: Write) -> None:
        dataset, is_observed = self._dataset(event.dataset), event.certainty is Certainty.OBSERVED
        self._say(FLOWS_OUT, self._job(event.job), dataset, event.at, event.at, is_observed)
        columns = _json(event.columns)
        rank = _rank(event.at, event.owner, event.max_age, columns)
        self._say(DATASET_FACTS, dataset, rank, event.owner, event.max_age, columns)
        if event.version:
            version = self._version(event)
            figures = event.rows, event.set_aside, event.bytes, event.seconds
            said = _json(event.steps), _json(event.checks), is_observed
            self._say(BY, version, event.run)
            self._say(WRITES, version, event.at, event.run, event.owner, *figures, *said)

    @add.register
    def _(self, event: Publication) -> None:
        version, slot = self._version(event), slot_key(event.dataset, event.partition)
        self._say(SLOTS, slot, dataset_key(event.dataset))
        self._say(PUBLICATIONS, slot, version, event.epoch, event.at, event.by, event.is_rollback)

    @add.register
    def _(self, event: Removal) -> None:
        self._say(REMOVALS, self._version(event), event.at)

    @add.register
    def _(self, event: Lost) -> None:
        self._say(LOSSES, event.spool, event.count)

    def _job(self, job: Job) -> str:
        return self._say(JOBS, job_key(job), job.namespace, job.name)

    def _task(self, task: Task, at: int) -> str:
        return self._say(TASKS, task_key(task), self._job(task.job), at)

    def _dataset(self, dataset: Dataset) -> str:
        return self._say(DATASETS, dataset_key(dataset), dataset.namespace, dataset.name)

    def _version(self, event: Read | Write | Publication | Removal) -> str:
        key = version_key(event.dataset, event.partition, event.version)
        return self._say(VERSIONS, key, self._dataset(event.dataset), _key(event.version))

    def _say(self, statement: _Statement, *row: Any) -> str:
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
