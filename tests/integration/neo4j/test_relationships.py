"""Relationships: their order, their ends, and what plain Cypher shows of them."""

import logging
import math
from datetime import timedelta

import pytest

from luigi_sinks import BadRow, Conflict, load, versions
from luigi_sinks.neo4j import Graph, Neo4jSink, Node, Relationship
from luigi_sinks.testing.suite import ORIGIN, WHOLE

GRAPH = Graph(
    [
        Node("Airport", key="faa", properties={"faa": str, "lat": float | None}),
        Node("Airline", key="carrier", properties={"carrier": str}),
    ],
    [
        Relationship("ROUTE", start="Airport", end="Airport", properties={"flights": int, "delay": float | None}),
        Relationship("BASE", start="Airline", end="Airport"),
        Relationship("ROUTE", start="Airline", end="Airport", name="SERVES"),
    ],
)
NODES = [("Airport", (faa, None)) for faa in ("JFK", "LAX", "EWR")] + [("Airline", {"carrier": "UA"})]
ROUTE = ("ROUTE", {"start": "JFK", "end": "LAX", "flights": 3, "delay": 0.5})

ROUTES = """
MATCH (h:_SinkHead {dataset: $dataset})
MATCH (a:Airport__v {_version: h.version})-[r:ROUTE__v]->(b)
RETURN a.faa, b.faa, r.flights ORDER BY a.faa, b.faa, r.flights"""


@pytest.fixture
def sink(settings, dataset):
    return Neo4jSink(settings, dataset, GRAPH)


@pytest.fixture
def lenient(settings, dataset):
    return Neo4jSink(settings, dataset, GRAPH, missing_ends="set_aside")


def publish(sink, rows):
    load(sink, WHOLE, ORIGIN, rows)
    return sink.head(WHOLE).record


def refused(sink, *rows):
    with pytest.raises(BadRow) as caught:
        publish(sink, [*NODES, *rows])
    assert sink.head(WHOLE).version is None
    return caught.value


def test_nodes_and_relationships_are_counted_together(sink):
    assert publish(sink, [*NODES, ROUTE, ("BASE", ("UA", "EWR"))]).rows == 6


def test_plain_cypher_sees_the_head_and_only_the_head(sink, dataset, cypher):
    publish(sink, [*NODES, ROUTE])
    publish(sink, [*NODES, ("ROUTE", ("JFK", "EWR", 4, None))])
    assert cypher(ROUTES, dataset=dataset) == [("JFK", "EWR", 4)]


def test_relationships_may_repeat(sink, dataset, cypher):
    publish(sink, [*NODES, ROUTE, ROUTE])
    assert cypher(ROUTES, dataset=dataset) == [("JFK", "LAX", 3)] * 2


def test_relationships_of_one_type_are_told_apart_by_their_names(sink):
    given = [*NODES, ROUTE, ("SERVES", {"start": "UA", "end": "JFK"})]
    record = publish(sink, given)
    assert [row for kind, row in sink.read(record.version) if kind == "SERVES"] == [{"start": "UA", "end": "JFK"}]


def test_what_is_read_may_be_loaded_again(sink):
    first = publish(sink, [*NODES, ROUTE, ("BASE", ("UA", "EWR"))])
    second = publish(sink, sink.read(first.version))
    assert sorted(map(str, sink.read(first.version))) == sorted(map(str, sink.read(second.version)))
    assert second.rows == first.rows


def test_no_node_comes_after_a_relationship(sink):
    error = refused(sink, ROUTE, ("Airport", ("BQN", None)))
    assert error.row == 6
    assert "all nodes before all relationships" in str(error)


def test_a_missing_start_is_refused_by_row_and_end(sink):
    error = refused(sink, ROUTE, ("ROUTE", ("BQN", "JFK", 1, None)))
    assert (error.row, error.field) == (6, "start")
    assert "no Airport has the key 'BQN'" in str(error)


