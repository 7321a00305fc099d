"""Writes events into the graph."""

from __future__ import annotations

from collections.abc import Sequence

from luigi_sinks.errors import SinkError
from luigi_sinks.lineage.graph import rows, transactions
from luigi_sinks.lineage.graph.merging import Row
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.neo4j.errors import QueryRefused
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.recording.events import Event


def write(settings: Neo4jSettings, events: Sequence[Event]) -> None:
    """Write events in one transaction; they may be written again. Raises Unavailable, and as `Neo4jCatalog` does."""
    transactions.locked(settings, _write, rows.by_statement(events))


def _write(run: Run, written: Sequence[tuple[str, list[Row]]]) -> None:
    for statement, found in written:
        run(statement, rows=found)


def is_refused(error: SinkError) -> bool:
    """Tell whether the database refuses events for what they say, and would do so each time."""
    code = str(getattr(error.__cause__, "code", ""))
    return isinstance(error, QueryRefused) or code.startswith("Neo.DatabaseError.Statement.")
