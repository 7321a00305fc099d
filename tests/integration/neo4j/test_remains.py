"""What no record accounts for in Neo4j, and how it goes."""

import pytest

from luigi_sinks import Origin, load, removal, versions
from luigi_sinks.neo4j import Graph, Neo4jSink, Node

GRAPH = Graph([Node("Left", key="id", properties={"id": int}), Node("Over", key="id", properties={"id": int})])


@pytest.fixture
def sink(settings, dataset):
    sink = Neo4jSink(settings, dataset, GRAPH)
    load(sink, "_all", Origin("first"), [("Left", {"id": 1}), ("Over", {"id": 1})])
    return sink


@pytest.mark.parametrize("label", ["Left", "Over"])
def test_nodes_of_a_version_whose_record_says_that_they_are_deleted_are_swept(sink, cypher, label):
    first = sink.head("_all").version
    load(sink, "_all", Origin("second"), [("Left", {"id": 2})])
    versions.sweep(sink)
    for become in (removal.begin_drop, removal.end_drop):
        sink.change(first, become)
    other = {"Left": "Over", "Over": "Left"}[label]
    cypher(f"MATCH (n:{other}__v {{_version: $id}}) DETACH DELETE n", id=first.id)
    assert versions.sweep(sink) == [first]
    assert cypher(f"MATCH (n:{label}__v {{_version: $id}}) RETURN count(n)", id=first.id) == [(0,)]
    assert versions.sweep(sink) == []


def test_marks_are_swept_with_their_version_or_without_any_record(sink, cypher):
    first = sink.head("_all").version
    load(sink, "_all", Origin("second"), [("Left", {"id": 2})])
    for become in (removal.begin_drop, removal.end_drop):
        sink.change(first, become)
    sink.delete_rows(first)
    for id_ in (first.id, f"never {sink.dataset}"):
        cypher("CREATE (:_SinkBatch {version: $id, part: 0, first: 0})", id=id_)
    assert {version.id for version in versions.sweep(sink)} >= {first.id, f"never {sink.dataset}"}
    marks = "MATCH (b:_SinkBatch) WHERE b.version IN [$id, $never] RETURN count(b)"
    assert cypher(marks, id=first.id, never=f"never {sink.dataset}") == [(0,)]
