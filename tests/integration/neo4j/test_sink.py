"""The contract suite on a real Neo4j."""

from dataclasses import replace
from datetime import date
from typing import Annotated

import pytest
from msgspec import Meta

from luigi_sinks import BadSetting, config
from luigi_sinks.neo4j import Graph, Neo4jCatalog, Neo4jSettings, Neo4jSink, Node, connection, read_query
from luigi_sinks.neo4j.catalog import datasets
from luigi_sinks.testing.columns_suite import ColumnSuite

PROPERTIES = {
    "id": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "name": Annotated[str, Meta(max_length=20)],
    "amount": float | None,
}
TYPES = {"whole": int, "long": int, "time": date}
ITEMS = Graph([Node("Item", key="id", properties=PROPERTIES)])


class TestNeo4jSink(ColumnSuite):
    kind = "Item"

    @pytest.fixture(autouse=True)
    def _servers(self, servers_config):
        """Wait for the configuration."""

    def make_sink(self, dataset):
        return Neo4jSink(config.read_connection(Neo4jSettings, "neo4j"), dataset, ITEMS)

    def with_columns(self, sink, *allow_change, **columns):
        added = {name: TYPES[kind] for name, kind in columns.items() if kind}
        graph = Graph([Node("Item", key="id", properties={**PROPERTIES, **added})])
        return replace(sink, graph=graph, allow_change=allow_change)

    def test_a_type_that_holds_less_must_be_allowed(self, sink):
        """Neo4j has one size of integers; a type that holds less is float for int."""
        self.load(self.with_columns(sink, weight="long"), [{"id": 1, "name": "", "amount": None, "weight": 1}])
        other = replace(sink, graph=Graph([Node("Item", key="id", properties={**PROPERTIES, "weight": float})]))
        with pytest.raises(BadSetting, match=r"column .Item.weight. is int, and is declared as float"):
            self.load(other, [{"id": 1, "name": "", "amount": None, "weight": 1.5}])

    def catalog(self, sink):
        return Neo4jCatalog(sink.settings, sink.dataset)

    def datasets(self, sink):
        return datasets(sink.settings)

    def shown(self, sink):
        return self.shown_as(sink, None, sink.dataset)

    def shown_as(self, sink, version, name):
        asked = read_query(name, "MATCH (n:Item__v {_version: version}) RETURN count(n) AS count")
        return sum(row["count"] for row in connection.query(sink.settings, asked))
