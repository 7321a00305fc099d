"""Data frames reach the server as CSV, by their columns, and come back as they were given."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql

from luigi_sinks import Origin, columnar, load
from luigi_sinks.errors import BadRow
from luigi_sinks.mariadb import MariaDBSink, parse_schema

ORIGIN = Origin("frames")
AWKWARD = st.sampled_from(
    [
        "null",
        "NULL",
        "\\N",
        "\\",
        '"',
        '""',
        '","',
        '"\n',
        "\n",
        "\r\n",
        "\t",
        "\f",
        "\x07",
        "\x1a",
        "a, b",
        "🛫",
        "",
        " ",
    ]
)
TEXTS = st.lists(AWKWARD, max_size=4).map("".join)
NOON = dt.datetime.fromisoformat("2013-01-31T12:00:00")
COLUMNS = {
    "whole": (sa.BigInteger(), st.integers(-(2**63), 2**63 - 1), pl.Int64),
    "positive": (mysql.BIGINT(unsigned=True), st.integers(0, 2**64 - 1), pl.UInt64),
    "real": (sa.Double(), st.floats(allow_nan=False, allow_infinity=False), pl.Float64),
    "truth": (sa.Boolean(), st.booleans(), pl.Boolean),
    "price": (sa.Numeric(20, 4), st.decimals("-1e15", "1e15", places=4), pl.Decimal(20, 4)),
    "name": (sa.String(40), TEXTS, pl.String),
    "note": (sa.Text(), TEXTS, pl.String),
    "size": (sa.Enum("S", "M", "null"), st.sampled_from(["S", "M", "null"]), pl.Enum(["S", "M", "null"])),
    "day": (sa.Date(), st.dates(), pl.Date),
    "at": (mysql.DATETIME(fsp=6), st.datetimes(), pl.Datetime("us")),
    "second": (sa.DateTime(), st.datetimes().map(lambda at: at.replace(microsecond=0)), pl.Datetime("ms")),
    "hour": (mysql.TIME(fsp=6), st.times(), pl.Time),
}
ROWS = st.lists(st.tuples(*(values | st.none() for _, values, _ in COLUMNS.values())), min_size=1, max_size=20)


@pytest.fixture
def sink(settings, table):
    """Return a sink with a column of each type that is looked at as a whole."""
    columns = [sa.Column(name, kind) for name, (kind, _, _) in COLUMNS.items()]
    schema = parse_schema(table, [sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), *columns])
    return MariaDBSink(settings, table, schema)


@pytest.fixture
def keyed(settings, table):
    """Return a sink whose rows have a key of text, which the server compares without its case."""
    return MariaDBSink(settings, table, parse_schema(table, [sa.Column("name", sa.String(20), primary_key=True)]))


def framed(rows):
    schema = {"id": pl.Int32, **{name: kind for name, (_, _, kind) in COLUMNS.items()}}
    return pl.DataFrame([(number, *row) for number, row in enumerate(rows)], schema=schema, orient="row")


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(ROWS)
def test_what_is_sent_by_columns_comes_back_as_it_was_given(sink, rows):
    frame = framed(rows)
    assert columnar.encoded(sink.contract, "", frame) is not None
    load(sink, "_all", ORIGIN, [frame])
    kept = sorted(sink.read(sink.head("_all").version), key=lambda row: row["id"])
    assert [tuple(row.values())[1:] for row in kept] == [tuple(row) for row in rows]


def test_a_key_that_repeats_within_frames_is_named_by_its_rows(keyed):
    frames = [pl.DataFrame({"name": ["a", "b"]}), pl.DataFrame({"name": ["c", "a"]})]
    with pytest.raises(BadRow, match=r"row 4, field 'name': repeats the key 'a' of row 1"):
        load(keyed, "_all", ORIGIN, frames)
    assert keyed.head("_all").version is None


def test_a_value_that_only_the_server_refuses_is_named_by_its_row(settings, table):
    sink = MariaDBSink(settings, table, parse_schema(table, [sa.Column("x", mysql.VARCHAR(9, charset="utf8mb3"))]))
    with pytest.raises(BadRow, match="row 4, field 'x': was refused by MariaDB"):
        load(sink, "_all", ORIGIN, [pl.DataFrame({"x": ["a", "b"]}), pl.DataFrame({"x": ["c", "🛫", "🛫"]})])


def test_a_number_of_a_frame_is_not_rounded_on_its_way(settings, table):
    sink = MariaDBSink(settings, table, parse_schema(table, [sa.Column("x", sa.Numeric(5, 2))]))
    load(
        sink,
        "_all",
        ORIGIN,
        [pl.DataFrame({"x": pl.Series([Decimal("1.50"), Decimal("1.2500")], dtype=pl.Decimal(9, 4))})],
    )
    assert [row["x"] for row in sink.read(sink.head("_all").version)] == [Decimal("1.50"), Decimal("1.25")]
    with pytest.raises(BadRow, match="row 1, field 'x'"):
        load(sink, "_all", ORIGIN, [pl.DataFrame({"x": pl.Series([Decimal("1.255")], dtype=pl.Decimal(9, 3))})])
