"""The Luigi task that loads its rows into a graph."""

from __future__ import annotations

from luigi_sinks.neo4j.target import Neo4jTarget
from luigi_sinks.task import CopyTask, setting
from luigi_sinks.task_events import watch


class CopyToGraph(CopyTask):
    """Loads `rows()`, pairs of a kind and a row, as one version of a graph.

    The settings are those of `Neo4jTarget`, as class attributes, properties or Luigi
    parameters; those of every task are `luigi_sinks.CopyTask`'s. Raises BadSetting for
    a declaration that cannot work, and what `luigi_sinks.loading` does.

    Example:
        >>> from luigi_sinks.neo4j import Node, Relationship
        >>> class Airports(CopyToGraph):
        ...     graph = "airports"
        ...     nodes = (Node("Airport", key="faa", properties={"faa": str, "lat": float | None}),)
        ...     relationships = (Relationship("ROUTE", "Airport", "Airport", properties={"flights": int}),)
        ...
        ...     def rows(self):
        ...         yield "Airport", {"faa": "JFK", "lat": 40.6}
        ...         yield "Airport", {"faa": "LAX", "lat": 33.9}
        ...         yield "ROUTE", {"start": "JFK", "end": "LAX", "flights": 3}
        >>> Airports().output()
        Neo4jTarget(airports/_all, update_id='Airports__99914b932b')

    """

    _store = "neo4j"

    graph = setting("")
    """The dataset's name."""

    nodes = setting(())
    """The kinds of nodes: `Node("Airport", key="faa", properties={"faa": str, "lat": float | None})`."""

    relationships = setting(())
    """The kinds of relationships: `Relationship("ROUTE", "Airport", "Airport", properties={"flights": int})`."""

    publish = setting("pointer")
    """How readers find a version: "pointer", the head node that names it."""

    missing_ends = setting("refuse")
    """What to do with a relationship whose start or end is not among the nodes: "refuse" or "set_aside"."""

    def output(self) -> Neo4jTarget:
        """Return the version that this task loads."""
        return Neo4jTarget(
            self.graph,
            nodes=self.nodes,
            relationships=self.relationships,
            publish=self.publish,
            missing_ends=self.missing_ends,
            **self._target_options(),
        )


watch(CopyToGraph)
