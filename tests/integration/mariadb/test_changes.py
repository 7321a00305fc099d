"""Versions that are made of the head and of changed rows, on the real server."""

import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy import VARBINARY, Column, Date, Integer, String
from sqlalchemy.dialects import mysql

from luigi_sinks import Unavailable
from luigi_sinks.mariadb import MariaDBSink, MariaDBStage, carrying, parse_schema
from luigi_sinks.testing.changing_suite import ChangingColumnSuite, change, ids
from luigi_sinks.testing.suite import rows
from tests.changed_tables import ChangedTables
from tests.items import COLUMNS, ITEMS


class TestMariaDBSink(ChangingColumnSuite):
    @pytest.fixture(autouse=True)
    def _settings(self, settings, monkeypatch):
        self.settings = settings
        monkeypatch.setattr(carrying, "_AT_ONCE", 2)

    def make_sink(self, dataset):
        return MariaDBSink(self.settings, dataset, parse_schema(dataset, COLUMNS))

    with_columns = staticmethod(ITEMS["mariadb"].with_columns)

    def test_a_copy_whose_answer_was_lost_is_made_once(self, changing, monkeypatch):
        change(changing, rows(7))
        carry, counts = MariaDBStage.carry, []

        def lose_the_first_answer(stage, *args):
            counts.append(carry(stage, *args))
            if len(counts) == 1:
                raise Unavailable("the answer was lost")
            return counts[-1]

        monkeypatch.setattr(MariaDBStage, "carry", lose_the_first_answer)
        assert list(ids(changing, change(changing, [{"id": 3, "name": "x", "amount": 1}], [0]))) == [1, 2, 3, 4, 5, 6]
        assert counts == [5, 5]


@pytest.mark.usefixtures("settings")
class TestTables(ChangedTables):
    connection = "tests"


@pytest.mark.parametrize("at_once", [1, 3, 7, 50_000])
def test_keys_of_several_columns_are_copied_in_ranges_of_any_size(settings, table, monkeypatch, at_once):
    monkeypatch.setattr(carrying, "_AT_ONCE", at_once)
    columns = [
        Column("day", Date, primary_key=True),
        Column("tail", String(9), primary_key=True),
        Column("raw", VARBINARY(9), primary_key=True),
        Column("n", Integer),
    ]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    days, tails, raws = (date(2013, 1, 1), date(2013, 1, 2)), ("a'", "B", "ü"), (b"\x00", b"\xff")
    keys = [(day, tail, raw) for day in days for tail in tails for raw in raws]
    change(sink, [(*key, 0) for key in keys])
    version = change(sink, [(*keys[0], 1), (days[1], "C", b"", 1)], [keys[5], keys[11], (days[0], "no", b"")])
    found = {tuple(row.values())[:3]: row["n"] for row in sink.read(version)}
    kept = {key: int(key == keys[0]) for key in keys if key not in {keys[5], keys[11]}}
    assert found == {**kept, (days[1], "C", b""): 1}


def test_a_key_that_the_collation_takes_for_equal_is_the_same_key(settings, table):
    columns = [Column("code", String(9), primary_key=True), Column("n", Integer)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    change(sink, [("a", 1), ("b", 2), ("c", 3)])
    version = change(sink, [("A", 9)], ["B"])
    assert sorted(tuple(row.values()) for row in sink.read(version)) == [("A", 9), ("c", 3)]


KEYS = [
    (sa.Float, [0.1 + number / 3 for number in range(7)]),
    (sa.Double, [0.1 + number * 1e-16 for number in range(0, 70, 10)]),
    (sa.Numeric(30, 10), [Decimal(f"12345678901234567890.000000000{number}") for number in range(7)]),
    (mysql.BIGINT(unsigned=True), [2**64 - 1 - number for number in range(7)]),
    (sa.BigInteger, [number - 2**63 for number in range(7)]),
    (sa.Boolean, [False, True]),
    (mysql.ENUM("z", "b", "10", "9", "ü", "a", "c"), ["z", "b", "10", "9", "ü", "a", "c"]),
    (String(9), ["", " a", "a", "b", "ß", "é", "日本"]),
    (sa.CHAR(9), ["a", "b", "c", "d"]),
    (mysql.VARCHAR(9, charset="latin1", collation="latin1_german2_ci"), ["a", "ü", "z", "ß"]),
    (Date, [date(2013, 1, day) for day in range(1, 8)]),
    (mysql.DATETIME(fsp=6), [datetime(2013, 1, 1) + timedelta(microseconds=number) for number in range(7)]),
    (mysql.TIME(fsp=6), [time(23, 59, 59, number) for number in range(7)]),
    (sa.Uuid, [uuid.UUID(int=number << shift) for number in (1, 2, 3) for shift in (0, 60, 120)]),
    (sa.BINARY(2), [bytes([number, 255 - number]) for number in range(0, 256, 51)]),
]


@pytest.mark.parametrize(("kind", "values"), KEYS, ids=[str(kind) for kind, _ in KEYS])
def test_each_row_of_a_key_of_each_type_is_copied_once(settings, table, monkeypatch, kind, values):
    monkeypatch.setattr(carrying, "_AT_ONCE", 2)
    columns = [Column("key", kind, primary_key=True), Column("id", Integer, primary_key=True), Column("n", Integer)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    first = change(sink, [(value, number, 0) for value in values for number in range(3)])
    version = change(sink, [(values[0], 1, 1)], [(values[1], 2)])
    found = {tuple(row.values())[:2]: row["n"] for row in sink.read(version)}
    before = [tuple(row.values())[:2] for row in sink.read(first)]
    assert sink.record(version).rows == len(found) == len(before) - 1
    assert sorted(found.values()) == [0] * (len(before) - 2) + [1]
