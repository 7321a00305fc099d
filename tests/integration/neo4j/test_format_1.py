"""A registry that release 0.1 wrote: read as it is, upgraded by the next load, nothing lost.

`data/format_1.cypher` was made by that release's own code, crashes included; only the host
in its leases was given another name. Each test loads it under names of its own.
"""

import re
import secrets
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from luigi_sinks import Conflict, Forbidden, Origin, SinkError, load, versions
from luigi_sinks.neo4j import Graph, Neo4jCatalog, Neo4jSink, Node, connection, creation, registry
from luigi_sinks.neo4j.catalog import datasets
from luigi_sinks.testing.suite import WHOLE

DATA = Path(__file__).parent / "data" / "format_1.cypher"
ORIGIN = Origin("Flights_9", family="Flights")
STATES = ["dropped", "retired", "failed", "retired", "published"]
DEAD = ["staged", "sealed", "validated", "abandoned", "abandoned"]
"""What was at work when its process ended; the last one is left for a pruner."""

MOMENTS = {"seen": datetime(2026, 1, 2, 2, 4, 5, 6, UTC), "at": datetime(2026, 1, 2, 3, 4, 5, 678_900)}


def _tag():
    return "".join(secrets.choice("abcdefghij") for _ in range(6))


LABELS = f"Legacy{_tag()}"
"""Begins the labels of all these tests: it takes the server seconds to make a constraint."""


class Old:
    """The two datasets of the file, under names that no other test has."""

    def __init__(self, settings, cypher):
        tag = _tag()
        text = re.sub(r"(v\d{8}t\d{6}_[a-z2-7]{6})", rf"\1{tag}", DATA.read_text())
        text = text.replace("Legacy", LABELS).replace("legacy_", f"legacy{tag}_")
        for statement in text.partition("\n")[2].split(";\n"):
            if statement:
                cypher(statement)
        self.airport, self.carrier, self.day = (f"{LABELS}{name}" for name in ("Airport", "Carrier", "Day"))
        self.flights = Neo4jCatalog(settings, f"legacy{tag}_flights")
        self.months = Neo4jCatalog(settings, f"legacy{tag}_months")
        node = Node(self.airport, key="faa", properties={"faa": str, "elevation": int})
        self.sink = Neo4jSink(settings, self.flights.dataset, Graph([node]))
        self.rows = [(self.airport, ("SJU", 3))]

    def airports(self, runways, *names):
        """Return rows as the release was given them; JFK comes first, and has what others lack."""
        hub = {"names": [names[0], 'it\'s \\ "x"'], "hub": True, "lat": 40.5 + runways, "opened": None}
        other = {"names": [], "hub": False, "lat": None, "opened": date(1948, 7, 1)}
        common = {"runways": runways, **MOMENTS}
        yield from ((self.airport, {"faa": faa, **(other if i else hub), **common}) for i, faa in enumerate(names))
        yield self.carrier, {"code": "UA"}
        yield "ROUTE", {"start": "JFK", "end": "LAX", "flights": runways, "days": [date(2026, 1, runways)]}
        yield "BASE", {"start": "UA", "end": "JFK"}

    def version(self, number):
        return list(self.flights.records())[number - 1].version


@pytest.fixture
def old(settings, cypher):
    return Old(settings, cypher)


def by_kind(rows):
    return sorted(((kind, sorted(row.items())) for kind, row in rows), key=str)


def states(catalog):
    return [record.state.value for record in catalog.records()]


def test_heads_and_history_are_read_before_any_upgrade(old, settings):
    assert {old.flights.dataset, old.months.dataset} <= set(datasets(settings))
    assert states(old.flights) == STATES + DEAD
    assert [record.is_left for record in old.flights.records()] == [False] * 9 + [True]
    assert {partition: head.epoch for partition, head in old.months.heads().items()} == {"201301": 2, "201302": 1}
    assert states(old.months) == ["retired", "published", "published"]
    head = old.flights.head(WHOLE)
    assert (head.version, head.epoch, head.record.rows) == (old.version(5), 4, 6)
    record = old.flights.record(head.version)
    assert record == head.record
    assert record.origin == Origin(
        "Flights_3",
        family="Flights",
        owner="flight_ops",
        period="2026-01-02",
        params={"day": "2026-01-02", "it's": '"x"'},
    )
    assert (record.is_complete, record.publications[0].epoch, record.claim.host) == (True, 0, "loader-1")
    assert record.staged_at < record.published_at
    assert [record.is_complete for record in old.flights.records()] == [True, True, False, True, True] + [False] * 5
    assert [r.version for r in old.flights.records(update_ids={"Flights_2"})] == [old.version(4)]


def test_rows_are_read_before_any_upgrade_by_what_the_server_knows(old):
    retired, head = old.version(2), old.flights.head(WHOLE).version
    given = by_kind(old.airports(3, "JFK", "LAX", "EWR"))
    assert by_kind(old.flights.read(retired)) == by_kind(old.flights.read(head)) == given
    assert (old.flights.count(retired), old.flights.count(old.version(1))) == (6, 0)
    january = old.months.head("201301").version
    assert by_kind(old.months.read(january)) == by_kind(
        (old.day, {"day": date(2013, 1, 2 + i), "flights": i}) for i in range(2)
    )
    with pytest.raises(Conflict, match="is dropped; it has no rows to read"):
        list(old.flights.read(old.version(1)))


