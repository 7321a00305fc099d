"""Keeps which published version shows how a dataset is divided: the property `example` of its `_SinkDataset`."""

from __future__ import annotations

from luigi_sinks import scheme
from luigi_sinks.neo4j import registry
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.record import Record

_KEPT = f"""
MATCH (d:_SinkDataset {{dataset: $dataset}}) MATCH (v:_SinkVersion {{id: d.example}}) RETURN {registry.NODE}"""


def read(run: Run, dataset: str) -> Record | None:
    """Return the example, or one of the heads of a dataset that was loaded before examples were kept."""
    return _kept(run, dataset) or scheme.found(
        head.record for head in registry.read_heads(run, dataset).values() if head.record
    )


def compare(run: Run, record: Record) -> tuple[str, str]:
    """Return the ids of the example as it is, and as a publication is to make it. Raises BadSetting."""
    dataset = record.version.dataset
    kept = _kept(run, dataset)
    best = scheme.better(kept or read(run, dataset), record)
    return kept.version.id if kept else "", best.version.id


def _kept(run: Run, dataset: str) -> Record | None:
    for row in run(_KEPT, dataset=dataset):
        return registry.decoded(row["node"])
    return None
