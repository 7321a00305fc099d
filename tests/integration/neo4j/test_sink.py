"""The contract suite on a real Neo4j."""

from dataclasses import replace

import pytest

from luigi_sinks import BadSetting
from luigi_sinks.neo4j import Neo4jCatalog, connection, read_query
from luigi_sinks.neo4j.catalog import datasets
from luigi_sinks.testing.columns_suite import ColumnSuite
from tests.items import ITEMS, graph


class TestNeo4jSink(ColumnSuite):
    kind = ITEMS["neo4j"].kind

    @pytest.fixture(autouse=True)
    def _servers(self, servers_config):
        """Wait for the configuration."""

    def make_sink(self, dataset):
        return ITEMS["neo4j"].open(dataset)

    def with_columns(self, sink, *allow_change, **columns):
        return ITEMS["neo4j"].with_columns(sink, *allow_change, **columns)

    def test_a_type_that_holds_less_must_be_allowed(self, sink):
        """Neo4j has one size of integers; a type that holds less is float for int."""
        self.load(self.with_columns(sink, weight="long"), [{"id": 1, "name": "", "amount": None, "weight": 1}])
        other = replace(sink, graph=graph(weight=float))
        with pytest.raises(BadSetting, match=r"column .Item.weight. is int, and is declared as float"):
            self.load(other, [{"id": 1, "name": "", "amount": None, "weight": 1.5}])

    def catalog(self, sink):
        return Neo4jCatalog(sink.settings, sink.dataset)

    def datasets(self, sink):
        return datasets(sink.settings)

    def shown(self, sink):
        return ITEMS["neo4j"].shown(sink)

    def shown_as(self, sink, version, name):
        asked = read_query(name, "MATCH (n:Item__v {_version: version}) RETURN count(n) AS count")
        return sum(row["count"] for row in connection.query(sink.settings, asked))
