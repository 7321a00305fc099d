"""Keeps which published version shows how a dataset is divided: the property `example` of its `_SinkDataset`."""

from __future__ import annotations

import neo4j

from luigi_sinks import scheme
from luigi_sinks.neo4j import registry
from luigi_sinks.neo4j.connection import Run, within
from luigi_sinks.record import Record

_KEPT = f"""
MATCH (d:_SinkDataset {{dataset: $dataset}}) MATCH (v:_SinkVersion {{id: d.example}}) RETURN {registry.NODE}"""

_KEEP = "MATCH (d:_SinkDataset {dataset: $dataset}) SET d.example = $example"


def read(run: Run, dataset: str) -> Record | None:
    """Return the example, or one of the heads of a dataset that was loaded before examples were kept."""
    heads = (head.record for head in registry.read_heads(run, dataset).values())
    return _kept(run, dataset) or scheme.found(filter(None, heads))


def compare(tx: neo4j.Transaction, record: Record) -> None:
    """Compare a version with the example, in the transaction that publishes it. Raises BadSetting.

    The dataset is locked only where the example changes, which happens once or twice.
    """
    run, dataset = within(tx), record.version.dataset
    kept = _kept(run, dataset)
    if kept is None or scheme.better(kept, record) is not kept:
        registry.lock_dataset(tx, dataset)
        best = scheme.better(read(run, dataset), record)
        tx.run(_KEEP, dataset=dataset, example=best.version.id).consume()


def _kept(run: Run, dataset: str) -> Record | None:
    for row in run(_KEPT, dataset=dataset):
        return registry.decoded(row["node"])
    return None
