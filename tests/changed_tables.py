"""Changes of a table's head that was loaded with other columns: the same on the server and in local files."""

import secrets
from datetime import date, datetime, time
from decimal import Decimal
from itertools import count

import pytest
from sqlalchemy import (
    BINARY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql

from luigi_sinks import BadSetting, CheckFailed, versions
from luigi_sinks.mariadb import MariaDBTarget

ID = Column("id", Integer, primary_key=True)
NAME = Column("name", String(9))
LABEL = Column("label", String(9))
RENAMED = Column("label", String(9), info={"renamed_from": "name"})

NOT_HELD = [
    (Double, 1.5, Integer, 7),
    (Date, date(2020, 1, 2), Integer, 7),
    (Integer, 300, String(9), "x"),
    (Time, time(1, 2, 3), Integer, 5),
    (Boolean, True, String(5), "x"),
    (DateTime, datetime(2020, 1, 2, 3, 4, 5), BigInteger, 1),
    (String(9), "12", Integer, 1),
    (Float, 0.5, String(40), "z"),
    (BigInteger, 7, Integer, 7),
    (Numeric(10, 4), Decimal("1.5678"), Numeric(10, 2), Decimal("1.50")),
    (mysql.DATETIME(fsp=6), datetime(2020, 1, 2, 3, 4, 5, 6), DateTime, datetime(2020, 1, 2)),
    (mysql.TIME(fsp=6), time(1, 2, 3, 4), Time, time(1, 2, 3)),
    (BINARY(3), b"abc", BINARY(5), b"abcde"),
    (mysql.ENUM("a", "b"), "b", mysql.ENUM("a", "c"), "c"),
]
HELD = [
    (Integer, 7, BigInteger, 2**40),
    (String(5), "é a", String(300), "n" * 300),
    (String(5), "", Text, "text"),
    (mysql.ENUM("a", "b"), "b", mysql.ENUM("c", "b", "a"), "c"),
    (Numeric(5, 2), Decimal("1.50"), Numeric(9, 3), Decimal("100000.125")),
    (Float, 0.5, Double, 1e300),
    (DateTime, datetime(2020, 1, 2), mysql.DATETIME(fsp=6), datetime(2020, 1, 2, 3, 4, 5, 6)),
]


def named(pairs):
    return [f"{before!r} to {after!r}" for before, _, after, _ in pairs]


class ChangedTables:
    """Tests of MariaDB's tables; `connection` leads to the server, or to local files."""

    connection = ""

    @pytest.fixture
    def target(self):
        """Return a function that gives the target of the next load of a table, with columns beside the key."""
        table, numbers = f"changed_{secrets.token_hex(4)}", count()

        def target(*columns, **options):
            declared = columns[0] if isinstance(columns[0], Table) else [ID, *columns]
            given = {"changes_by_key": True, "connection": self.connection, "update_id": f"{next(numbers)}"}
            return MariaDBTarget(table, columns=declared, **{**given, **options})

        return target

    def test_a_renamed_column_keeps_its_values(self, target):
        assert loaded(target(NAME), (1, "a"), (2, "b")) == [(1, "a"), (2, "b")]
        assert loaded(target(RENAMED, allow_change="name"), (2, "new")) == [(1, "a"), (2, "new")]

    def test_rows_of_before_a_rename_are_kept_long_after_it(self, target):
        loaded(target(NAME, partition="late"), (1, "a"), (2, "b"))
        loaded(target(RENAMED, partition="early", allow_change="name"), (1, "x"))
        loaded(target(LABEL, partition="early"), (2, "y"))
        title = Column("title", String(9), info={"renamed_from": "label"})
        loaded(target(title, partition="early", allow_change="label"), (2, "y"))
        now = target(Column("title", String(9)), Column("name", Integer), partition="late")
        assert loaded(now, (3, "c", 5)) == [(1, "a", None), (2, "b", None), (3, "c", 5)]

    def test_a_name_that_another_column_had_is_of_the_renamed_one(self, target):
        loaded(target(NAME, LABEL, partition="late"), (1, "a", "gone"))
        loaded(target(NAME, partition="early", allow_change="label"), (1, "x"))
        loaded(target(RENAMED, partition="early", allow_change="name"), (1, "x"))
        assert loaded(target(LABEL, partition="late"), (2, "b")) == [(1, "a"), (2, "b")]

    def test_a_column_that_went_and_came_back_keeps_its_values(self, target):
        loaded(target(NAME, LABEL, partition="late"), (1, "a", "l"))
        loaded(target(NAME, partition="early", allow_change="label"), (1, "x"))
        loaded(target(NAME, LABEL, partition="early"), (2, "x", "y"))
        assert loaded(target(NAME, LABEL, partition="late"), (2, "b", "m")) == [(1, "a", "l"), (2, "b", "m")]

    def test_a_head_of_before_that_came_back_is_kept_as_it_was(self, target):
        loaded(first := target(NAME), (1, "a"))
        loaded(target(RENAMED, allow_change="name"), (1, "x"))
        versions.roll_back(first.sink(), first.record().version)
        assert loaded(target(LABEL, allow_change="name"), (2, "b")) == [(1, "a"), (2, "b")]

    @pytest.mark.parametrize(("before", "old", "after", "new"), NOT_HELD, ids=named(NOT_HELD))
    def test_a_value_that_would_change_ends_the_load(self, target, before, old, after, new):
        loaded(first := target(Column("d", before)), (1, old))
        options = {"allow_change": "d"}
        changed = target(Column("d", after), **options)
        with pytest.raises(BadSetting, match=r"cannot be kept: column 'd' is .*; load the whole once, without changes"):
            loaded(changed, (2, new))
        assert [tuple(row.values()) for row in first.rows()] == [(1, old)]
        loaded(target(Column("d", after), changes_by_key=False, **options), (1, new))
        assert loaded(changed, (2, new)) == [(1, new), (2, new)]

    @pytest.mark.parametrize(("before", "old", "after", "new"), HELD, ids=named(HELD))
    def test_a_value_that_the_new_type_holds_is_kept(self, target, before, old, after, new):
        loaded(target(Column("d", before)), (1, old))
        assert loaded(target(Column("d", after)), (2, new)) == [(1, old), (2, new)]

    def test_rows_have_no_value_in_a_new_column_unless_they_must(self, target):
        loaded(target(NAME), (1, "a"))
        with pytest.raises((BadSetting, CheckFailed), match=r"'must'.*load the whole once, without changes_by_key"):
            loaded(target(NAME, Column("must", Integer, nullable=False)), (2, "b", 5))
        assert loaded(target(NAME, Column("may", Integer)), (2, "b", 5)) == [(1, "a", None), (2, "b", 5)]

    def test_a_row_without_a_value_that_it_must_have_from_now_on_ends_the_load(self, target):
        loaded(target(NAME), (1, "a"), (2, None))
        required = Column("name", String(9), nullable=False)
        with pytest.raises(CheckFailed, match=r"'name'.*load the whole once, without changes_by_key"):
            loaded(target(required), (3, "c"))
        assert loaded(target(required), (2, "b")) == [(1, "a"), (2, "b")]

    def test_a_unique_key_of_a_row_that_stays_is_not_repeated(self, target):
        columns = [Column("id", Integer, primary_key=True), Column("u", String(5)), UniqueConstraint("u")]
        table = Table("t", MetaData(), *columns)
        loaded(target(table), (1, "a"), (2, "b"), (9, None))
        assert loaded(target(table), (1, "b"), (2, "a"), (8, None)) == [(1, "b"), (2, "a"), (8, None), (9, None)]
        with pytest.raises(CheckFailed, match=r"repeats the key 'b'|Duplicate entry"):
            loaded(target(table), (3, "b"))
        assert loaded(target(table), (1, "c"), (3, "b")) == [(1, "c"), (2, "a"), (3, "b"), (8, None), (9, None)]


def loaded(target, *rows):
    """Load rows, and return those that readers see then, in order."""
    with target.open("w") as writer:
        for row in rows:
            writer.write(row)
    return sorted((tuple(row.values()) for row in target.rows()), key=lambda row: row[0])
