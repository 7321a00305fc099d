"""The labels of lineage's graph, and its constraints and indexes, which have a version."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from luigi_sinks.errors import SinkError
from luigi_sinks.neo4j.connection import Run

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

_PATIENCE, _LOOK = 300, 0.05
"""Seconds in which all indexes serve, and from one look at them to the next."""

_NOT_READY = "SHOW INDEXES YIELD name, state WHERE name STARTS WITH 'lineage_' AND state <> 'ONLINE' RETURN name"
_FOUND_FORMAT = f"MATCH (n:{TURN} {{key: 'turn'}}) RETURN n.format AS format"
_SET_FORMAT = f"""
MERGE (n:{TURN} {{key: 'turn'}})
SET n.format = CASE WHEN n.format > $format THEN n.format ELSE $format END"""


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
        _wait_for_indexes(run)
        run(_SET_FORMAT, format=format_)


def _wait_for_indexes(run: Run) -> None:
    """Wait until the indexes serve; `db.awaitIndexes` would wait for those of others too, and hold locks meanwhile."""
    end = time.monotonic() + _PATIENCE
    while waiting := run(_NOT_READY):
        if time.monotonic() > end:
            raise SinkError(f"the index {waiting[0]['name']!r} does not serve after {_PATIENCE} s; see SHOW INDEXES")
        time.sleep(_LOOK)
