"""Graphs as Luigi targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Unpack, get_args

from luigi_sinks import config
from luigi_sinks.columns import Columns
from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.neo4j.names import check_dataset
from luigi_sinks.neo4j.schema import Declared, Graph, MissingEnds, Node, Relationship
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.neo4j.sink import Neo4jSink
from luigi_sinks.target import TargetOptions, VersionedTarget


class Neo4jTarget(VersionedTarget):
    """One output: a version of a graph, or of one partition of it.

    Rows are pairs of a kind and a row: `("Airport", {"faa": "JFK", ...})` for a node,
    then `("ROUTE", {"start": "JFK", "end": "LAX", ...})` for a relationship between
    nodes of the same version.

    `graph` is the dataset's name, `nodes` and `relationships` declare its kinds of rows.
    `publish` is "pointer": a head node names the version to read. `missing_ends` says
    what to do with a relationship whose start or end node is not in the version:
    "refuse" the load (the default), or "set_aside" the relationship and count it. The
    other options are those of `luigi_sinks.target.TargetOptions`. Raises BadSetting for
    a declaration that cannot work.

    Example:
        >>> airport = Node("Airport", key="faa", properties={"faa": str})
        >>> Neo4jTarget("flights", nodes=(airport,), update_id="2026-01")
        Neo4jTarget(flights/_all, update_id='2026-01')

    """

    store = "neo4j"

    def __init__(
        self,
        graph: str,
        *,
        nodes: Sequence[Node],
        relationships: Sequence[Relationship] = (),
        publish: str = "pointer",
        missing_ends: MissingEnds = "refuse",
        **options: Unpack[TargetOptions],
    ) -> None:
        check_dataset(graph)
        _check_publish(graph, publish)
        _check_missing_ends(graph, missing_ends)
        self._graph = parse_schema(graph, nodes, relationships)
        self._missing_ends: MissingEnds = missing_ends
        super().__init__(graph, options)

    @cached_property
    def contract(self) -> Contract:
        """What a row must look like."""
        return self._graph.contract(self.dataset, self._missing_ends)

    @property
    def declared_columns(self) -> Columns:
        """The types of the properties, each behind its kind."""
        return self._graph.declared_columns

    def open_sink(self) -> Neo4jSink:
        """Return the graph in its database."""
        settings = config.read_connection(Neo4jSettings, self.store, self.connection)
        settings = replace(settings, owner=self.owner or settings.owner)
        return Neo4jSink(settings, self.dataset, self._graph, self._missing_ends, self.allow_change)


def parse_schema(graph: str, nodes: Sequence[Node], relationships: Sequence[Relationship]) -> Graph:
    """Return the graph that is declared. Raises BadSetting that names it."""
    try:
        declared = Graph(_all(Node, "nodes", nodes), _all(Relationship, "relationships", relationships))
        declared.check()
    except BadSetting as error:
        raise BadSetting(f"graph {graph!r}: {error}") from None
    return declared


def _all(kind: type[Declared], setting: str, given: Any) -> tuple[Declared, ...]:
    if not isinstance(given, (tuple, list)) or not all(isinstance(each, kind) for each in given):
        raise BadSetting(f"{setting} = {given!r} is not a tuple of {kind.__name__}(...)")
    return tuple(given)


def _check_publish(graph: str, publish: Any) -> None:
    if publish == "live":
        raise BadSetting(f"graph {graph!r}: publish = 'live' is not supported yet; set publish = 'pointer'")
    if publish != "pointer":
        raise BadSetting(f"graph {graph!r}: publish = {publish!r} is unknown; set publish = 'pointer'")


def _check_missing_ends(graph: str, missing_ends: Any) -> None:
    known = get_args(MissingEnds)
    if missing_ends not in known:
        raise BadSetting(f"graph {graph!r}: missing_ends = {missing_ends!r}; {did_you_mean(missing_ends, known)}")
