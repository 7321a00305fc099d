"""Forgets lineage that is older than a time, a few thousand nodes at a time.

What a head was made of stays as far as one step: the version, and the run that wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from luigi_sinks.lineage.graph import transactions
from luigi_sinks.neo4j import connection
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.neo4j.settings import Neo4jSettings

MOST = 2_000
"""Nodes that one transaction deletes: all at once would run out of the memory that a database has for it."""

_IS_HEAD = """EXISTS {
    MATCH (v)<-[p:PUBLISHED]-(s) WHERE NOT EXISTS { MATCH (s)-[q:PUBLISHED]->() WHERE q.epoch > p.epoch }
}"""
_IS_LAST = "EXISTS { (v)-[:OF]->(d:LineageDataset) WHERE NOT EXISTS { (d)-[f:FROM]->() WHERE f.last > v.written } }"

OLD: Mapping[str, str] = MappingProxyType(
    {
        "versions": f"""
            MATCH (v:LineageVersion) WHERE v.written < $before AND NOT {_IS_HEAD} AND NOT {_IS_LAST} WITH v AS n""",
        "runs": """
            MATCH (r:LineageRun) WHERE coalesce(r.started, r.ended) < $before AND NOT EXISTS { (r)<-[:BY]-() }
            WITH r AS n""",
        "tasks": """
            MATCH (t:LineageTask) WHERE t.seen < $before AND NOT EXISTS { (t)<-[:OF]-() }
            WITH t AS n""",
        "versions that nothing is left of": f"""
            MATCH (v:LineageVersion) WHERE v.written IS NULL AND NOT EXISTS {{ (v)<-[:READ]-() }} AND NOT {_IS_HEAD}
              AND NOT EXISTS {{ (v)<-[p:PUBLISHED]-() WHERE p.at >= $before }}
            WITH v AS n""",
    }
)
"""What is old, in the order in which it may go: a query that ends with each as `n`."""


def prune(settings: Neo4jSettings, before: int) -> dict[str, int]:
    """Delete what is older than `before`, in microseconds since 1970, and return how many nodes of each kind it was.

    Versions go that were written before, but for heads and for the last one of a dataset without
    heads; then runs that began before and wrote nothing that stays; then tasks that were not
    run or required since. A question finds what was deleted no more, and ends there.

    Raises as `Neo4jCatalog` does; what is deleted by then stays so.
    """
    return {what: _delete(settings, query, before) for what, query in OLD.items()}


def count(settings: Neo4jSettings, before: int) -> dict[str, int]:
    """Return of how many nodes `prune` would find that they are old now."""
    run = connection.slowly(settings)
    return {what: run(f"{query} RETURN count(n) AS count", before=before)[0]["count"] for what, query in OLD.items()}


def _delete(settings: Neo4jSettings, query: str, before: int) -> int:
    deleted, last = 0, MOST
    while last == MOST:
        last = transactions.locked(settings, _deleted, query, before)
        deleted += last
    return deleted


def _deleted(run: Run, query: str, before: int) -> int:
    found = run(f"{query} LIMIT $most DETACH DELETE n RETURN count(*) AS count", before=before, most=MOST)
    return int(found[0]["count"])
