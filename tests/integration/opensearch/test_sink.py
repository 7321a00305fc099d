"""The contract suite on a real OpenSearch, each request signed."""

from collections.abc import Iterator
from typing import Any

import pytest

from luigi_sinks import Unavailable, config
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.elasticsearch.store import STORE
from luigi_sinks.sink import Catalog, Sink
from luigi_sinks.testing.columns_suite import ColumnSuite
from luigi_sinks.version import Version
from tests.items import ITEMS, MAPPING


class TestOpenSearchSink(ColumnSuite):
    too_long = "x" * 32_767  # a keyword has no length of its own: Lucene's longest term is the limit

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self, cluster: Any, sink: Sink) -> Iterator[None]:
        """Keep the cluster small: its every change takes longer with each index."""
        yield
        cluster.delete(sink.dataset)

    def make_sink(self, dataset: str) -> Sink:
        settings = config.read_connection(ElasticsearchSettings, "elasticsearch", "opensearch")
        return ElasticsearchSink(settings, dataset, parse_schema(dataset, MAPPING, {}, "id"))

    def with_columns(self, sink: Any, *allow_change: str, **columns: str | None) -> Sink:
        return ITEMS["elasticsearch"].with_columns(sink, *allow_change, **columns)

    def catalog(self, sink: Sink) -> Catalog:
        return STORE.catalog(sink.dataset, "opensearch")

    def datasets(self, sink: Sink) -> list[str]:
        del sink
        return STORE.datasets("opensearch")

    def shown(self, sink: Sink) -> int:
        return ITEMS["elasticsearch"].shown(sink)

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


def test_an_index_of_several_shards_is_read_to_its_end(make_sink, load_ids):
    sink = make_sink(number_of_shards=3)
    load_ids(sink, range(7_000))
    version = sink.head("_all").version
    assert sorted(document["id"] for document in sink.read(version)) == list(range(7_000))


def test_an_index_that_is_deleted_while_it_is_read_is_no_end(make_sink, load_ids, cluster, dataset):
    sink = make_sink()
    load_ids(sink, range(5_000))
    documents = sink.read(sink.head("_all").version)
    next(documents)
    cluster.delete(f"{dataset}~_all")
    with pytest.raises(Unavailable, match="read it again from the start"):
        list(documents)
