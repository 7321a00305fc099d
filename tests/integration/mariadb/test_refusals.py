"""What cannot be loaded is refused with its name, and readers keep what they have."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Integer, String
from sqlalchemy.dialects import mysql

from luigi_sinks import BadRow, BadSetting, Origin, State, load
from luigi_sinks.mariadb import MariaDBSink, parse_schema
from luigi_sinks.version import WHOLE

ORIGIN = Origin("refusals")
DEEP = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]

BAD_VALUES = [
    (mysql.TINYINT(), 128),
    (mysql.TINYINT(unsigned=True), -1),
    (mysql.BIGINT(unsigned=True), -1),
    (mysql.BIGINT(unsigned=True), 2**64),
    (sa.BigInteger(), 2**63),
    (sa.Integer(), True),
    (sa.Integer(), 1.0),
    (sa.Boolean(), 1),
    (sa.Float(), 1e39),
    (sa.Float(), 2**24 + 1),
    (sa.Float(), 2**70 + 1),
    (sa.Double(), 2**53 + 1),
    (sa.Double(), 1 - 2**63),
    (sa.Double(), Decimal("0.1")),
    (sa.Double(), math.nan),
    (sa.Double(), math.inf),
    (sa.Numeric(5, 2), Decimal(1000)),
    (sa.Numeric(5, 2), Decimal("0.125")),
    (sa.Numeric(5, 2), Decimal("NaN")),
    (sa.Numeric(5, 2), Decimal("-Infinity")),
    (sa.Numeric(), Decimal("0.5")),
    (mysql.NUMERIC(5, 2, unsigned=True), Decimal(-1)),
    (sa.String(3), "four"),
    (sa.CHAR(5), "ends "),
    (sa.Text(), "é" * 32_768),
    (mysql.TINYTEXT(), "x" * 256),
    (mysql.VARCHAR(5, charset="latin1"), "東京"),
    (sa.Enum("a", "b", name="ab"), "A"),
    (sa.Date(), datetime(2013, 1, 1)),
    (sa.Date(), "2013-02-30"),
    (sa.DateTime(), date(2013, 1, 1)),
    (sa.DateTime(), datetime(2013, 1, 1, tzinfo=UTC)),
    (sa.DateTime(), datetime(2013, 1, 1, microsecond=1)),
    (mysql.DATETIME(fsp=3), datetime(2013, 1, 1, microsecond=1001)),
    (sa.Time(), time(1, 2, 3, 4)),
    (sa.Time(), "23:59:59.9999995"),
    (sa.DateTime(), "2024-12-31T23:59:59.9999999"),
    (mysql.DATETIME(fsp=6), "2024-02-29 23:59:59.1234567"),
    (mysql.TIME(fsp=6), "00:00:00.0000001"),
    (sa.LargeBinary(), "text"),
    (sa.LargeBinary(), b"x" * 65_536),
    (sa.BINARY(4), b"abc"),
    (sa.VARBINARY(2), b"abc"),
    (sa.JSON(), {"a": math.nan}),
    (sa.JSON(), {"a": (1, 2)}),
    (sa.JSON(), (1, 2)),
    (sa.JSON(), {1, 2}),
    (sa.JSON(), Decimal(1)),
    (sa.JSON(), b"x"),
    (sa.JSON(), {"a": {1: 2}}),
    (sa.JSON(), {"a": date(2013, 1, 1)}),
    (sa.JSON(), {"a": NotImplemented}),
    (sa.JSON(), DEEP),
    (sa.Uuid(), "no uuid"),
]


@pytest.mark.parametrize(("kind", "value"), BAD_VALUES, ids=lambda value: repr(value)[:40])
def test_a_value_that_would_come_back_otherwise_is_refused(settings, table, kind, value):
    sink = MariaDBSink(
        settings, table, parse_schema(table, [Column("id", Integer, primary_key=True), Column("it", kind)])
    )
    with pytest.raises(BadRow) as caught:
        load(sink, WHOLE, ORIGIN, [(1, None), (2, None), (3, value)])
    assert (caught.value.dataset, caught.value.row, caught.value.field) == (table, 3, "it")
    assert "nothing was published" in str(caught.value)
    assert sink.head(WHOLE).version is None


def test_dates_may_be_given_as_iso_text(settings, table):
    columns = [Column("day", sa.Date), Column("at", sa.DateTime), Column("time", mysql.TIME(fsp=6))]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    load(sink, WHOLE, ORIGIN, [("2013-01-31", "2013-01-31 05:15:00", "23:59:59.5")])
    (row,) = sink.read(sink.head(WHOLE).version)
    expected = [date(2013, 1, 31), datetime(2013, 1, 31, 5, 15), time(23, 59, 59, 500_000)]
    assert list(row.values()) == expected


EQUAL_BY_COLLATION = [("Zürich", "ZÜRICH"), ("C-5h", "C-5H"), ("é", "e"), ("a", "a  "), ("🛫", "🎈")]
"""By utf8mb4_general_ci, which is a server's default until MariaDB 11.5."""


