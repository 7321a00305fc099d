"""A version's rows as a whole: counted, awaited, deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import neo4j

from luigi_sinks.errors import Unavailable
from luigi_sinks.neo4j import connection, cypher
from luigi_sinks.neo4j.schema import Graph
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.version import Version

_PATIENCE = 60.0
"""Seconds to wait for the transactions of other writers."""

_AT_WORK = """
SHOW TRANSACTIONS YIELD transactionId, metaData, status
WHERE metaData.luigi_sinks = $version AND NOT status STARTS WITH 'Terminated'
RETURN collect(transactionId) AS ids"""

_SET_ASIDE = """
MATCH (v:_SinkVersion {id: $version})
OPTIONAL MATCH (b:_SinkBatch) WHERE b.version = $version AND b.part IS NOT NULL AND b.first IS NOT NULL
WITH v.set_aside AS known, b ORDER BY b.part, b.first
WITH known, sum(b.set_aside) AS found, collect(b.examples) AS examples
RETURN coalesce(known, found) AS set_aside, examples"""

_DELETE_MARKS = """
MATCH (b:_SinkBatch) WHERE b.version = $version AND b.part IS NOT NULL AND b.first IS NOT NULL
CALL (b) { DELETE b } IN TRANSACTIONS OF 10000 ROWS"""


@dataclass(frozen=True)
class Counted:
    """What the server has of a version, and what was set aside, with some examples."""

    rows: int
    set_aside: int
    examples: Sequence[str]


def count(tx: neo4j.Transaction, version: Version, graph: Graph) -> Counted:
    """Count nodes and relationships on the server."""
    rows = sum(_single(tx, cypher.count(kind), version)["count"] for kind in graph.kinds.values())
    aside = _single(tx, _SET_ASIDE, version)
    return Counted(rows, aside["set_aside"], [example for some in aside["examples"] for example in some])


def await_writers(settings: Neo4jSettings, version: Version) -> None:
    """Wait until no transaction writes rows of the version any more. Raises Unavailable if one goes on."""
    deadline = time.monotonic() + _PATIENCE
    while _at_work(settings, version):
        if time.monotonic() > deadline:
            raise Unavailable(f"{version}: another process is still writing a part of it")
        time.sleep(0.1)


def end_writers(settings: Neo4jSettings, version: Version) -> None:
    """End the transactions that write rows of the version."""
    ids = _at_work(settings, version)
    if ids:
        connection.query(settings, "TERMINATE TRANSACTIONS $ids", ids=ids)
    await_writers(settings, version)


def delete(settings: Neo4jSettings, version: Version) -> None:
    """Delete what a version has in the store besides its record, in many transactions."""
    found = connection.query(
        settings, "MATCH (v:_SinkVersion {id: $version}) RETURN v.labels AS labels", version=version.id
    )
    labels = [label for row in found for label in row["labels"]]
    for query in (*map(cypher.delete_relationships, labels), *map(cypher.delete_nodes, labels)):
        connection.query(settings, query, version=version.id)
    delete_marks(settings, version)


def delete_marks(settings: Neo4jSettings, version: Version) -> None:
    """Delete the marks of a version's batches, once it takes no more of them."""
    connection.query(settings, _DELETE_MARKS, version=version.id)


def _at_work(settings: Neo4jSettings, version: Version) -> Any:
    return connection.query(settings, _AT_WORK, version=version.id)[0]["ids"]


def _single(tx: neo4j.Transaction, query: str, version: Version) -> neo4j.Record:
    return tx.run(query, version=version.id).single(strict=True)
