"""What the driver is given as a value, and what a query's text is searched for."""

import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.query import Query, Select
from luigi_sinks.mariadb.values import bindable


class Number(float):
    def __str__(self):
        return "(SELECT 1)"

    __repr__ = __str__


@pytest.mark.parametrize(
    "value",
    [None, True, 5, 1.5, "it's", b"\0", Decimal("1.50")],
)
def test_plain_values_are_given_as_they_are(value):
    assert bindable(value) is value or bindable(value) == value
    assert type(bindable(value)) is type(value)


@pytest.mark.parametrize(
    ("value", "given"),
    [
        (timedelta(days=2, microseconds=5), "48:00:00.000005"),
        (-timedelta(hours=1, microseconds=1), "-01:00:00.000001"),
        (date(2013, 1, 1), "2013-01-01"),
        (datetime(2013, 1, 1, 5, 0, 0, 5), "2013-01-01 05:00:00.000005"),
        (time(5), "05:00:00"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Decimal("1E-7"), Decimal("0.0000001")),
    ],
)
def test_values_that_drivers_write_in_several_ways_are_written_out(value, given):
    assert str(bindable(value)) == str(given)


def test_a_number_of_another_library_is_given_as_its_value():
    assert type(bindable(Number(1.5))) is float


@pytest.mark.parametrize(
    "value",
    [
        Path("/data"),
        enum.Enum("Side", "left").left,
        {"a": 1},
        (1, 2),
        object(),
        float("nan"),
        Decimal("Infinity"),
        datetime(2013, 1, 1, tzinfo=UTC),
        time(5, tzinfo=UTC),
    ],
)
def test_what_a_driver_would_write_as_sql_is_refused_without_being_shown(value):
    with pytest.raises(BadSetting) as refused:
        bindable(value, "the value :since")
    kind = type(value).__name__
    assert str(refused.value).startswith(f"the value :since is of type {kind}, and no value of MariaDB; give text")


@pytest.mark.parametrize(
    ("text", "bound", "values"),
    [
        ("a = :a", "a = ?", [1]),
        ("':a' = :a", "':a' = ?", [1]),
        ("':a''' = :a", "':a''' = ?", [1]),
        (r"':a\' :a' = :a", r"':a\' :a' = ?", [1]),
        (r"'\\' = :a", r"'\\' = ?", [1]),
        ('":a"" :a" = :a', '":a"" :a" = ?', [1]),
        ("`:a`` :a` = :a", "`:a`` :a` = ?", [1]),
        ("-- it's :a\n:a", "-- it's :a\n?", [1]),
        ("# it's :a\n:a", "# it's :a\n?", [1]),
        ("/* it's :a */:a", "/* it's :a */?", [1]),
        ("5--:a", "5--?", [1]),
        ("'{t}' = {t}.x -- {u}", "'{t}' = `t`.x -- {u}", []),
        ("x := :b + :a", "x := ? + ?", [2, 1]),
        ("{d '2013-01-01'} ; ", "{d '2013-01-01'}", []),
    ],
)
def test_only_marks_outside_of_quotes_and_comments_are_replaced(text, bound, values):
    select = Query("made", text).bind({"t": "SELECT 1"}, {"a": 1, "b": 2})
    assert (select.text.strip(), select.values) == (bound, values)
    assert list(select.sources) == ["t"] * ("{t}." in text)


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("SELECT 1", "WITH `t` AS (SELECT 2) SELECT 1"),
        ("WITH a AS (SELECT 1) SELECT", "WITH `t` AS (SELECT 2),  a AS (SELECT 1) SELECT"),
        ("-- all\nwith recursive a", "-- all\nwith recursive `t` AS (SELECT 2),  a"),
        ("SELECT 'WITH'", "WITH `t` AS (SELECT 2) SELECT 'WITH'"),
        ("WITHIN", "WITH `t` AS (SELECT 2) WITHIN"),
    ],
)
def test_inputs_come_before_the_common_table_expressions_of_a_query(text, statement):
    asked = []

    class Cursor:
        def execute(self, *statement):
            asked.append(statement)

    Select(text, (b"\0", 7), {"t": "SELECT 2"}).execute(Cursor(), "q.x", before="INSERT INTO i", after="LIMIT 0")
    whole = f"INSERT INTO i SELECT q.x FROM (\n{statement}\n) q LIMIT 0"
    assert asked == [("EXECUTE IMMEDIATE ? USING X'00', ?", (whole, 7))]
