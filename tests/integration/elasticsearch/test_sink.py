"""The contract suite on a real Elasticsearch."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from luigi_sinks import config
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.elasticsearch.store import STORE
from luigi_sinks.sink import Catalog, Sink
from luigi_sinks.testing.columns_suite import ColumnSuite
from luigi_sinks.version import Version

MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}, "amount": {"type": "double"}}
TYPES = {"whole": "integer", "long": "long", "time": "date"}


def with_columns(sink: Any, *allow_change: str, **columns: str | None) -> Sink:
    added = {name: {"type": TYPES[kind]} for name, kind in columns.items() if kind}
    return replace(sink, schema=parse_schema(sink.dataset, {**MAPPING, **added}, {}, "id"), allow_change=allow_change)


class TestElasticsearchSink(ColumnSuite):
    too_long = "x" * 32_767  # a keyword has no length of its own: Lucene's longest term is the limit

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self, cluster: Any, sink: Sink) -> Iterator[None]:
        """Keep the cluster small: its every change takes longer with each index."""
        yield
        cluster.delete(sink.dataset)

    def make_sink(self, dataset: str) -> Sink:
        settings = config.read_connection(ElasticsearchSettings, "elasticsearch")
        return ElasticsearchSink(settings, dataset, parse_schema(dataset, MAPPING, {}, "id"))

    with_columns = staticmethod(with_columns)

    def catalog(self, sink: Sink) -> Catalog:
        return STORE.catalog(sink.dataset)

    def datasets(self, sink: Sink) -> list[str]:
        del sink
        return STORE.datasets()

    def shown(self, sink: Sink) -> int:
        return ask(sink.settings, lambda es: es.count(index=sink.dataset))["count"]

    def shown_as(self, sink: Sink, version: Version, name: str) -> int:
        del version
        return ask(sink.settings, lambda es: es.count(index=name))["count"]

    def test_none_in_a_required_field_is_refused(self, sink: Sink) -> None:
        """No field but the id is required here: None, or nothing, is how a document has no value."""
        given = [{"id": 1, "name": None, "amount": 1.5}, {"id": 2}]
        assert self.read(sink, self.load(sink, given)) == given


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left(cluster):
    yield
    cluster.delete("suite_")


def test_documents_that_are_changed_after_they_were_given_are_written_as_given(make_sink, load_rows):
    sink = make_sink(mapping={"id": {"type": "integer"}, "tags": {"type": "keyword"}})
    document = {"id": 0, "tags": ["given"]}
    accepted, _ = sink.contract.accept("", [document], 1)
    document["tags"].append("later")
    version = load_rows(sink, accepted)
    assert list(sink.read(version)) == [{"id": 0, "tags": ["given"]}]
