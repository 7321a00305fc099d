"""Rows that only the server can refuse are named, and readers keep what they have."""

import secrets
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import pytest
from msgspec import Meta

from luigi_sinks import BadRow, load
from luigi_sinks.neo4j import Graph, Neo4jSink, Node, Relationship
from luigi_sinks.testing.suite import ORIGIN, WHOLE


@pytest.fixture
def label():
    return f"Refused{secrets.token_hex(4)}"


@pytest.fixture
def sink(settings, dataset, label):
    node = Node(label, key="id", properties={"id": int, "note": str, "n": int})
    next_one = Relationship(f"NEXT_{label}", label, label, properties={"why": str})
    return Neo4jSink(settings, dataset, Graph([node], [next_one]))


def nodes(label, count, **changes):
    return [(label, {"id": i, "note": "short", "n": i, **(changes if i == 37 else {})}) for i in range(count)]


def test_a_row_that_breaks_a_constraint_of_somebody_else_is_named(sink, label, cypher):
    load(sink, WHOLE, ORIGIN, nodes(label, 3))
    first = sink.head(WHOLE)
    cypher(f"CREATE CONSTRAINT FOR (n:{label}__v) REQUIRE n.n IS UNIQUE")
    with pytest.raises(BadRow, match=r"row 38, field 'n': was refused by Neo4j: .*; correct the value, or drop that"):
        load(sink, WHOLE, ORIGIN, [(label, (i, "short", i + 100 if i != 37 else 1)) for i in range(60)])
    assert sink.head(WHOLE) == first


def test_a_value_that_is_too_large_for_an_index_of_somebody_else_is_named(sink, label, cypher):
    load(sink, WHOLE, ORIGIN, nodes(label, 3))
    cypher(f"CREATE INDEX FOR (n:{label}__v) ON (n.note)")
    cypher(f"CREATE INDEX FOR ()-[r:NEXT_{label}__v]-() ON (r.why)")
    indexes = "SHOW INDEXES YIELD state, labelsOrTypes AS labels"
    while cypher(f"{indexes} WHERE labels[0] ENDS WITH '{label}__v' AND state <> 'ONLINE' RETURN state"):
        time.sleep(0.05)
    with pytest.raises(
        BadRow, match=r"row 38, field 'note': was refused by Neo4j: Property value is too large to index"
    ):
        load(sink, WHOLE, ORIGIN, nodes(label, 60, note="x" * 50_000))
    relationships = [(f"NEXT_{label}", (0, 1, why)) for why in ("short", "x" * 50_000, "short")]
    with pytest.raises(BadRow, match=r"row 5, field 'why': was refused by Neo4j: Property value is too large to index"):
        load(sink, WHOLE, ORIGIN, [*nodes(label, 3), *relationships])
    load(sink, WHOLE, ORIGIN, nodes(label, 60))
    assert sink.head(WHOLE).record.rows == 60


def test_one_instant_is_one_key(settings, dataset, label):
    kind = Annotated[datetime, Meta(tz=True)]
    graph = Graph([Node(label, key="at", properties={"at": kind})], [Relationship(f"NEXT_{label}", label, label)])
    sink = Neo4jSink(settings, dataset, graph)
    noon, same = datetime(2013, 1, 31, 12, tzinfo=UTC), datetime(2013, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    load(sink, WHOLE, ORIGIN, [(label, (noon,)), (f"NEXT_{label}", (noon, noon))])
    with pytest.raises(BadRow, match=r"row 2, field 'at': .* a key is in UTC"):
        load(sink, WHOLE, ORIGIN, [(label, (noon,)), (label, (same,))])
    with pytest.raises(BadRow, match=r"row 2, field 'end': .* a key is in UTC"):
        load(sink, WHOLE, ORIGIN, [(label, (noon,)), (f"NEXT_{label}", (noon, same))])
    assert sink.head(WHOLE).record.rows == 2
