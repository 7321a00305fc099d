"""Marks in Neo4j: a node each."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from luigi_sinks.mark import FORMAT, Mark, digest, refuse_newer
from luigi_sinks.neo4j import connection, creation
from luigi_sinks.neo4j.dataset import Neo4jDataset
from luigi_sinks.neo4j.names import check_dataset

LABEL = "_SinkMark"

INDEX = creation.Index(LABEL, LABEL, ("dataset", "digest"))

_KNOWN = f"""
UNWIND $digests AS digest MATCH (m:{LABEL} {{dataset: $dataset, digest: digest}})
RETURN m.update_id AS update_id, m.format AS format"""

_ADD = f"""
UNWIND $marks AS each MERGE (m:{LABEL} {{dataset: $dataset, digest: each.digest}})
ON CREATE SET m.update_id = each.update_id, m.mark = each.mark, m.format = $format"""


@dataclass(frozen=True)
class Neo4jMarks(Neo4jDataset):
    """The marks under one name of a database.

    Example:
        >>> from luigi_sinks.neo4j import Neo4jSettings
        >>> Neo4jMarks(Neo4jSettings("db.internal", "neo4j_token"), "airports").dataset
        'airports'

    """

    def __post_init__(self) -> None:
        """Refuse names that mislead."""
        check_dataset(self.dataset)

    def create(self) -> None:
        """Make the constraint by which an output has one mark."""
        creation.prepare_marks(self.settings, self.dataset, INDEX)

    def known(self, update_ids: Collection[str]) -> set[str]:
        """Return those of the outputs that are marked."""
        digests, found = [digest(each) for each in update_ids], set[str]()
        for row in connection.query(self.settings, _KNOWN, dataset=self.dataset, digests=digests):
            refuse_newer(f"{self.settings.address}: {self.dataset!r}", row["format"])
            found.add(row["update_id"])
        return found

    def add(self, marks: Iterable[Mark]) -> None:
        """Keep marks; one that is there stays as it is."""
        self.create()
        values = [{"digest": mark.digest, "update_id": mark.update_id, "mark": mark.encode()} for mark in marks]
        connection.query(self.settings, _ADD, dataset=self.dataset, marks=values, format=FORMAT)
