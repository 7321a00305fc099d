"""What readers see: whole versions, by the indexes, with the values that were given."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import partial
from typing import Annotated

import pytest
from msgspec import Meta

from luigi_sinks import BadRow, load
from luigi_sinks.neo4j import Graph, Neo4jCatalog, Neo4jSink, Node, Relationship, cypher, read_query
from luigi_sinks.testing.suite import ORIGIN, WHOLE

ZONED = Annotated[datetime, Meta(tz=True)]
PROPERTIES = {
    "id": str,
    "day": date,
    "at": datetime,
    "zoned": ZONED | None,
    "clock": time,
    "zoned_clock": Annotated[time, Meta(tz=True)],
    "flag": bool,
    "raw": bytes,
    "whole": int,
    "ratio": float | None,
    "names": list[str],
    "days": list[date] | None,
    "moments": list[ZONED],
    "ratios": Annotated[list[float], Meta(max_length=3)],
}
PARIS = timezone(timedelta(hours=1, minutes=30))
FULL = {
    "id": "a`b'c",
    "day": date(1, 1, 1),
    "at": datetime(2013, 1, 1, 5, 0, 0, 123),
    "zoned": datetime(2013, 1, 1, 5, 0, 0, 123_456, PARIS),
    "clock": time(23, 59, 59, 999_999),
    "zoned_clock": time(1, 2, tzinfo=UTC),
    "flag": True,
    "raw": b"\x00\xff",
    "whole": -(2**63),
    "ratio": 1e-300,
    "names": ["", "Zürich"],
    "days": [date(2024, 2, 29), date(9999, 12, 31)],
    "moments": [datetime(2013, 1, 1, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=PARIS)],
    "ratios": [0.1, -0.0],
}
SPARSE = {**FULL, "id": "", "zoned": None, "ratio": None, "names": [], "days": None, "moments": [], "ratios": []}
TYPED = Graph(
    [Node("Typed", key="id", properties=PROPERTIES), Node("Day", key="day", properties={"day": date})],
    [Relationship("ON", start="Typed", end="Day", properties={"since": ZONED, "raw": bytes | None})],
)
ITEMS = Graph([Node("Item", key="id", properties={"id": int, "load": int})])
WHAT_IS_THERE = """
MATCH (h:_SinkHead {dataset: $dataset}) MATCH (n:Item__v {_version: h.version})
RETURN count(n), min(n.load), max(n.load)"""


def steps(plan):
    """Return the steps of a query plan, as text."""
    inner = [step for child in plan.get("children", []) for step in steps(child)]
    return [f"{plan['operatorType']} {plan['args'].get('Details', '')}", *inner]


@pytest.fixture
def plan(driver):
    def explained(query, **parameters):
        return steps(driver.execute_query(f"EXPLAIN {query}", parameters).summary.plan)

    return explained


def test_every_type_comes_back_as_it_was_given(settings, dataset):
    sink = Neo4jSink(settings, dataset, TYPED)
    given = [
        ("Typed", FULL),
        ("Typed", SPARSE),
        ("Day", {"day": date(2013, 1, 1)}),
        ("ON", {"start": FULL["id"], "end": date(2013, 1, 1), "since": FULL["zoned"], "raw": None}),
    ]
    load(sink, WHOLE, ORIGIN, given)
    assert sorted(map(repr, sink.read(sink.head(WHOLE).version))) == sorted(map(repr, given))


def test_rows_of_which_no_record_keeps_the_graph_are_read_by_what_the_server_knows(settings, dataset):
    """So it is for what release 0.1 loaded."""
    sink = Neo4jSink(settings, dataset, TYPED)
    given = [("Typed", FULL), ("Typed", SPARSE), ("Day", {"day": date(2013, 1, 1)})]
    given += [("ON", {"start": FULL["id"], "end": date(2013, 1, 1), "since": FULL["zoned"], "raw": b"\x01"})]
    load(sink, WHOLE, ORIGIN, given)
    version = sink.head(WHOLE).version
    sink.change(version, lambda record, _: replace(record, schema={}))
    catalog = Neo4jCatalog(settings, dataset)
    assert sorted(repr(_sorted(row)) for row in catalog.read(version)) == sorted(repr(_sorted(row)) for row in given)
    assert catalog.count(version) == 4


def _sorted(row):
    return row[0], sorted(row[1].items())


def test_values_are_stored_as_neo4j_s_own_types(settings, dataset, cypher):
    load(Neo4jSink(settings, dataset, TYPED), WHOLE, ORIGIN, [("Typed", FULL)])
    names = ("day", "at", "zoned", "clock", "zoned_clock", "days")
    types = ", ".join(f"valueType(n.{name})" for name in names)
    query = f"MATCH (h:_SinkHead {{dataset: $dataset}}) MATCH (n:Typed__v {{_version: h.version}}) RETURN {types}"
    (found,) = cypher(query, dataset=dataset)
    assert [kind.replace(" NOT NULL", "") for kind in found] == [
        "DATE",
        "LOCAL DATETIME",
        "ZONED DATETIME",
        "LOCAL TIME",
        "ZONED TIME",
        "LIST<DATE>",
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "x" * 2_001),
        ("at", datetime(2013, 1, 1, tzinfo=UTC)),
        ("zoned", datetime(2013, 1, 1)),
        ("zoned", datetime(1900, 1, 1, tzinfo=timezone(timedelta(seconds=561)))),
        ("whole", 2**63),
        ("flag", 1),
        ("names", ["a", None]),
        ("ratios", [1.0, 2.0, float("inf")]),
        ("ratios", [1.0] * 4),
    ],
)
def test_a_value_that_would_not_come_back_is_refused(settings, dataset, field, value):
    with pytest.raises(BadRow) as caught:
        load(Neo4jSink(settings, dataset, TYPED), WHOLE, ORIGIN, [("Typed", FULL), ("Typed", {**SPARSE, field: value})])
    assert (caught.value.row, caught.value.field) == (2, field)


def test_the_longest_key_there_may_be_fits_the_index(settings, dataset):
    sink = Neo4jSink(settings, dataset, TYPED)
    load(sink, WHOLE, ORIGIN, [("Typed", {**FULL, "id": "🛫" * 2_000})])
    assert sink.head(WHOLE).record.rows == 1


def test_a_reader_that_polls_during_thirty_publications_sees_whole_versions_only(settings, dataset, cypher):
    sink = Neo4jSink(settings, dataset, ITEMS)
    seen, done = [], threading.Event()

    def poll():
        while not done.is_set():
            seen.extend(cypher(WHAT_IS_THERE, dataset=dataset))

    def publish(number):
        load(sink, WHOLE, ORIGIN, [("Item", (i, number)) for i in range(100 + number)])

    publish(0)
    with ThreadPoolExecutor(1) as readers:
        reading = readers.submit(poll)
        try:
            for number in range(1, 31):
                publish(number)
        finally:
            done.set()
        reading.result()
    assert {count - lowest for count, lowest, _ in seen} == {100}
    assert all(lowest == highest for _, lowest, highest in seen)
    assert len({lowest for _, lowest, _ in seen}) > 5


TWO_HOPS = "(a:Item__v {_version: version})-[:NEXT__v]->(b)-[:NEXT__v]->(c:Item__v {_version: version})"
SHAPES = {
    "two matches": "MATCH (a:Item__v {_version: version}) WITH version, max(a.load) AS first "
    "MATCH (b:Item__v {_version: version}) WITH first, collect(b.load) AS second RETURN [first] + second AS loads",
    "optional match": "MATCH (a:Item__v {_version: version, id: 0}) "
    "OPTIONAL MATCH (b:Item__v {_version: version, id: 1}) RETURN [a.load, b.load] AS loads",
    "subquery": "CALL (version) { MATCH (a:Item__v {_version: version}) RETURN collect(a.load) AS first } "
    "MATCH (b:Item__v {_version: version}) WITH first, collect(b.load) AS second RETURN first + second AS loads",
    "existential": "MATCH (a:Item__v {_version: version}) "
    "WHERE EXISTS { MATCH (b:Item__v {_version: version}) WHERE b.load <> a.load } OR a.id < 3 "
    "RETURN collect(a.load) AS loads",
    "aggregation": "MATCH (a:Item__v {_version: version}) RETURN [min(a.load), max(a.load)] AS loads",
    "traversal": f"MATCH {TWO_HOPS} RETURN collect(a.load) + collect(b.load) + collect(c.load) AS loads",
    "union": "CALL (version) { MATCH (a:Item__v {_version: version}) RETURN a.load AS load UNION ALL "
    "MATCH (b:Item__v {_version: version}) RETURN b.load AS load } RETURN collect(load) AS loads",
}
CHAIN = Graph(ITEMS.nodes, [Relationship("NEXT", "Item", "Item")])


def chain(number):
    nodes = [("Item", (i, number)) for i in range(20)]
    return nodes + [("NEXT", (i, i + 1)) for i in range(19)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_ready_query_sees_one_version_in_each_shape_while_others_are_published(settings, dataset, cypher, shape):
    sink = Neo4jSink(settings, dataset, CHAIN)
    for number in range(2):
        load(sink, WHOLE, ORIGIN, chain(number))
    versions, done, seen = [record.version for record in sink.records()], threading.Event(), []
    query = read_query(dataset, SHAPES[shape])

    def poll():
        while not done.is_set() or len(seen) < 50:
            seen.append(cypher(query)[0][0])

    with ThreadPoolExecutor(2) as readers:
        reading = [readers.submit(poll) for _ in range(2)]
        try:
            for turn in range(20):
                sink.publish(versions[turn % 2], replacing=sink.head(WHOLE))
        finally:
            done.set()
        for each in reading:
            each.result()
    assert {frozenset(loads) for loads in seen} <= {frozenset({0}), frozenset({1})}


def test_a_publication_between_two_matches_of_a_query_is_seen_by_neither(settings, dataset, cypher, driver):
    """The query waits for a lock between the two. One that asks the head in each place would mix."""
    sink = Neo4jSink(settings, dataset, CHAIN)
    for number in range(2):
        load(sink, WHOLE, ORIGIN, chain(number))
    old, new = (record.version for record in sink.records())
    cypher("CREATE (:_TestGate {of: $of})", of=dataset)
    gate = f"MATCH (g:_TestGate {{of: '{dataset}'}}) SET g.open = true"

    def rest(kept, asked):
        first, second = (f"MATCH ({name}:Item__v {{_version: {asked}}})" for name in "ab")
        return f"{first} WITH {kept}, max(a.load) AS one {gate} WITH {kept}, one {second} RETURN one, max(b.load)"

    ready = read_query(dataset, rest("version", "version"))
    naive = f"MATCH (h:_SinkHead {{dataset: '{dataset}'}}) {rest('h', 'h.version')}"
    for query, seen in ((ready, (1, 1)), (naive, (1, 0))):
        sink.publish(new, replacing=sink.head(WHOLE))
        back = partial(sink.publish, old, replacing=sink.head(WHOLE))
        assert _read_meanwhile(driver, cypher, gate, query, back) == seen


def _read_meanwhile(driver, cypher, gate, query, publish):
    """Publish while the query waits at the gate; return its row."""
    status = "SHOW TRANSACTIONS YIELD status, currentQuery WHERE currentQuery = $text RETURN status"
    with ThreadPoolExecutor(1) as reader, driver.session() as session, session.begin_transaction() as closed:
        closed.run(gate).consume()
        reading = reader.submit(cypher, query)
        while not any(found.startswith("Blocked") for (found,) in cypher(status, text=query)):
            assert not reading.done()
        publish()
        closed.commit()
        return reading.result()[0]


def test_a_ready_query_reads_one_partition_or_all(settings, dataset, cypher):
    sink = Neo4jSink(settings, dataset, ITEMS)
    for partition in ("p1", "p2"):
        load(sink, partition, ORIGIN, [("Item", (1, 0))])
    body = "MATCH (a:Item__v {_version: version}) RETURN partition, count(a) ORDER BY partition"
    assert cypher(read_query(dataset, body)) == [("p1", 1), ("p2", 1)]
    assert cypher(read_query(dataset, body, partition="p2")) == [("p2", 1)]
    assert cypher(read_query(dataset, body, partition="none")) == []


@pytest.mark.parametrize("name", ["it's", r"a\u0027b", r"a\\", r"\'", r"\u005cu0027", "x' OR 1=1 //", "`", "${x}"])
def test_a_ready_query_takes_any_name_for_the_name_it_is(settings, dataset, cypher, name):
    sink = Neo4jSink(settings, f"{dataset}{name}", ITEMS)
    load(sink, WHOLE, ORIGIN, [("Item", (1, 0))])
    assert cypher(read_query(sink.dataset, "MATCH (a:Item__v {_version: version}) RETURN count(a)")) == [(1,)]


def test_readers_find_a_version_and_a_key_by_index(settings, dataset, driver, plan):
    load(Neo4jSink(settings, dataset, ITEMS), WHOLE, ORIGIN, [("Item", (i, 0)) for i in range(100)])
    # The planner estimates by samples that the server takes now and then; by an old one it may take either index.
    driver.execute_query("CALL db.prepareForReplanning()")
    head = "MATCH (h:_SinkHead {dataset: $dataset, partition: '_all'})"
    whole = plan(f"{head} MATCH (n:Item__v {{_version: h.version}}) RETURN n", dataset=dataset)
    ready = plan(read_query(dataset, "MATCH (n:Item__v {_version: version}) RETURN n", partition="_all"))
    one = plan(f"{head} MATCH (n:Item__v {{_version: h.version, id: 7}}) RETURN n", dataset=dataset)
    assert any(step.startswith("NodeIndexSeek@neo4j RANGE INDEX n:Item__v(_version)") for step in whole)
    assert any(step.startswith("NodeUniqueIndexSeek@neo4j UNIQUE n:Item__v(_version, id)") for step in one)
    assert any("RANGE INDEX n:Item__v(_version)" in step for step in ready)
    assert any(step.startswith("NodeUniqueIndexSeek@neo4j UNIQUE h:_SinkHead(dataset, partition)") for step in one)


def test_the_ends_of_a_relationship_are_found_by_the_unique_index_even_of_a_label_never_filled(settings, dataset, plan):
    sink = Neo4jSink(settings, dataset, TYPED)
    load(sink, WHOLE, ORIGIN, [("Typed", FULL)])
    query = cypher.create(sink.graph.kinds["ON"])
    rows = [["a", "2013-01-01", "2013-01-01T00:00:00Z", None]]
    seeks = [step for step in plan(query, version="none", rows=rows) if step.startswith("NodeUniqueIndexSeek")]
    assert len(seeks) == 2


def test_a_dropped_head_node_is_all_that_readers_miss(settings, dataset, cypher):
    """The pointer is the authority: without it a dataset has no head."""
    sink = Neo4jSink(settings, dataset, ITEMS)
    load(sink, WHOLE, ORIGIN, [("Item", (1, 0))])
    cypher("MATCH (h:_SinkHead {dataset: $dataset}) DELETE h", dataset=dataset)
    assert sink.head(WHOLE).record is None
    load(sink, WHOLE, ORIGIN, [("Item", (1, 1))])
    assert cypher(WHAT_IS_THERE, dataset=dataset) == [(1, 1, 1)]
