"""Creates what a dataset needs in its database, on first use, by any number of processes at once."""

from __future__ import annotations

from collections.abc import Iterator

from neo4j.exceptions import ClientError

from luigi_sinks.neo4j import connection, cypher, registry
from luigi_sinks.neo4j.names import quoted
from luigi_sinks.neo4j.schema import Graph
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.retry import retry_unavailable

_READY = "SHOW INDEXES YIELD name, state WHERE state = 'ONLINE' RETURN collect(name) AS names"
_EXISTS = "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists"


def ensure(settings: Neo4jSettings, graph: Graph) -> None:
    """Create the constraints and indexes of the registry and of the graph that are not there yet."""
    ready = connection.query(settings, _READY)[0]["names"]
    missing = [ddl for name, ddl in _all(graph) if name not in ready]
    for ddl in missing:
        _create(settings, ddl)
    if missing:
        connection.query(settings, "CALL db.awaitIndexes(300)")


def _create(settings: Neo4jSettings, ddl: str) -> None:
    """Create what another process may be creating.

    IF NOT EXISTS looks before it waits for that one, and several that wait for a
    label's lock are a deadlock to the server, which is worth another try.
    """
    try:
        retry_unavailable(connection.query, settings, ddl)
    except ClientError as error:
        if error.code != _EXISTS:
            raise


def _all(graph: Graph) -> Iterator[tuple[str, str]]:
    for name, ddl in registry.SCHEMA.items():
        yield name, ddl.format(name=quoted(name))
    for kind in graph.node_kinds.values():
        yield cypher.constraint(kind)
        yield cypher.index(kind)
