"""A timestamp of Spark is an instant, and is kept so or refused."""

from datetime import UTC, datetime
from typing import Annotated

import pyarrow as pa
import pytest
from msgspec import Meta
from sqlalchemy import Column, DateTime, Integer

from luigi_sinks import BadSetting
from luigi_sinks.contract import Field, TupleShape
from luigi_sinks.elasticsearch import ElasticsearchTarget
from luigi_sinks.mariadb import MariaDBTarget
from luigi_sinks.neo4j import Neo4jTarget, Node
from luigi_sinks.spark import times

NEW_YORK = pa.timestamp("us", "America/New_York")


def table(**info):
    columns = [Column("id", Integer), Column("at", DateTime, info=info)]
    return MariaDBTarget("flights", columns=columns, update_id="first")


def kept(target, kind=""):
    return times.without_zone("flights", ["at"], target.contract.shapes[kind], target.utc_columns)


def test_a_column_that_says_utc_keeps_it_without_the_zone():
    assert kept(table(time_zone="UTC")) == ["at"]


def test_a_column_that_does_not_say_by_which_clock_refuses_it_with_the_ways_out():
    with pytest.raises(BadSetting, match=r"info={'time_zone': 'UTC'}\).*tz=True.*cast\('timestamp_ntz'\)"):
        kept(table())


@pytest.mark.parametrize(("zoned", "is_kept"), [(True, True), (False, False)])
def test_a_property_of_a_node_keeps_it_if_it_has_a_zone(zoned, is_kept):
    at = Annotated[datetime, Meta(tz=True)] if zoned else datetime
    target = Neo4jTarget("flights", nodes=[Node("Flight", "id", {"id": int, "at": at | None})], update_id="first")
    if is_kept:
        assert kept(target, "Flight") == []
    else:
        with pytest.raises(BadSetting, match="'at' of the frame is a timestamp of Spark"):
            kept(target, "Flight")


def test_a_date_of_an_index_keeps_it():
    assert kept(ElasticsearchTarget("flights", mapping={"at": {"type": "date"}}, update_id="first")) == []


def test_a_column_that_keeps_no_times_leaves_the_refusal_to_the_contract():
    assert times.without_zone("flights", ["at"], TupleShape((Field("at", str),)), ()) == []


@pytest.mark.parametrize("info", [{"time_zone": "Europe/Berlin"}, {"time_zone": None}])
def test_no_other_zone_than_utc_can_be_said(info):
    with pytest.raises(BadSetting, match=r"column 'at': time_zone = .* can only be 'UTC', of a DateTime column"):
        table(**info)


def test_no_other_column_than_one_of_times_can_say_utc():
    with pytest.raises(BadSetting, match="column 'id': time_zone = 'UTC' can only be"):
        MariaDBTarget("flights", columns=[Column("id", Integer, info={"time_zone": "UTC"})], update_id="first")


@pytest.mark.parametrize(("naive", "zone"), [((), UTC), (("at",), None)])
def test_instants_are_sent_in_utc_also_those_of_an_hour_that_a_clock_shows_twice(naive, zone):
    instants = [datetime(2013, 11, 3, 5, 30, tzinfo=UTC), datetime(2013, 11, 3, 6, 30, tzinfo=UTC), None]
    batch = pa.RecordBatch.from_pydict({"id": [1, 2, 3], "at": pa.array(instants, NEW_YORK)})
    sent = times.in_utc(batch, ["at"], naive).to_pydict()
    assert sent["at"] == [instants[0].replace(tzinfo=zone), instants[1].replace(tzinfo=zone), None]
    assert list(sent) == ["id", "at"]
