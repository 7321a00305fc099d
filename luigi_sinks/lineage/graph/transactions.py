"""Transactions that change the graph, one at a time: each locks one node first.

Two that are under way at once would be a deadlock by their locks, and a property that is compared and set could be set
by the other one between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from luigi_sinks.errors import NotInstalled
from luigi_sinks.lineage.graph.schema import TURN
from luigi_sinks.neo4j import connection
from luigi_sinks.neo4j.settings import Neo4jSettings

try:
    import neo4j
except ImportError as missing:
    raise NotInstalled("neo4j", missing) from missing

T = TypeVar("T")

LOCK = f"MERGE (n:{TURN} {{key: 'turn'}}) SET n.turn = coalesce(n.turn, 0) + 1"


def locked(settings: Neo4jSettings, work: Callable[..., T], *args: Any) -> T:
    """Return what `work(run, *args)` returns, which runs its statements in one transaction; it may be called again.

    Raises Unavailable, and as `Neo4jCatalog` does.
    """
    done: T = connection.transact(settings, _work, work, args, version="lineage")
    return done


def _work(tx: neo4j.Transaction, work: Callable[..., T], args: tuple[Any, ...]) -> T:
    run = connection.within(tx)
    run(LOCK)
    return work(run, *args)
