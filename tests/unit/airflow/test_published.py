"""Airflow is told which version a load ended with."""

from types import SimpleNamespace

import pytest

from luigi_sinks import load, sqlite
from luigi_sinks.airflow import published
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.record import Origin


@pytest.fixture
def told(monkeypatch):
    """Return what Airflow's collector of lineage is told."""
    found = []
    collector = SimpleNamespace(add_output_asset=lambda **about: found.append(about["asset_extra"]))
    monkeypatch.setattr(published, "_collector", lambda: collector)
    monkeypatch.setattr(published, "_place", object)
    return found


def facts_of(tmp_path, *loads):
    """Return the facts of loads, each given by its period."""
    sink = sqlite.SQLiteSink(tmp_path, "mariadb", "numbers", Contract("numbers", {"": TupleShape((Field("id", int),))}))
    events = []
    for period in loads:
        origin = Origin(f"load of {period}", family="flights.load", period=period)
        load(sink, "_all", origin, [(1,)], older="superseded", listeners=(events.append,))
    return [facts for facts in map(published.facts, events) if facts], sink


def test_a_load_ends_with_its_version_partition_and_rows(tmp_path):
    (facts,), sink = facts_of(tmp_path, "2013-01")
    assert facts == {
        "version": sink.head("_all").version.id,
        "partition": "_all",
        "rows": 1,
        "is_shown": True,
        "namespace": sink.location.namespace,
        "name": sink.location.name,
    }


def test_a_version_of_an_older_period_is_not_shown(tmp_path):
    (first, second), sink = facts_of(tmp_path, "2013-02", "2013-01")
    assert (first["is_shown"], second["is_shown"]) == (True, False)
    assert sink.head("_all").version.id == first["version"]


def context(outlets):
    return {
        "outlet_events": {asset: SimpleNamespace(extra={}) for asset in ("flights", "others")},
        "ti": SimpleNamespace(task=SimpleNamespace(outlets=outlets)),
    }


class Asset(str):
    __slots__ = ()
    uri = name = "luigi-sinks://mariadb/flights"


def test_an_asset_event_has_the_last_version_and_lists_all_of_them(told):
    asset, given = Asset("flights"), context(["flights"])
    for number in (1, 2):
        published.tell(given, asset, {"version": number})
    extra = given["outlet_events"]["flights"].extra
    assert extra == {"version": 2, "versions": [{"version": 1}, {"version": 2}]}
    assert told == [{"version": 1}, {"version": 2}]


def test_an_asset_that_is_no_outlet_is_warned_of(told, caplog):
    published.tell(context(["others"]), Asset("flights"), {"version": 1})
    assert "is not among the task's outlets" in caplog.text
