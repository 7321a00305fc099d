"""Deletes a dataset: its heads first, and last the registry, so that what is interrupted is found again."""

from __future__ import annotations

from luigi_sinks.neo4j import connection, registry, writer
from luigi_sinks.neo4j.names import SUFFIX, quoted
from luigi_sinks.neo4j.settings import Neo4jSettings

_HEADS = "MATCH (h:_SinkHead {dataset: $dataset}) DELETE h"
_VERSIONS = """
MATCH (v:_SinkVersion {dataset: $dataset}) CALL (v) { DETACH DELETE v } IN TRANSACTIONS OF 10000 ROWS"""
_DATASET = "MATCH (d:_SinkDataset {dataset: $dataset}) DELETE d"

_LABELS = "MATCH (v:_SinkVersion) UNWIND v.labels AS label RETURN label, collect(DISTINCT v.dataset) AS datasets"

_INDEXES = """
SHOW INDEXES YIELD name, labelsOrTypes, owningConstraint WHERE size(labelsOrTypes) = 1
RETURN name, labelsOrTypes[0] AS label, owningConstraint IS NOT NULL AS is_unique"""


def drop(settings: Neo4jSettings, dataset: str) -> None:
    """Delete all that the dataset has, and the constraints that no other one needs; may be repeated."""
    connection.query(settings, _HEADS, dataset=dataset)
    for record in list(registry.read_records(connection.slowly(settings), dataset)):
        if record.is_unfinished:
            writer.end_writers(settings, record.version)
        writer.delete(settings, record.version)
    _drop_indexes(settings, dataset)
    connection.long_query(settings, _VERSIONS, dataset=dataset)
    connection.query(settings, _DATASET, dataset=dataset)


def _drop_indexes(settings: Neo4jSettings, dataset: str) -> None:
    """Drop the indexes and constraints of labels that only this dataset has; others' have other names."""
    found = connection.query(settings, _LABELS)
    own = {f"{row['label']}{SUFFIX}" for row in found if row["datasets"] == [dataset]}
    for row in connection.query(settings, _INDEXES):
        if row["label"] in own and row["name"].startswith((f"{row['label']} by ", f"{row['label']} as a whole")):
            what = "CONSTRAINT" if row["is_unique"] else "INDEX"
            connection.long_query(settings, f"DROP {what} {quoted(row['name'])} IF EXISTS")
