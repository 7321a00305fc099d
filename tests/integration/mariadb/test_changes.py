"""Versions that are made of the head and of changed rows, on the real server."""

from datetime import date

import pytest
from sqlalchemy import VARBINARY, Column, Date, Double, Integer, String

from luigi_sinks import CheckFailed, Unavailable
from luigi_sinks.mariadb import MariaDBSink, MariaDBStage, carrying, parse_schema
from luigi_sinks.testing.changing_suite import ChangingSuite, change, ids
from luigi_sinks.testing.suite import rows

COLUMNS = [
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("amount", Double),
]


class TestMariaDBSink(ChangingSuite):
    @pytest.fixture(autouse=True)
    def _settings(self, settings, monkeypatch):
        self.settings = settings
        monkeypatch.setattr(carrying, "_AT_ONCE", 2)

    def make_sink(self, dataset):
        return MariaDBSink(self.settings, dataset, parse_schema(dataset, COLUMNS))

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


def test_a_row_of_the_head_that_does_not_fit_is_named_as_one_of_it(settings, table):
    change(MariaDBSink(settings, table, parse_schema(table, COLUMNS)), rows(3))
    shorter = parse_schema(table, [COLUMNS[0], Column("name", String(3), nullable=False), COLUMNS[2]])
    refusal = (
        "the head gives a row that was refused: Data too long for column .*; load all rows, without changes_by_key"
    )
    with pytest.raises(CheckFailed, match=refusal):
        change(MariaDBSink(settings, table, shorter, allow_change=("name",)), [])


def test_a_key_that_the_collation_takes_for_equal_is_the_same_key(settings, table):
    columns = [Column("code", String(9), primary_key=True), Column("n", Integer)]
    sink = MariaDBSink(settings, table, parse_schema(table, columns))
    change(sink, [("a", 1), ("b", 2), ("c", 3)])
    version = change(sink, [("A", 9)], ["B"])
    assert sorted(tuple(row.values()) for row in sink.read(version)) == [("A", 9), ("c", 3)]
