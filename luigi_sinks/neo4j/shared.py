"""A graph that tasks change in place: what must exist there first, and what rights they need."""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.neo4j import creation, marks, progress
from luigi_sinks.neo4j.schema import Graph
from luigi_sinks.neo4j.settings import Neo4jSettings


@dataclass(frozen=True)
class SharedGraph:
    """The graph that a task changes in place, under the name that its mark is kept under.

    `graph` declares what the task merges; None for one that runs Cypher of its own.
    """

    settings: Neo4jSettings
    dataset: str
    graph: Graph | None = None

    def create(self) -> None:
        """Make the constraints of keys, of marks and of runs that are missing."""
        for index in (marks.INDEX, progress.INDEX):
            creation.prepare_marks(self.settings, self.dataset, index)
        if self.graph is not None:
            creation.prepare_merged(self.settings, self.dataset, self.graph)