@pytest.mark.parametrize(("first", "second"), EQUAL_BY_COLLATION)
@pytest.mark.parametrize("is_primary", [True, False])
def test_a_key_that_only_the_collation_finds_equal_is_refused_with_the_cure(settings, table, first, second, is_primary):
    text = String(9, collation="utf8mb4_general_ci")
    columns = [Column("code", text, primary_key=is_primary, unique=not is_primary), Column("n", Integer)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    with pytest.raises(BadRow) as caught:
        load(sink, WHOLE, ORIGIN, [("bern", 1), (first, 2), ("basel", 3), (second, 4)])
    assert (caught.value.row, caught.value.field) == (4, "code")
    assert f"repeats the key {second!r} of row 2, {first!r}: the collation utf8mb4" in caught.value.reason
    assert caught.value.reason.endswith("declare the column with collation='utf8mb4_nopad_bin'")


KEYS_OF_EVERY_KIND = [
    (sa.Uuid(), "12345678-1234-1234-1234-123456781234"),
    (sa.Numeric(5, 2), Decimal("1.0")),
    (sa.VARBINARY(9), b"x"),
    (sa.Enum("a", "b", name="ab"), "a"),
    (sa.Boolean(), True),
    (sa.DateTime(), datetime(2013, 1, 31)),
    (sa.Double(), 0.1),
]


@pytest.mark.parametrize(("kind", "value"), KEYS_OF_EVERY_KIND, ids=repr)
def test_a_repeated_key_of_any_type_names_the_row_that_had_it_first(settings, table, kind, value):
    columns = [Column("part", String(9), primary_key=True), Column("it", kind, primary_key=True)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    with pytest.raises(BadRow, match=r"row 3, field 'part, it': repeats the key 'x', .* of row 2;"):
        load(sink, WHOLE, ORIGIN, [("y", value), ("x", value), ("x", value)])


def test_a_row_that_does_not_fit_in_a_page_is_refused_by_its_number(settings, table):
    notes = [Column(f"note_{number}", sa.Text) for number in range(250)]
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("id", Integer), *notes]))
    with pytest.raises(BadRow, match="row 38: was refused by MariaDB: Row size too large"):
        load(sink, WHOLE, ORIGIN, [(i, *(["x" * (40 if i == 37 else 1)] * 250)) for i in range(60)])


