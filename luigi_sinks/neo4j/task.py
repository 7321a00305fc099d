"""The Luigi task that loads its rows into a graph."""

from __future__ import annotations

from luigi_sinks.neo4j.target import Neo4jTarget
from luigi_sinks.task import CopyTask, setting
from luigi_sinks.task_events import watch


class CopyToGraph(CopyTask):
    """Loads `rows()`, pairs of a kind and a row, as one version of a graph."""

    _store = "neo4j"

    graph = setting("")
    """The dataset's name."""

    nodes = setting(())
    """The kinds of nodes: `Node("Airport", key="faa", properties={"faa": str, "lat": float | None})`."""

    relationships = setting(())
    """The kinds of relationships: `Relationship("ROUTE", "Airport", "Airport", properties={"flights": int})`."""

    publish = setting("pointer")
    """How readers see a version: through the head node that points at it."""

    missing_ends = setting("refuse")
    """What becomes of a relationship whose start or end is not among the nodes: "refuse" or "set_aside"."""

    def output(self) -> Neo4jTarget:
        """Return the version this task makes."""
        return Neo4jTarget(
            self.graph,
            nodes=self.nodes,
            relationships=self.relationships,
            publish=self.publish,
            missing_ends=self.missing_ends,
            **self._target_options(),
        )


watch(CopyToGraph)
