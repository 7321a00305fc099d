"""Columns that change in place, as readers of the view see it."""

import time
import uuid
from contextlib import suppress
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy import JSON, BigInteger, Column, Computed, Date, Integer, LargeBinary, Numeric, String, Uuid
from sqlalchemy.dialects import mysql

from luigi_sinks import BadSetting, Origin, load, versions
from luigi_sinks.cli.version_answers import schema_difference
from luigi_sinks.load import loading
from luigi_sinks.mariadb import MariaDBSink, MariaDBTarget, layout, parse_schema, views
from luigi_sinks.mariadb.driver import Cursor
from luigi_sinks.testing.suite import run_together
from luigi_sinks.version import WHOLE

ORIGIN = Origin("columns")
ID = Column("id", Integer, primary_key=True)


@pytest.fixture
def declare(settings, table):
    """Return a function that declares the columns beside the key."""

    def declare(*columns, allow_change=()):
        return MariaDBSink(settings, table, parse_schema(table, [ID, *columns]), allow_change)

    return declare


def loaded(sink, *rows):
    load(sink, WHOLE, ORIGIN, [(number, *row) for number, row in enumerate(rows)])
    return sink.head(WHOLE).version


def read(sink, version):
    return [tuple(row.values())[1:] for row in sorted(sink.read(version), key=lambda row: row["id"])]


@pytest.fixture
def shown(ask, table):
    """Return what readers see beside the key."""
    return lambda: [row[1:] for row in ask(f"SELECT * FROM `{table}` ORDER BY id")]


@pytest.fixture
def held(ask, settings, table):
    """Return the columns of the table that holds all versions."""
    where = "TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME NOT IN ('id', '_seq') ORDER BY ORDINAL_POSITION"
    query = f"SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {where}"
    return lambda: [name for (name,) in ask(query, f"{settings.database}__v", f"{table}__g1")]


def test_what_grows_in_an_instant_stays_one_column_of_the_table(declare, shown, held):
    first = loaded(declare(Column("a", String(20), nullable=False), Column("b", mysql.ENUM("x", "y"))), ("old", "x"))
    wider = declare(Column("a", String(60), nullable=False), Column("b", mysql.ENUM("x", "y", "z"), comment="It's ?"))
    second = loaded(wider, ("n" * 60, "z"))
    assert shown() == read(wider, second) == [("n" * 60, "z")]
    assert held() == ["a", "b"]
    versions.roll_back(wider, first)
    assert shown() == read(wider, first) == [("old", "x")]


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        (Column("a", Integer, nullable=False), Column("a", BigInteger, nullable=False), 7, 2**40),
        (Column("a", String(60)), Column("a", String(300)), "old", "n" * 300),
        (Column("a", Integer, nullable=False), Column("a", Integer), 7, None),
        (Column("a", Numeric(5, 2)), Column("a", Numeric(9, 2)), Decimal("1.50"), Decimal("1234567.50")),
        (Column("a", JSON, nullable=False), Column("a", JSON), {"old": 1}, None),
    ],
)
def test_what_does_not_is_held_beside_and_readers_see_each_version_as_it_was_loaded(
    declare, shown, held, before, after, old, new
):
    first = loaded(declare(before), (old,))
    changed = declare(after)
    second = loaded(changed, (new,), (old,))
    assert held() == ["a", f"_{changed.record(second).seq}_a"]
    assert read(changed, second) == [(new,), (old,)]
    as_shown = shown()
    assert (as_shown[0] == (None,)) == (new is None)
    assert versions.diff(changed, first, second).changed == 1
    versions.roll_back(changed, first)
    assert read(changed, first) == [(old,)]
    assert shown() == as_shown[1:]
    versions.roll_back(changed, second)
    assert shown() == as_shown


def test_a_column_that_must_have_values_from_now_on_can_still_hold_none_of_before(declare, shown, held):
    first = loaded(declare(Column("a", Integer)), (None,))
    changed = declare(Column("a", Integer, nullable=False))
    loaded(changed, (1,))
    assert (shown(), held()) == ([(1,)], ["a"])
    with pytest.raises(Exception, match="row 1, field 'a'"):
        loaded(changed, (None,))
    versions.roll_back(changed, first)
    assert shown() == [(None,)]


