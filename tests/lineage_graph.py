"""What a test sees of the lineage of one history in Neo4j, by queries of its own."""

from __future__ import annotations

import fcntl

import pytest

from luigi_sinks.lineage.graph.schema import LABELS, SPOOL

BATCH = 2_000


def dump(ask, name: str) -> dict[str, list]:
    """Return all nodes whose key holds the name, and their relationships, sorted."""
    nodes = [
        (label, row["n"]["key"], sorted((key, value) for key, value in row["n"].items() if key != "key"))
        for label in (*LABELS, SPOOL)
        for row in ask(f"MATCH (n:{label}) WHERE n.key CONTAINS $name RETURN n {{.*}} AS n", name=name)
    ]
    edges = [
        (row["type"], row["start"], row["end"], sorted(row["r"].items()))
        for label in (*LABELS, SPOOL)
        for row in ask(
            f"MATCH (n:{label})-[r]->(m) WHERE n.key CONTAINS $name "
            "RETURN type(r) AS type, n.key AS start, m.key AS end, r {.*} AS r",
            name=name,
        )
    ]
    return {"nodes": sorted(nodes), "edges": sorted(edges)}


def forget(ask, name: str) -> None:
    """Delete all that `dump` returns."""
    for label in (*LABELS, SPOOL):
        query = f"MATCH (n:{label}) WHERE n.key CONTAINS $name WITH n LIMIT {BATCH} DETACH DELETE n"
        while ask(f"{query} RETURN count(*) AS count", name=name)[0]["count"]:
            pass


@pytest.fixture(scope="module", autouse=True)
def alone_with_the_graph(tmp_path_factory):
    """Keep other processes' modules out meanwhile: to prune, and to list what is known, concerns every history."""
    with (tmp_path_factory.getbasetemp().parent / "lineage.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
