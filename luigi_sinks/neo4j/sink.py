"""Loads versions of a graph that stand side by side; a head node names the one to read.

A version's nodes carry the label `<Label>__v` and the version's id; readers ask
the head first, as `read_query` does.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from luigi_sinks import columns
from luigi_sinks import record as rules
from luigi_sinks.checks import SharedKey, StagedCounts
from luigi_sinks.neo4j import connection, creation, cypher, reader, registry, writer
from luigi_sinks.neo4j.catalog import Neo4jCatalog
from luigi_sinks.neo4j.names import check_dataset
from luigi_sinks.neo4j.schema import Graph, GraphContract, MissingEnds, columns_of
from luigi_sinks.record import Pointer, Record
from luigi_sinks.sink import Part
from luigi_sinks.version import Version

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class Neo4jSink(Neo4jCatalog):
    """A dataset that can be loaded, as its graph is known.

    `graph` declares the nodes and relationships. `missing_ends` says what to do with a
    relationship whose start or end node is not in the version: "refuse" the load (the
    default), or "set_aside" the relationship and count it. `allow_change` names
    properties that may change though readers may break. Errors are those of
    `Neo4jCatalog`; a load also raises what `luigi_sinks.loading` does.

    Example (it needs a server):

        settings = Neo4jSettings("db.internal", credential="neo4j_token")
        graph = Graph([Node("Airport", key="faa", properties={"faa": str})])
        load(Neo4jSink(settings, "flights", graph), "_all", Origin("by hand"), [("Airport", {"faa": "JFK"})])

    """

    graph: Graph
    missing_ends: MissingEnds = "refuse"
    allow_change: Collection[str] = ()

    def __post_init__(self) -> None:
        """Refuse names that mislead."""
        check_dataset(self.dataset)
        self.graph.check()

    @cached_property
    def contract(self) -> GraphContract:
        """What a row must look like."""
        return self.graph.contract(self.dataset, self.missing_ends)

    @property
    def lease(self) -> float:
        """For how many seconds the claim of a load is valid without being renewed."""
        return self.settings.lease

    @cached_property
    def declared(self) -> Mapping[str, Any]:
        """The graph as JSON."""
        return self.graph.to_json()

    @property
    def columns(self) -> Mapping[str, str]:
        """The types of the properties of each kind."""
        kinds = self.graph.kinds.items()
        return {f"{kind}.{each.name}": each.text for kind, found in kinds for each in found.properties}

    def create(self) -> None:
        """Create the constraints and indexes that are missing, and upgrade the registry of an older release."""
        creation.prepare(self.settings, self.dataset)
        self._compare_columns()
        creation.prepare_graph(self.settings, self.dataset, self.graph)

    def begin(self, record: Record) -> Neo4jStage:
        """Register the version and open its stage.

        The version is registered before the graph's constraints are created: from then
        on no other load takes them for unused.
        """
        creation.prepare(self.settings, self.dataset)
        self._compare_columns()
        registry.register(self._run, record, self.graph.node_kinds)
        creation.prepare_graph(self.settings, self.dataset, self.graph)
        return self.attach(record.version)

    def _compare_columns(self) -> None:
        """Compare the properties with those of the newest head, if its record keeps them. Raises BadSetting."""
        newest = registry.read_newest(self._run, self.dataset)
        seen = columns_of(reader.kinds(self._run, newest)) if newest and newest.schema else {}
        columns.refuse(self.dataset, seen, self.graph.declared_columns, self.allow_change)

    def shared_key(self, version: Version) -> SharedKey | None:
        """Return a key of the sealed version that the head of another partition has too."""
        for label, kind in self.graph.node_kinds.items():
            asked = {"dataset": self.dataset, "partition": version.partition, "version": version.id}
            for row in connection.slowly(self.settings)(cypher.shared_key(kind), **asked):
                other = Version(self.dataset, row["partition"], row["other"])
                return SharedKey((f"{label}.{kind.key.name}",), (row["value"],), other)
        return None

    def attach(self, version: Version) -> Neo4jStage:
        """Open the stage of a registered version."""
        return Neo4jStage(self, version)


@dataclass(frozen=True)
class Neo4jStage:
    """A version being written."""

    sink: Neo4jSink
    version: Version
    writers: int = 2

    def write(self, part: Part) -> None:
        """Write a part once, in transactions of bounded size."""
        kind = self.sink.graph.kinds[part.kind]
        writer.PartWriter(self.sink.settings, self.sink.contract, self.version, kind).write(part)

    def seal(self) -> StagedCounts:
        """Let the version take no more rows, wait for those under way, and count."""
        settings = self.sink.settings
        self.sink.change(self.version, rules.close)
        writer.await_writers(settings, self.version)
        rows = reader.count(connection.slowly(settings), self.version, self.sink.graph.kinds)
        set_aside, examples = writer.count_set_aside(connection.alone(settings), self.version)
        record = self.sink.change(self.version, partial(_sealed, rows=rows, set_aside=set_aside))
        writer.delete_marks(settings, self.version)
        if examples:
            _log.warning("%s: %d relationships set aside: %s", self.version, record.set_aside, _some(examples))
        return StagedCounts(rows, record.set_aside)


def _sealed(record: Record, head: Pointer, *, rows: int, set_aside: int) -> Record:
    """Keep the counts; the marks of what was set aside are there only before the first time."""
    counts = StagedCounts(rows, set_aside if record.rows is None else record.set_aside)
    return rules.seal(record, head, counts=counts)


def _some(examples: Sequence[str]) -> str:
    more = len(examples) > writer.EXAMPLES
    return "; ".join([*examples[: writer.EXAMPLES], *(["and more"] if more else [])])
