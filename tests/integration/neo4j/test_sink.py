"""The contract suite on a real Neo4j."""

from typing import Annotated

import pytest
from msgspec import Meta

from luigi_sinks import config
from luigi_sinks.neo4j import Graph, Neo4jCatalog, Neo4jSettings, Neo4jSink, Node, connection, read_query
from luigi_sinks.neo4j.catalog import datasets
from luigi_sinks.testing.suite import SinkSuite

PROPERTIES = {
    "id": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "name": Annotated[str, Meta(max_length=20)],
    "amount": float | None,
}
ITEMS = Graph([Node("Item", key="id", properties=PROPERTIES)])


class TestNeo4jSink(SinkSuite):
    kind = "Item"

    @pytest.fixture(autouse=True)
    def _servers(self, servers_config):
        """Wait for the configuration."""

    def make_sink(self, dataset):
        return Neo4jSink(config.read_connection(Neo4jSettings, "neo4j"), dataset, ITEMS)

    def catalog(self, sink):
        return Neo4jCatalog(sink.settings, sink.dataset)

    def datasets(self, sink):
        return datasets(sink.settings)

    def shown(self, sink):
        return self.shown_as(sink, None, sink.dataset)

    def shown_as(self, sink, version, name):
        asked = read_query(name, "MATCH (n:Item__v {_version: version}) RETURN count(n) AS count")
        return sum(row["count"] for row in connection.query(sink.settings, asked))