def test_a_load_upgrades_the_registry_and_loses_nothing(old, cypher):
    before = list(old.flights.records())
    load(old.sink, WHOLE, ORIGIN, old.rows)
    *after, new = old.flights.records()
    assert states(old.flights) == [*STATES[:4], "retired", *["failed"] * 5, "published"]
    assert (new.seq, new.publications[0].epoch, new.schema) == (11, 5, old.sink.declared)
    kept = [replace(record, retired_at=None) for record in after[:5]]
    assert kept == [*before[:4], replace(before[4], state=kept[4].state)]
    assert [record.version for record in after] == [record.version for record in before]
    formats = "MATCH (d:_SinkDataset {dataset: $dataset}) RETURN d.format, d.seq"
    assert cypher(formats, dataset=old.flights.dataset) == [(2, 11)]
    assert cypher(formats, dataset=old.months.dataset) == [(None, 3)]
    keys = "MATCH (v:_SinkVersion {dataset: $dataset}) UNWIND keys(v) AS key RETURN collect(DISTINCT key)"
    ((found,),) = cypher(keys, dataset=old.flights.dataset)
    assert sorted(found) == ["dataset", "id", "labels", "partition", "record", "seq", "state", "update_id"]
    given = by_kind(old.airports(3, "JFK", "LAX", "EWR"))
    assert by_kind(old.flights.read(before[4].version)) == given


def test_of_two_that_a_crash_left_published_one_is(old, cypher):
    raw = "MATCH (v:_SinkVersion {dataset: $dataset, state: 'published'}) RETURN count(v)"
    assert cypher(raw, dataset=old.flights.dataset) == [(2,)]
    assert states(old.flights).count("published") == 1
    old.sink.create()
    assert cypher(raw, dataset=old.flights.dataset) == [(1,)]
    assert states(old.flights) == STATES + DEAD


@pytest.mark.parametrize("upgraded", [False, True])
def test_an_old_version_can_be_published_again_and_pruned(old, upgraded):
    if upgraded:
        load(old.sink, WHOLE, ORIGIN, old.rows)
    record = versions.roll_back(old.flights, old.version(2), why="the later ones are wrong")
    assert [(p.epoch, p.why) for p in record.publications] == [(0, ""), (5 + upgraded, "the later ones are wrong")]
    assert old.flights.head(WHOLE).record == record
    assert states(old.flights).count("published") == 1
    assert by_kind(old.flights.read(record.version)) == by_kind(old.airports(3, "JFK", "LAX", "EWR"))
    versions.prune(old.flights, old.version(4), min_age=timedelta(0))
    versions.prune(old.flights, old.version(10), min_age=timedelta(0))
    assert [old.flights.count(old.version(number)) for number in (4, 10)] == [0, 0]


def test_partitions_stay_apart(old, settings):
    january, february = (old.months.head(partition) for partition in ("201301", "201302"))
    days = Graph([Node(old.day, key="day", properties={"day": date, "flights": int})])
    sink = Neo4jSink(settings, old.months.dataset, days)
    origin = Origin("Month_201301", family="Month", partition_by=("month",))
    load(sink, "201301", origin, [(old.day, (date(2013, 1, 7), 7))])
    assert old.months.head("201302") == february
    assert old.months.record(january.version).state == "retired"
    assert len(list(old.months.read(february.version))) == 3


def test_a_login_that_may_not_upgrade_says_that_the_owner_may(old, monkeypatch):
    def refuse(*args):
        raise Forbidden("no SET PROPERTY")

    with monkeypatch.context() as loader:
        loader.setattr(creation, "upgrade", refuse)
        with pytest.raises(Forbidden, match=r"is not ready for 'legacy.*run `luigi-sinks create` as the owner.*no SET"):
            load(old.sink, WHOLE, ORIGIN, old.rows)
    assert states(old.flights)[:5] == STATES
    old.sink.create()
    load(old.sink, WHOLE, ORIGIN, old.rows)


def test_a_registry_of_a_newer_format_is_refused(old, cypher):
    cypher("MATCH (d:_SinkDataset {dataset: $dataset}) SET d.format = 3", dataset=old.flights.dataset)
    before = list(old.flights.records())
    for change in (
        lambda: load(old.sink, WHOLE, ORIGIN, old.rows),
        lambda: versions.roll_back(old.flights, old.version(2)),
        lambda: versions.prune(old.flights, old.version(4), min_age=timedelta(0)),
    ):
        with pytest.raises(SinkError, match="has format 3, and this luigi_sinks knows formats up to 2; install"):
            change()
    assert list(old.flights.records()) == before


def test_an_upgrade_that_is_repeated_changes_nothing(old):
    for _ in range(2):
        registry.upgrade(connection.alone(old.sink.settings), old.flights.dataset)
    assert states(old.flights) == STATES + DEAD