EVERY = [
    (Column("c", Integer), 5),
    (Column("c", Numeric(5, 2)), Decimal("1.50")),
    (Column("c", sa.Double), 2.5),
    (Column("c", sa.Boolean), True),
    (Column("c", String(5)), "text"),
    (Column("c", sa.Text), "text"),
    (Column("c", sa.CHAR(1)), "t"),
    (Column("c", mysql.ENUM("it's", "b")), "b"),
    (Column("c", LargeBinary), b"\0"),
    (Column("c", sa.BINARY(3)), b"abc"),
    (Column("c", Date), date(2026, 1, 2)),
    (Column("c", sa.DateTime), datetime(2026, 1, 2, 3, 4, 5)),
    (Column("c", mysql.DATETIME(fsp=6)), datetime(2026, 1, 2, 3, 4, 5, 6)),
    (Column("c", sa.Time), time_of_day(3, 4, 5)),
    (Column("c", JSON), [1]),
    (Column("c", Uuid), uuid.UUID(int=5)),
]


@pytest.mark.parametrize("is_required", [True, False])
@pytest.mark.parametrize(("column", "value"), EVERY, ids=[str(column.type) for column, _ in EVERY])
def test_a_column_of_each_type_goes_and_comes_back(declare, shown, column, value, is_required):
    column = Column("c", column.type, nullable=not is_required)
    first = loaded(with_it := declare(Column("a", Integer), column), (1, value))
    as_shown = shown()
    second = loaded(declare(Column("a", Integer), allow_change=("c",)), (2,))
    assert shown() == [(2,)]
    third = loaded(with_it, (3, value))
    assert shown() == [(3, as_shown[0][1])]
    assert [read(with_it, version) for version in (first, second, third)] == [[(1, value)], [(2,)], [(3, value)]]
    versions.roll_back(with_it, second)
    assert shown() == [(2, None)]
    versions.roll_back(with_it, first)
    assert shown() == as_shown


def test_a_type_that_holds_no_old_value_shows_none_of_them(declare, shown):
    first = loaded(declare(Column("a", String(20))), ("old",))
    changed = declare(Column("a", Date), allow_change=("a",))
    loaded(changed, (date(2026, 1, 2),))
    assert shown() == [(date(2026, 1, 2),)]
    versions.roll_back(changed, first)
    assert (shown(), read(changed, first)) == ([(None,)], [("old",)])


def test_a_column_that_grew_and_shrank_again_is_compared_by_its_values(declare, shown):
    narrow, wide = declare(Column("a", Integer), allow_change=("a",)), declare(Column("a", BigInteger))
    first, _, third = loaded(narrow, (1,), (2,)), loaded(wide, (2**40,)), loaded(narrow, (1,), (3,))
    found = versions.diff(narrow, first, third)
    assert (found.added, found.removed, found.changed) == (0, 0, 1)
    assert shown() == [(1,), (3,)]


def test_a_renamed_column_is_the_same_under_its_new_name_and_the_old_name_is_free(declare, shown, ask, table, held):
    first = loaded(declare(Column("name", String(20), nullable=False)), ("old",))
    label = Column("label", String(20), nullable=False, info={"renamed_from": "name"})
    with pytest.raises(BadSetting, match=r"column 'name' is declared as 'label'.*allow_change = \('label',\)"):
        loaded(declare(label), ("new",))
    renamed = declare(label, allow_change=("label",))
    second = loaded(renamed, ("new",))
    assert (held(), shown()) == (["name"], [("new",)])
    third = loaded(declare(Column("label", String(20), nullable=False), Column("name", Integer)), ("newer", 5))
    assert ask(f"SELECT label, name FROM {table}") == [("newer", 5)]
    assert [list(renamed.read(version)) for version in (first, second, third)] == [
        [{"id": 0, "name": "old"}],
        [{"id": 0, "label": "new"}],
        [{"id": 0, "label": "newer", "name": 5}],
    ]
    versions.roll_back(renamed, first)
    assert ask(f"SELECT label, name FROM {table}") == [("old", None)]


def test_a_column_may_get_the_name_of_one_that_went_before(declare, shown):
    first = loaded(declare(Column("a", Integer, nullable=False), Column("b", Integer)), (1, 2))
    second = loaded(declare(Column("a", BigInteger), Column("b", Integer)), (3, 4))
    third = loaded(declare(Column("b", Integer), allow_change=("a",)), (5,))
    renamed = declare(Column("a", Integer, info={"renamed_from": "b"}), allow_change=("a",))
    fourth = loaded(renamed, (6,))
    for version, seen, values in ((fourth, 6, (6,)), (third, 5, (5,)), (second, 4, (3, 4)), (first, 2, (1, 2))):
        versions.roll_back(renamed, version)
        assert (shown(), read(renamed, version)) == ([(seen,)], [values])


