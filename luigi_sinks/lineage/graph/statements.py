"""The statements that write rows into the graph, so that the order of events does not matter.

MERGE names keys only, and SET writes everything else. Where two events say different things of one property, the
higher rank holds: the later time, the further outcome, the larger count. ON CREATE SET would not do, since a node may
have been made by an event that does not know the property.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from luigi_sinks.lineage.graph.merging import Row, either, highest, joined, largest, widest
from luigi_sinks.lineage.graph.schema import SPOOL


class Statement(NamedTuple):
    """A statement that takes `$rows`; `merged` makes one row of two that have the same first `keys` values."""

    cypher: str
    keys: int
    merged: Callable[[Row, Row], Row]


_MORE = "CASE WHEN {new} > coalesce({old}, {new}) THEN {new} ELSE coalesce({old}, {new}) END"
_LESS = "CASE WHEN {new} < coalesce({old}, {new}) THEN {new} ELSE coalesce({old}, {new}) END"


def _more(old: str, new: str) -> str:
    """Set a property to the larger of what it is and what it would become."""
    return f"{old} = " + _MORE.format(old=old, new=new)


def _less(old: str, new: str) -> str:
    return f"{old} = " + _LESS.format(old=old, new=new)


_FLOW = f"{_less('f.first', 'x[2]')}, {_more('f.last', 'x[3]')}, f.observed = coalesce(f.observed, false) OR x[4]"

JOBS = Statement(
    "UNWIND $rows AS x MERGE (j:LineageJob {key: x[0]}) SET j.namespace = x[1], j.name = x[2]",
    1,
    either,
)
JOB_FACTS = Statement(
    """
    UNWIND $rows AS x MERGE (j:LineageJob {key: x[0]})
    WITH j, x WHERE x[1] > coalesce(j.rank, '')
    SET j.rank = x[1], j.owner = x[2], j.max_age = x[3]""",
    1,
    highest(1),
)
TASKS = Statement(
    f"""
    UNWIND $rows AS x MERGE (t:LineageTask {{key: x[0]}}) SET {_more("t.seen", "x[2]")}
    WITH t, x MATCH (j:LineageJob {{key: x[1]}})
    MERGE (t)-[:OF]->(j)""",
    2,
    largest(2),
)
REQUIRES = Statement(
    """
    UNWIND $rows AS x MATCH (t:LineageTask {key: x[0]}) MATCH (u:LineageTask {key: x[1]})
    MERGE (t)-[:REQUIRES]->(u)""",
    2,
    either,
)
RUNS = Statement(
    """
    UNWIND $rows AS x MERGE (r:LineageRun {key: x[0]})
    SET r.job = x[2], r.started = x[3], r.params = x[4], r.owner = x[5], r.orchestrator = x[6], r.parent = x[7],
        r.build = x[8], r.period = x[9], r.host = x[10], r.pid = x[11], r.worker = x[12], r.commit = x[13],
        r.source = x[14], r.digest = x[15]
    WITH r, x MATCH (t:LineageTask {key: x[1]})
    MERGE (r)-[:OF]->(t)""",
    1,
    highest(1),
)
ENDS = Statement(
    """
    UNWIND $rows AS x MERGE (r:LineageRun {key: x[0]})
    WITH r, x WHERE x[1] > coalesce(r.rank, 0) OR (x[1] = r.rank AND x[2] > r.ended)
    SET r.rank = x[1], r.ended = x[2], r.outcome = x[3], r.error = x[4], r.message = x[5]""",
    1,
    highest(1),
)
# What a run found it needs while it ran is said by its end, which does not name the task; the start does.
NEEDS_OF_RUNS = Statement(
    """
    UNWIND $rows AS x MERGE (r:LineageRun {key: x[0]})
    WITH r, x MATCH (u:LineageTask {key: x[1]})
    MERGE (r)-[:REQUIRES]->(u)
    WITH r, u MATCH (r)-[:OF]->(t:LineageTask) MERGE (t)-[:REQUIRES]->(u)""",
    2,
    either,
)
NEEDS_OF_STARTED = Statement(
    """
    UNWIND $rows AS x MATCH (r:LineageRun {key: x[0]})-[:REQUIRES]->(u:LineageTask)
    MATCH (r)-[:OF]->(t:LineageTask)
    MERGE (t)-[:REQUIRES]->(u)""",
    1,
    either,
)
INTERRUPTIONS = Statement(
    """
    UNWIND $rows AS x MERGE (t:LineageTask {key: x[0]})
    WITH t, coalesce(t.interruptions, []) + x[1] AS said
    CALL (said) { UNWIND said AS each WITH DISTINCT each ORDER BY each RETURN collect(each) AS sorted }
    SET t.interruptions = sorted""",
    1,
    joined,
)
DATASETS = Statement(
    "UNWIND $rows AS x MERGE (d:LineageDataset {key: x[0]}) SET d.namespace = x[1], d.name = x[2]",
    1,
    either,
)
DATASET_FACTS = Statement(
    """
    UNWIND $rows AS x MERGE (d:LineageDataset {key: x[0]})
    WITH d, x WHERE x[1] > coalesce(d.rank, '')
    SET d.rank = x[1], d.owner = x[2], d.max_age = x[3], d.columns = x[4]""",
    1,
    highest(1),
)
VERSIONS = Statement(
    """
    UNWIND $rows AS x MERGE (v:LineageVersion {key: x[0]}) SET v.version = x[2]
    WITH v, x MATCH (d:LineageDataset {key: x[1]})
    MERGE (v)-[:OF]->(d)""",
    1,
    either,
)
BY = Statement(
    """
    UNWIND $rows AS x MATCH (v:LineageVersion {key: x[0]}) MERGE (r:LineageRun {key: x[1]})
    MERGE (v)-[:BY]->(r)""",
    2,
    either,
)
WRITES = Statement(
    """
    UNWIND $rows AS x MATCH (v:LineageVersion {key: x[0]})
    WITH v, x WHERE x[1] > coalesce(v.written, -1) OR (x[1] = v.written AND x[2] > v.run)
    SET v.written = x[1], v.run = x[2], v.owner = x[3], v.rows = x[4], v.set_aside = x[5], v.bytes = x[6],
        v.seconds = x[7], v.steps = x[8], v.checks = x[9], v.observed = x[10]""",
    1,
    highest(1),
)
READS = Statement(
    f"""
    UNWIND $rows AS x MATCH (v:LineageVersion {{key: x[1]}}) MERGE (r:LineageRun {{key: x[0]}})
    MERGE (r)-[f:READ]->(v) SET f.observed = coalesce(f.observed, false) OR x[2], {_more("f.rows", "x[3]")}""",
    2,
    largest(2),
)
READS_OF_DATASETS = Statement(READS.cypher.replace("(v:LineageVersion", "(v:LineageDataset"), 2, largest(2))
FLOWS_IN = Statement(
    f"""
    UNWIND $rows AS x MATCH (j:LineageJob {{key: x[0]}}) MATCH (d:LineageDataset {{key: x[1]}})
    MERGE (j)-[f:READS]->(d) SET {_FLOW}""",
    2,
    widest,
)
FLOWS_OUT = Statement(FLOWS_IN.cypher.replace("(j)-[f:READS]->(d)", "(d)-[f:FROM]->(j)"), 2, widest)
SLOTS = Statement(
    """
    UNWIND $rows AS x MERGE (s:LineageSlot {key: x[0]})
    WITH s, x MATCH (d:LineageDataset {key: x[1]})
    MERGE (s)-[:OF]->(d)""",
    1,
    either,
)
PUBLICATIONS = Statement(
    """
    UNWIND $rows AS x MATCH (s:LineageSlot {key: x[0]}) MATCH (v:LineageVersion {key: x[1]})
    MERGE (s)-[p:PUBLISHED {epoch: x[2]}]->(v)
    WITH p, x WHERE x[3] < coalesce(p.at, x[3] + 1)
    SET p.at = x[3], p.by = x[4], p.rollback = x[5]""",
    3,
    min,
)
UNPUBLICATIONS = Statement(
    """
    UNWIND $rows AS x MATCH (s:LineageSlot {key: x[0]}) MATCH (d:LineageDataset {key: x[1]})
    MERGE (s)-[p:PUBLISHED {epoch: x[2]}]->(d)
    WITH p, x WHERE x[3] < coalesce(p.at, x[3] + 1)
    SET p.at = x[3], p.by = x[4]""",
    3,
    min,
)
REMOVALS = Statement(
    f"UNWIND $rows AS x MATCH (v:LineageVersion {{key: x[0]}}) SET {_more('v.removed', 'x[1]')}",
    1,
    largest(1),
)
LOSSES = Statement(
    f"UNWIND $rows AS x MERGE (s:{SPOOL} {{key: x[0]}}) SET {_more('s.lost', 'x[1]')}",
    1,
    largest(1),
)

ORDER = (
    *(JOBS, JOB_FACTS, TASKS, REQUIRES, RUNS, ENDS, NEEDS_OF_RUNS, NEEDS_OF_STARTED, INTERRUPTIONS),
    *(DATASETS, DATASET_FACTS, VERSIONS, BY, WRITES, READS, READS_OF_DATASETS, FLOWS_IN, FLOWS_OUT),
    *(SLOTS, PUBLICATIONS, UNPUBLICATIONS, REMOVALS, LOSSES),
)
"""Nodes before what looks them up."""
