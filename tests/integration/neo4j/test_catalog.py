"""What a catalog makes of records that a hostile loader wrote, and of graphs that no record keeps."""

from dataclasses import replace

import pytest

from luigi_sinks import SinkError, load, stores
from luigi_sinks.neo4j import Graph, Neo4jCatalog, Neo4jSink, Node, Relationship
from luigi_sinks.testing.suite import ORIGIN, WHOLE

THINGS = Graph([Node("Thing", key="id", properties={"id": int, "raw": bytes | None, "many": list[int]})])


@pytest.fixture
def sink(settings, dataset):
    sink = Neo4jSink(settings, dataset, THINGS)
    load(sink, WHOLE, ORIGIN, [("Thing", (1, b"\x00\xff", [])), ("Thing", (2, None, [3]))])
    return sink


def kept(sink, schema):
    """Put another graph into the head's record; return its version."""
    version = sink.head(WHOLE).version
    sink.change(version, lambda record, _: replace(record, schema=schema))
    return version


def test_the_store_is_found_by_its_name_and_opens_catalogs(sink):
    store = stores.find("neo4j")
    store.check()
    assert sink.dataset in store.datasets()
    catalog = store.catalog(sink.dataset)
    assert catalog.head(WHOLE) == sink.head(WHOLE)
    assert sorted(row["id"] for _, row in catalog.read(sink.head(WHOLE).version)) == [1, 2]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"nodes": 1}, "not a graph"),
        ({"nodes": [{"label": "Thing", "key": "id", "properties": {"id": "__import__('os')"}}]}, "is not a type"),
        ({"nodes": [{"label": "Thing", "key": "no", "properties": {"id": "int"}}], "relationships": []}, "'no' is not"),
        (
            {"nodes": [{"label": "T`) DETACH DELETE n //", "key": "x", "properties": {}}], "relationships": []},
            "no back",
        ),
    ],
)
def test_a_graph_that_is_not_one_is_refused(sink, schema, said):
    version = kept(sink, {"relationships": [], **schema})
    with pytest.raises(SinkError, match=rf"{version}: the graph in its record cannot be used \(.*{said}"):
        list(sink.read(version))


def test_a_name_in_a_record_is_a_name_and_no_part_of_a_query(sink, cypher):
    """Cypher decodes unicode escapes within backticks too."""
    label = r"Thing\u0060) DETACH DELETE n //"
    version = kept(sink, {"nodes": [{"label": label, "key": "id", "properties": {"id": "int"}}], "relationships": []})
    assert list(sink.read(version)) == []
    assert cypher("MATCH (n:Thing__v {_version: $id}) RETURN count(n)", id=version.id) == [(2,)]


def test_names_with_escapes_are_kept_as_they_are(settings, dataset, cypher):
    names = ("ab", r"a\u0062", r"a\\u0062", r"\users")
    node = Node(r"Back\u0060slash", key="ab", properties=dict.fromkeys(names, int))
    sink = Neo4jSink(
        settings, dataset, Graph([node], [Relationship(r"T\u0060", node.label, node.label, {r"\u0060": int})])
    )
    given = [(node.label, (1, 2, 3, 4)), (r"T\u0060", (1, 1, 5))]
    load(sink, WHOLE, ORIGIN, given)
    version = sink.head(WHOLE).version
    assert list(Neo4jCatalog(settings, dataset).read(version)) == [
        (node.label, dict(zip(names, (1, 2, 3, 4), strict=True))),
        (r"T\u0060", {"start": 1, "end": 1, r"\u0060": 5}),
    ]
    assert cypher("MATCH (n {_version: $id}) RETURN labels(n)", id=version.id) == [([r"Back\u0060slash__v"],)]


def test_a_record_that_names_another_version_is_taken_for_the_node_s_own(sink, cypher):
    first = sink.head(WHOLE).version
    load(sink, WHOLE, ORIGIN, [("Thing", (1, None, []))])
    second = sink.head(WHOLE).version
    cypher(
        "MATCH (v:_SinkVersion {id: $id}) SET v.record = replace(v.record, $id, $other)", id=second.id, other=first.id
    )
    assert sink.head(WHOLE).version == second
    assert [record.version for record in sink.records()] == [first, second]


@pytest.mark.parametrize("record", [5, "", "[]", "{}", '{"format": 2}', '{"format": 2'])
def test_a_record_that_is_none_is_refused_by_its_number(sink, cypher, record):
    cypher("MATCH (v:_SinkVersion {dataset: $dataset}) SET v.record = $record", dataset=sink.dataset, record=record)
    with pytest.raises(SinkError, match="record 1 of the registry"):
        list(sink.records())


def test_rows_that_are_not_as_the_record_says_end_in_an_error_that_says_so(sink, cypher):
    version = sink.head(WHOLE).version
    cypher("MATCH (n:Thing__v {_version: $id, id: 2}) SET n.many = 'text'", id=version.id)
    with pytest.raises(SinkError, match=f"{version}: a Thing is not as its record says"):
        list(sink.read(version))
