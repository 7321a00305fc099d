"""Finds what is left of dead versions: nodes, and the marks of chunks."""

from __future__ import annotations

from collections.abc import Iterator

from luigi_sinks.neo4j import cypher
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.version import DEAD, ENDING, WHOLE, Version

_MARKED = "EXISTS { MATCH (b:_SinkBatch) WHERE b.version = id AND b.part IS NOT NULL AND b.first IS NOT NULL }"

_DEAD = f"""
MATCH (v:_SinkVersion {{dataset: $dataset}})
WHERE v.seq IS NOT NULL AND v.state IN $dead AND v.partition = coalesce($partition, v.partition)
WITH v, v.id AS id
RETURN id, v.partition AS partition, v.labels AS labels, v.state IN $ending OR {_MARKED} AS is_left"""

_UNREGISTERED = """
MATCH (b:_SinkBatch) WHERE b.version IS NOT NULL AND b.part IS NOT NULL AND b.first IS NOT NULL
WITH DISTINCT b.version AS id WHERE NOT EXISTS { MATCH (v:_SinkVersion {id: id}) }
RETURN id"""


def find(run: Run, dataset: str, partition: str | None) -> Iterator[Version]:
    """Yield the dead versions of which something is left; of those without a record, marks are found."""
    states = {"dead": sorted(DEAD), "ending": sorted(ENDING)}
    dead = run(_DEAD, dataset=dataset, partition=partition, **states)
    labels = {label for row in dead for label in row["labels"]}
    filled = {id_ for label in sorted(labels) for id_ in _filled(run, label, [row["id"] for row in dead])}
    for row in dead:
        if row["is_left"] or row["id"] in filled:
            yield Version(dataset, row["partition"], row["id"])
    if partition is None:
        yield from (Version(dataset, WHOLE, row["id"]) for row in run(_UNREGISTERED))


def _filled(run: Run, label: str, ids: list[str]) -> list[str]:
    return [row["id"] for row in run(cypher.filled(label), ids=ids)]