def test_names_and_comments_that_need_quotes_change_too(declare, shown):
    name, comment = "a?`%s'\"\\ö", "it's \\ \"what\"\n? CHECK (json_valid(`x`)) COMMENT 'y'"
    first = loaded(declare(Column(name, JSON, comment=comment, nullable=False)), ([1],))
    changed = declare(Column(name, JSON, comment=f"{comment}!"))
    loaded(changed, (None,))
    assert loaded(changed, ([2],))
    assert [value for (value,) in shown()] == ["[2]"]
    versions.roll_back(changed, first)
    assert [value for (value,) in shown()] == ["[1]"]


AWKWARD = ["in euros ", "\t", "a\u2028b", "a\x0bb", "a\x85b", "a\x1cb", "a\r\nb", "x" * 800]


@pytest.mark.parametrize("text", AWKWARD)
def test_a_column_with_any_comment_comes_changes_and_goes(declare, shown, text):
    loaded(declare(), ())
    name = "\\" * 64
    loaded(declare(Column(name, Integer, comment=text)), (1,))
    loaded(declare(Column(name, BigInteger, comment=text)), (2**40,))
    loaded(changed := declare(Column(name, BigInteger, comment=text[1:])), (2**40,))
    loaded(changed, (3,))
    loaded(declare(allow_change=(name,)), ())
    assert shown() == [()]


@pytest.mark.parametrize("text", [text for text in AWKWARD if text == text.rstrip(" ")])
def test_an_enum_with_any_member_changes_and_goes(declare, shown, text):
    loaded(declare(Column("c", mysql.ENUM("p", text), nullable=False)), (text,))
    loaded(declare(Column("c", mysql.ENUM("p", text, "q"), nullable=False)), ("q",))
    loaded(declare(Column("c", mysql.ENUM("q", text), nullable=False), allow_change=("c",)), (text,))
    assert shown() == [(text,)]
    loaded(declare(allow_change=("c",)), ())
    assert shown() == [()]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            [Column("b", Integer)],
            [Column("b", Integer, index=True)],
            "column 'b' is free, and as declared it is in a key",
        ),
        ([Column("b", Integer, index=True)], [Column("b", BigInteger, index=True)], "'b' is int.*that is in a key"),
        (
            [Column("b", Integer), Column("c", Integer, Computed("b + 1"))],
            [Column("b", Integer)],
            "column 'b' is read by a computed column",
        ),
        (
            [Column("b", Integer), Column("c", Integer, Computed("b + 1"))],
            [Column("b", BigInteger), Column("c", Integer, Computed("b + 1"))],
            "'b' is int.*that is read by a computed column",
        ),
    ],
)
def test_what_is_in_a_key_or_computed_cannot_change(declare, shown, before, after, said):
    loaded(declare(*before), (1,))
    as_shown = shown()
    with pytest.raises(BadSetting, match=said):
        loaded(declare(*after, allow_change=("b", "c")), (2,))
    assert shown() == as_shown


def test_readers_see_what_they_saw_where_rows_cannot_be_kept(declare, shown):
    first = loaded(declare(Column("a", sa.Double)), (1.5,))
    other = declare(Column("a", Integer), Column("b", Integer), allow_change=("a",))
    with pytest.raises(BadSetting, match=rf"rows of {first} cannot be kept: column 'a' is double there, and int"):
        load(other, WHOLE, ORIGIN, [(1, 1, 1)], changes_by_key=True)
    assert shown() == [(1.5,)]


def test_changes_that_began_before_a_rename_keep_the_values(declare, shown):
    plain = declare(Column("name", String(20)))
    label = declare(Column("label", String(20), info={"renamed_from": "name"}), allow_change=("label",))
    load(plain, "north", ORIGIN, [(0, "a"), (1, "b")])
    with loading(plain, "north", ORIGIN, changes_by_key=True) as late:
        load(label, "south", ORIGIN, [(2, "c")])
        late.write((1, "new"))
    assert sorted(shown()) == [("a",), ("c",), ("new",)]


def test_a_load_that_began_before_the_change_is_published_as_it_was_written(declare, shown):
    narrow, wide = declare(Column("a", Integer, nullable=False)), declare(Column("a", BigInteger), Column("b", Integer))
    load(narrow, "north", ORIGIN, [(0, 1)])
    with loading(narrow, "south", ORIGIN) as late:
        load(wide, "north", ORIGIN, [(0, 2**40, 5)])
        late.write((1, 2))
    assert shown() == [(2**40, 5), (2, None)]
    assert read(wide, wide.head("south").version) == [(2,)]
    with pytest.raises(BadSetting, match="column 'a' is bigint"):
        load(narrow, "south", ORIGIN, [(1, 3)])


