"""Creates what a dataset needs in its database, on first use, by any number of processes at once."""

from __future__ import annotations

from collections.abc import Iterator

from luigi_sinks.neo4j import connection, cypher, registry
from luigi_sinks.neo4j.connection import Settings
from luigi_sinks.neo4j.names import quoted
from luigi_sinks.neo4j.schema import Graph


def ensure(settings: Settings, graph: Graph) -> None:
    """Create the constraints and indexes of the registry and of the graph that are not there yet."""
    found = connection.query(settings, "SHOW INDEXES YIELD name RETURN collect(name) AS names")[0]["names"]
    missing = [(name, ddl) for name, ddl in _all(graph) if name not in found]
    for _, ddl in missing:
        connection.query(settings, ddl)
    if missing:
        connection.query(settings, "CALL db.awaitIndexes(300)")


def _all(graph: Graph) -> Iterator[tuple[str, str]]:
    for name, ddl in registry.SCHEMA.items():
        yield name, ddl.format(name=quoted(name))
    for kind in graph.node_kinds.values():
        yield cypher.constraint(kind)
        yield cypher.index(kind)
