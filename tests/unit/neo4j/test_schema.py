"""What may be declared, and what is said of what may not."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import Meta

from luigi_sinks import BadRow, BadSetting, CheckFailed, load
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Neo4jTarget, Node, Relationship, read_query
from luigi_sinks.sqlite import SQLiteSink
from luigi_sinks.testing.suite import ORIGIN, WHOLE

AIRPORT = Node("Airport", key="faa", properties={"faa": str, "lat": float | None})
ZONED, ZONED_TIME = Annotated[datetime, Meta(tz=True)], Annotated[time, Meta(tz=True)]
ZURICH, TOO_FAR = ZoneInfo("Europe/Zurich"), timezone(timedelta(hours=18, minutes=1))
ROUTE = Relationship("ROUTE", start="Airport", end="Airport", properties={"flights": int})


def node(**properties: Any) -> Graph:
    return Graph([Node("Airport", key="faa", properties={"faa": str, **properties})])


def declared(name: str, kind: Any) -> Graph:
    return node(**{name: kind})


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Graph([]), "nodes must declare at least one"),
        (lambda: Graph([AIRPORT, AIRPORT]), "'Airport' is declared twice"),
        (lambda: Graph([AIRPORT], [ROUTE, ROUTE]), "'ROUTE' is declared twice"),
        (lambda: Graph([AIRPORT], [Relationship("Airport", "Airport", "Airport")]), "'Airport' is declared twice"),
        (
            lambda: Graph([AIRPORT], [ROUTE, Relationship("ROUTE", "Airport", "Airport", name="PATH")]),
            "'ROUTE Airport Airport' is declared twice",
        ),
        (lambda: Graph([AIRPORT], [Relationship("ROUTE", "Airprt", "Airport")]), "did you mean 'Airport'"),
        (lambda: Graph([AIRPORT], [Relationship("R", "Airport", "Airport", {"end": int})]), "names an end"),
        (lambda: Graph([Node("Airport", key="fa", properties={"faa": str})]), "'fa' is not a property; did you mean"),
        (lambda: Graph([Node("", key="faa", properties={"faa": str})]), "label '' is not a name"),
        (lambda: Graph([Node("A`", key="faa", properties={"faa": str})]), "backticks"),
        (lambda: Graph([Node("A__v", key="faa", properties={"faa": str})]), "'__v'"),
        (lambda: Graph([Node("_A", key="faa", properties={"faa": str})]), "does not start with _"),
        (lambda: Graph([Node("A" * 1_001, key="faa", properties={"faa": str})]), "1001 characters; use at most 1000"),
        (lambda: Graph([AIRPORT], [Relationship("R\n", "Airport", "Airport")]), "is not a name"),
        (lambda: declared("_version", str), "does not start with _"),
        (lambda: declared("x`y", str), "backticks"),
        (lambda: declared("x", dict), "property 'x' is dict; Neo4j keeps int, float"),
        (lambda: declared("x", int | str), "Neo4j keeps"),
        (lambda: declared("x", list), "Neo4j keeps"),
        (lambda: declared("x", list[list[int]]), "neither lists nor bytes nor None"),
        (lambda: declared("x", list[int | None]), "neither lists nor bytes nor None"),
        (lambda: declared("x", list[bytes]), "neither lists nor bytes nor None"),
        (lambda: declared("faa", str | None), "a key is int, str, date"),
        (lambda: declared("faa", float), "a key is int, str, date"),
        (lambda: declared("faa", list[str]), "a key is int, str, date"),
        (lambda: declared("faa", Annotated[str, Meta(max_length=3_000)]), "3000 characters; .* at most 2000"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(declare, said):
    with pytest.raises(BadSetting, match=said):
        declare()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (int, 2**63 - 1, 2**63),
        (Annotated[int, Meta(gt=0)], 2**63 - 1, 0),
        (Annotated[int, Meta(ge=1, le=3)], 3, 4),
        (Annotated[int | None, Meta(ge=1)], None, 0),
        (float, 1e308, float("nan")),
        (Annotated[float, Meta(lt=1.0)], -1e308, float("-inf")),
        (Annotated[str, Meta(max_length=2)], "ab", "abc"),
        (datetime, datetime(2013, 1, 1), date(2013, 1, 1)),
        (ZONED, datetime(2013, 1, 1, tzinfo=ZoneInfo("Europe/Zurich")), datetime(1890, 1, 1, tzinfo=ZURICH)),
        (ZONED, datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=-18))), datetime(2013, 1, 1, tzinfo=TOO_FAR)),
        (ZONED_TIME, time(1, tzinfo=UTC), time(1, tzinfo=ZURICH)),
        (list[ZONED_TIME], [time(1, tzinfo=UTC)], [time(1, tzinfo=UTC), time(1, tzinfo=ZURICH)]),
        (float, 2**53, 2**53 + 1),
        (list[float], [0, 2**53], [0, 2**53 + 1]),
        (float | None, Decimal("0.5"), Decimal("0.1")),
        (list[str], ["b", "a"], {"b", "a"}),
        (list[int], [3, 1], frozenset((3, 1))),
        (bool, True, 1),
        (bytes, b"x", "x"),
    ],
)
def test_types_are_bounded_to_what_neo4j_keeps(kind, good, bad):
    contract = declared("x", kind).contract("flights")
    assert contract.accept("Airport", [("JFK", good)], 1)[0] == [("JFK", good)]
    with pytest.raises(BadRow):
        contract.accept("Airport", [("JFK", bad)], 1)


@pytest.mark.parametrize(
    ("kind", "utc", "same_instant"),
    [
        (ZONED, datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, 1, tzinfo=ZURICH)),
        (ZONED, datetime(2013, 1, 1, tzinfo=UTC), "2012-12-31T19:00:00-05:00"),
        (ZONED_TIME, time(1, tzinfo=UTC), time(2, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
def test_a_key_with_a_zone_is_in_utc_so_that_one_instant_is_one_key(kind, utc, same_instant):
    contract = Graph([Node("At", key="at", properties={"at": kind})], [Relationship("NEXT", "At", "At")]).contract("x")
    assert contract.accept("At", [(utc,)], 1)[0] == [(utc,)]
    for row_kind, row, field in (("At", (same_instant,), "at"), ("NEXT", (utc, same_instant), "end")):
        with pytest.raises(BadRow, match=f"row 1, field '{field}': .* a key is in UTC, .*; convert it"):
            contract.accept(row_kind, [row], 1)


def test_a_graph_can_be_kept_in_memory_with_its_ends_checked(tmp_path):
    graph = Graph([AIRPORT], [ROUTE])
    rows = [("Airport", ("JFK", 1.0)), ("Airport", ("LAX", 1.0)), ("ROUTE", ("JFK", "LAX", 3))]
    sink = SQLiteSink(tmp_path, "neo4j", "flights", graph.contract("flights"))
    load(sink, WHOLE, ORIGIN, rows)
    with pytest.raises(CheckFailed, match="field 'end'"):
        load(sink, WHOLE, ORIGIN, [*rows, ("ROUTE", ("JFK", "BQN", 3))])
    lenient = SQLiteSink(tmp_path, "neo4j", "flights", graph.contract("flights", "set_aside"))
    load(lenient, WHOLE, ORIGIN, [*rows, ("ROUTE", ("JFK", "BQN", 3)), ("ROUTE", ("PSE", "JFK", 3))])
    assert lenient.head(WHOLE).record.rows == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"publish": "live"}, "'flights': publish = 'live' is not supported yet; set publish = 'pointer'"),
        ({"publish": "dark"}, "'flights': publish = 'dark' is unknown"),
        ({"missing_ends": "ignore"}, "'flights': missing_ends = 'ignore'; known are: refuse, set_aside"),
        ({"missing_ends": ["refuse"]}, "'flights': missing_ends"),
        ({"nodes": ()}, "'flights': nodes must declare"),
        ({"nodes": AIRPORT}, "'flights': nodes"),
        ({"relationships": (AIRPORT,)}, "'flights': relationships"),
    ],
)
def test_a_target_names_the_graph_and_the_setting_that_is_wrong(options, said):
    with pytest.raises(BadSetting, match=said):
        Neo4jTarget("flights", **{"nodes": (AIRPORT,), **options}, update_id="x")


@pytest.mark.parametrize("name", ["", " ", "a\nb", None, "x" * 1_001])
def test_a_graph_has_a_name(name):
    with pytest.raises(BadSetting, match="graph "):
        Neo4jTarget(name, nodes=(AIRPORT,), update_id="x")


def test_tls_can_be_left_out_on_this_machine_only():
    hosts = {"127.0.0.1": False, "localhost": False, "::1": False, "db.internal": True, "10.0.0.1": True}
    assert {host: Neo4jSettings(host, "c").is_encrypted for host in hosts} == hosts


def test_a_transaction_takes_at_least_one_row():
    with pytest.raises(ValueError, match="rows_per_transaction"):
        Neo4jSettings("127.0.0.1", "c", rows_per_transaction=0)


@pytest.mark.parametrize(
    "name", ["Person:Customer", "A|B", "A&B", "!A", "%", "KNOWS*1..3", "(a)", "a]->(b", "{x}", "<x"]
)
def test_a_label_or_type_that_would_be_several_in_a_query_is_refused(name):
    with pytest.raises(BadSetting, match=r"graph 'g': label .*stands between names in Cypher; declare one label"):
        Neo4jTarget("g", nodes=(Node(name, key="faa", properties={"faa": str}),), update_id="x")
    with pytest.raises(BadSetting, match=r"graph 'g': type .*stands between names in Cypher; declare one type"):
        Neo4jTarget("g", nodes=(AIRPORT,), relationships=(Relationship(name, "Airport", "Airport"),), update_id="x")


@pytest.mark.parametrize(("one", "other"), [("caf\u00e9", "cafe\u0301"), ("\ufb01x", "fix"), ("\u212b", "\u00c5")])
def test_names_that_look_the_same_are_refused(one, other):
    twins = {one: int, other: int}
    with pytest.raises(BadSetting, match=r"Airport: property .* look the same; rename one"):
        node(**twins).check()
    with pytest.raises(BadSetting, match=r"ROUTE: property .* look the same"):
        Graph([AIRPORT], [Relationship("ROUTE", "Airport", "Airport", twins)]).check()
    with pytest.raises(BadSetting, match=r"kind of row .* look the same"):
        Graph([Node(name, key="faa", properties={"faa": str}) for name in twins]).check()
    node(**{one: int}).check()


def test_a_name_with_a_space_around_it_is_refused():
    with pytest.raises(BadSetting, match="property ' x' begins or ends with a space"):
        node(**{" x": int}).check()


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\0", "\x1b", "\x85", "\u2028", "\u200b", "\u202e", "\ud800"])
def test_a_character_that_cannot_be_seen_is_refused_in_every_name(character):
    name = f"a{character}b"
    for declare in (
        lambda: Graph([Node(name, key="faa", properties={"faa": str})]),
        lambda: declared(name, int),
        lambda: Graph([AIRPORT], [Relationship(name, "Airport", "Airport")]),
        lambda: Graph([AIRPORT], [Relationship("R", "Airport", "Airport", {name: int})]),
        lambda: Graph([AIRPORT], [Relationship("R", "Airport", "Airport", name=name)]),
        lambda: Neo4jTarget(name, nodes=(AIRPORT,), update_id="x"),
        lambda: Neo4jSink(Neo4jSettings("db", "c"), name, Graph([AIRPORT])),
        lambda: read_query(name, "RETURN version"),
    ):
        with pytest.raises(BadSetting, match="is not a name") as caught:
            declare()
        assert character not in str(caught.value)


@pytest.mark.parametrize("name", ["_version", "_SinkHead", "_lock", "__v", "Airport__v", "x__version"])
def test_names_of_ours_are_refused(name):
    for declare in (
        lambda: Graph([Node(name, key="faa", properties={"faa": str})]),
        lambda: declared(name, int),
        lambda: Graph([AIRPORT], [Relationship(name, "Airport", "Airport")]),
    ):
        with pytest.raises(BadSetting, match="does not start with _"):
            declare()


def test_a_graph_that_an_older_release_loaded_is_read_whatever_its_names():
    kept = Graph([Node("Person:Customer", key="id", properties={"id": int, " x": int})])
    assert Graph.from_json(kept.to_json()).to_json() == kept.to_json()