def test_bytes_that_are_too_long_for_a_packet_are_refused_with_the_limit(settings, table, ask):
    ((limit,),) = ask("SELECT @@max_allowed_packet")
    columns = [Column("id", Integer), Column("small", mysql.LONGBLOB), Column("large", mysql.LONGBLOB)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    reason = f"is {limit + 1} bytes long, more than the server's max_allowed_packet = {limit}; raise that, or divide it"
    with pytest.raises(BadRow, match=f"row 2, field 'large': {reason}"):
        load(sink, WHOLE, ORIGIN, [(1, b"x", b"y"), (2, b"x", bytes(limit + 1))])


def test_a_collation_of_ones_own_tells_them_apart(settings, table):
    code = Column("code", String(9, collation="utf8mb4_nopad_bin"), primary_key=True)
    sink = MariaDBSink(settings, table, parse_schema(table, [code]))
    load(sink, WHOLE, ORIGIN, [("Zürich",), ("ZÜRICH",), ("Zürich ",)])
    assert sink.head(WHOLE).record.rows == 3


def test_a_repeated_value_in_a_unique_column_is_refused_by_its_name(settings, table):
    columns = [Column("id", Integer, primary_key=True), Column("tail", String(9), unique=True)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    with pytest.raises(BadRow) as caught:
        load(
            sink, WHOLE, ORIGIN, [*((number, f"N{number}") for number in range(5_000)), (5_000, "N4321"), (5_001, None)]
        )
    assert (caught.value.row, caught.value.field) == (5_001, "tail")


def test_a_unique_value_may_be_null_many_times(settings, table):
    columns = [Column("id", Integer, primary_key=True), Column("tail", String(9), unique=True)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    load(sink, WHOLE, ORIGIN, [(1, None), (2, None)])
    assert sink.head(WHOLE).record.rows == 2


def test_the_server_alone_knows_that_a_generated_value_fails(settings, table):
    columns = [Column("n", Integer), Column("twice", mysql.TINYINT, sa.Computed("n * 2", persisted=True))]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    with pytest.raises(BadRow, match="Out of range value for column 'twice'") as caught:
        load(sink, WHOLE, ORIGIN, [(n,) for n in range(100)])
    assert caught.value.row == 65


def test_a_table_name_that_is_too_long_is_refused_with_the_limit(settings):
    name = "t" * 59
    sink = MariaDBSink(settings, name, parse_schema(name, [Column("id", Integer)]))
    with pytest.raises(BadSetting, match="has 59 characters; MariaDB takes at most 58"):
        load(sink, WHOLE, ORIGIN, [(1,)])


def test_the_longest_table_name_works(settings, table):
    name = table.ljust(58, "x")
    sink = MariaDBSink(settings, name, parse_schema(name, [Column("id", Integer)]))
    load(sink, WHOLE, ORIGIN, [(1,)])
    assert len(list(sink.read(sink.head(WHOLE).version))) == 1


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ([Column("id", sa.BigInteger, primary_key=True)], "'id' is int.*declared as bigint.*in a key"),
        ([Column("id", Integer)], "'id' is in a key, and as declared it is free"),
        ([Column("id", Integer, primary_key=True, unique=True)], "declares UNIQUE KEY `uq_id` .* have no UNIQUE"),
        ([Column("other", Integer, primary_key=True)], "'other' is new.*in a key"),
    ],
)
def test_other_columns_than_the_versions_have_are_refused_by_name(settings, table, columns, complaint):
    load(
        MariaDBSink(settings, table, parse_schema(table, [Column("id", Integer, primary_key=True)])),
        WHOLE,
        ORIGIN,
        [(1,)],
    )
    changed = MariaDBSink(settings, table, parse_schema(table, columns))
    with pytest.raises(BadSetting, match=complaint):
        load(changed, WHOLE, ORIGIN, [(2,) * len(columns)])
    assert [record.state for record in changed.records()] == [State.PUBLISHED]


def test_columns_that_the_server_refuses_are_refused_in_its_words(settings, table):
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("note", sa.Text, primary_key=True)]))
    with pytest.raises(BadSetting, match="BLOB/TEXT column 'note' used in key"):
        load(sink, WHOLE, ORIGIN, [("x",)])


def test_an_ordinary_table_in_the_way_is_left_alone(settings, table, ask):
    ask(f"CREATE TABLE {table} (id INT)")
    ask(f"INSERT INTO {table} VALUES (42)")
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("id", Integer)]))
    with pytest.raises(BadSetting, match=r"is an ordinary table.*`luigi-sinks adopt MODULE TASK`"):
        load(sink, WHOLE, ORIGIN, [(1,)])
    assert ask(f"SELECT * FROM {table}") == [(42,)]


def test_a_view_of_somebody_elses_is_left_alone(settings, table, ask):
    ask(f"CREATE VIEW {table} AS SELECT 42 AS id")
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("id", Integer)]))
    with pytest.raises(BadSetting, match="a view that luigi_sinks did not make"):
        load(sink, WHOLE, ORIGIN, [(1,)])
    assert ask(f"SELECT * FROM {table}") == [(42,)]