def test_a_load_that_looked_before_the_change_does_not_undo_it_in_the_views(declare, shown, monkeypatch):
    narrow, wide = declare(Column("a", Integer, nullable=False)), declare(Column("a", BigInteger, nullable=False))
    load(narrow, "north", ORIGIN, [(0, 1)])
    look, late = layout.read, iter([partial(load, wide, "south", ORIGIN, [(1, 2**40)])])

    def look_early(cursor, table, schema):
        seen = look(cursor, table, schema)
        for change in late:
            change()
        return seen

    monkeypatch.setattr(layout, "read", look_early)
    with pytest.raises(BadSetting, match="column 'a' is bigint"):
        load(narrow, "north", ORIGIN, [(0, 3)])
    assert shown() == [(1,), (2**40,)]


@pytest.mark.parametrize("turn", range(3))
def test_loads_of_old_and_new_columns_at_once_are_right_or_refused(declare, ask, table, turn):
    narrow, wide = declare(Column("a", Integer, nullable=False)), declare(Column("a", BigInteger, nullable=False))
    load(narrow, "p0", ORIGIN, [(0, 0)])
    expected = {0: 0, 9: 2**40}

    def load_old(number):
        with suppress(BadSetting):
            for value in range(20):
                load(narrow, f"p{number}", ORIGIN, [(number, value)])
                expected[number] = value

    def load_new():
        time.sleep(0.1 * turn)
        load(wide, "p9", ORIGIN, [(9, 2**40)])

    run_together([load_new, *(partial(load_old, number) for number in range(1, 5))])
    assert dict(ask(f"SELECT id, a FROM {table}")) == expected
    found = {row["id"]: row["a"] for head in wide.heads().values() for row in wide.read(head.version)}
    assert found == expected


@pytest.mark.parametrize("step", ["replace", "definer"])
def test_a_load_after_a_crash_between_the_change_and_the_views_completes_them(declare, shown, monkeypatch, step):
    first = loaded(declare(Column("a", Integer)), (1,))
    changed = declare(Column("a", BigInteger), Column("b", Integer))
    with monkeypatch.context() as patched:
        patched.setattr(views, step, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loaded(changed, (2, 2))
    assert shown() == [(1,)]
    loaded(changed, (2**40, 5))
    assert shown() == [(2**40, 5)]
    versions.roll_back(changed, first)
    assert shown() == [(1, None)]


def test_a_load_of_the_same_columns_changes_no_table_and_no_view(declare, monkeypatch):
    loaded(declare(Column("a", Integer)), (1,))
    changed = declare(Column("a", BigInteger), Column("b'?`", Integer))
    loaded(changed, (2, 2))
    made, execute = [], Cursor.execute

    def watched(cursor, statement, *args):
        made.extend(
            word for word in ("ALTER TABLE", "VIEW IF", "OR REPLACE DEFINER", "LOCK TABLES") if word in statement
        )
        return execute(cursor, statement, *args)

    monkeypatch.setattr(Cursor, "execute", watched)
    loaded(changed, (3, 3))
    assert made == []


def test_a_target_allows_changes_and_a_catalog_shows_what_differs(declare, table):
    first = loaded(declare(Column("a", Integer), Column("b", Integer)), (1, 2))
    options = {"connection": "tests", "update_id": "columns", "allow_change": "b"}
    target = MariaDBTarget(table, columns=[ID, Column("a", BigInteger)], **options)
    with target.open("w") as writer:
        writer.write((0, 2**40))
    assert list(target.rows()) == [{"id": 0, "a": 2**40}]
    before, after = target.sink().record(first).schema, target.record().schema
    assert {each["path"]: (each["here"], each["head"]) for each in schema_difference(before, after)} == {
        "columns.a.type": ("INTEGER", "BIGINT"),
        "columns.b.nullable": (True, None),
        "columns.b.type": ("INTEGER", None),
        "stored.a": (None, "_2_a"),
    }


def test_the_tables_of_loads_that_never_published_are_made_again(declare, held):
    with pytest.raises(ZeroDivisionError):
        load(declare(Column("a", Integer)), WHOLE, ORIGIN, failing())
    loaded(declare(Column("a", BigInteger)), (2**40,))
    assert held() == ["a"]


def failing():
    yield (1, 1)
    raise ZeroDivisionError