def test_missing_ends_are_shown_with_up_to_five_examples(sink):
    error = refused(sink, *(("ROUTE", ("JFK", f"no {i}", i, None)) for i in range(10)))
    assert (error.row, error.field) == (5, "end")
    assert "row 9, end: no Airport has the key 'no 4'" in str(error)
    assert "no 5" not in str(error)
    assert "missing_ends = 'set_aside'" in str(error)


def test_missing_ends_are_set_aside_where_the_task_says_so(lenient, dataset, cypher, caplog):
    stray = [("ROUTE", ("JFK", "BQN", 1, None)), ("ROUTE", ("PSE", "JFK", 1, None)), ("BASE", ("UA", "STT"))]
    with caplog.at_level(logging.WARNING, "luigi_sinks"):
        assert publish(lenient, [*NODES, ROUTE, *stray]).rows == 5
    assert cypher(ROUTES, dataset=dataset) == [("JFK", "LAX", 3)]
    assert "3 relationships set aside: row 6, end: no Airport has the key 'BQN'" in caplog.text
    assert lenient.head(WHOLE).record.set_aside == 3


def test_an_end_of_another_version_is_missing(sink):
    publish(sink, [*NODES, ("Airport", ("BQN", None))])
    with pytest.raises(BadRow, match="no Airport has the key 'BQN'"):
        publish(sink, [*NODES, ("ROUTE", ("BQN", "JFK", 1, None))])


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (("ROUTE", ("JFK", "LAX", "three", None)), "flights"),
        (("ROUTE", ("JFK", "LAX", 2**63, None)), "flights"),
        (("ROUTE", ("JFK", "LAX", 3, math.nan)), "delay"),
        (("ROUTE", (None, "LAX", 3, None)), "start"),
        (("ROUTE", {"start": "JFK", "flights": 3, "delay": None}), "end"),
        (("ROUTE", ("JFK", "LAX")), ""),
        (("ROUTES", ("JFK", "LAX", 3, None)), ""),
        ({"start": "JFK", "end": "LAX", "flights": 3}, ""),
        (None, ""),
    ],
)
def test_bad_rows_are_refused(sink, row, field):
    error = refused(sink, ROUTE, row)
    assert (error.row, error.field) == (6, field)


def test_an_abandoned_version_leaves_nothing(sink, dataset, cypher):
    refused(sink, ROUTE, ("ROUTE", ("BQN", "JFK", 1, None)))
    (version,) = sink.records()
    assert cypher("MATCH (n {_version: $id}) RETURN count(n)", id=version.version.id) == [(0,)]
    assert cypher("MATCH (b:_SinkBatch {version: $id}) RETURN count(b)", id=version.version.id) == [(0,)]


def test_a_dropped_version_leaves_its_record_only(sink, cypher):
    first = publish(sink, [*NODES, ROUTE])
    publish(sink, [*NODES, ROUTE])
    versions.prune(sink, first.version, min_age=timedelta(0))
    assert cypher("MATCH (n {_version: $id}) RETURN count(n)", id=first.version.id) == [(0,)]
    assert sink.count(first.version) == 0
    with pytest.raises(Conflict, match="is dropped; it has no rows to read"):
        list(sink.read(first.version))


def test_nothing_but_the_record_remembers_a_published_version_s_batches(sink, cypher):
    record = publish(sink, [*NODES, ROUTE])
    assert cypher("MATCH (b:_SinkBatch {version: $id}) RETURN count(b)", id=record.version.id) == [(0,)]


def test_many_relationships_arrive_in_several_parts(sink, dataset, cypher):
    nodes = [("Airport", (f"A{i}", i / 7)) for i in range(3_000)]
    routes = (("ROUTE", (f"A{i % 3_000}", f"A{i * 7 % 3_000}", i, i / 3)) for i in range(30_000))
    assert publish(sink, [*nodes, *routes]).rows == 33_000
    total = """
    MATCH (h:_SinkHead {dataset: $dataset}) MATCH (a:Airport__v {_version: h.version})-[r:ROUTE__v]->()
    RETURN sum(r.flights)"""
    assert cypher(total, dataset=dataset) == [(sum(range(30_000)),)]
