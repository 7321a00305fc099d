"""Registries of luigi_sinks 0.1: read as they are, and upgraded in place; data/format_1.sql holds one."""

import re
import threading
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Double, Integer, String
from sqlalchemy.dialects import mysql

from luigi_sinks import Conflict, Origin, SinkError, State, Unavailable, load, versions
from luigi_sinks import record as rules
from luigi_sinks.mariadb import MariaDBCatalog, MariaDBSink, connection, creation, format_1, grants, parse_schema
from luigi_sinks.mariadb.store import STORE
from luigi_sinks.testing.suite import run_together
from luigi_sinks.version import WHOLE

MONTHS = [
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("amount", Double),
]
KINDS = [
    Column("id", Integer, primary_key=True),
    Column("flag", sa.Boolean),
    Column("real", sa.Float),
    Column("double", Double),
    Column("price", sa.Numeric(8, 2)),
    Column("text", sa.Text),
    Column("day", sa.Date),
    Column("at", mysql.DATETIME(fsp=6)),
    Column("time", mysql.TIME(fsp=3)),
    Column("blob", sa.LargeBinary),
    Column("json", sa.JSON),
    Column("uuid", sa.Uuid()),
    Column("kind", sa.Enum("a", "B c", name="k")),
    Column("twice", Integer, sa.Computed("id * 2")),
]
NAMES = [column.name for column in KINDS[:-1]]
VALUES = (
    0.10000000149011612,  # 0.1 in 24 bits
    0.1,
    Decimal("12.50"),
    "Zürich \t🛫",
    date(2013, 1, 31),
    datetime(2013, 1, 31, 1, 2, 3, 4),
    time(1, 2, 3, 4000),
    b"\x00\xff",
    {"a": [1, None, "x"]},
    uuid.UUID(int=7),
    "B c",
)
STATES = [
    State.DROPPED,
    State.RETIRED,  # was recorded as published, beside the head
    State.FAILED,
    State.PUBLISHED,
    State.PUBLISHED,
    State.STAGED,
    State.SEALED,
    State.VALIDATED,
    State.ABANDONED,
]
JANUARY = [{"id": i, "name": f"name {i}", "amount": i / 4 if i % 5 else None} for i in range(5)]
ORIGIN = Origin("Months_3", family="Months", owner="tests", partition_by=("month",))
SEEN_KINDS = [(2, 4), (3, 6)]
SEEN_MONTHS = [(i, f"name {i}") for i in (0, 1, 2, 3, 4, 100, 101, 102, 103)]


def test_a_dataset_of_format_2_gets_procedures_by_the_next_load_and_loses_nothing(load_old, reading):
    """Its loaders wrote registry and pointer themselves."""
    old = load_old(2)
    sink, whole = months(old), MariaDBSink(old, "whole", parse_schema("whole", MONTHS))
    before, heads = list(sink.records()), sink.heads()
    with reading(old) as ask:
        seen = ask("SELECT * FROM months WHERE id < 100 ORDER BY id"), ask("SELECT * FROM whole ORDER BY id")
        load(sink, "201302", ORIGIN, [(200, "new", None)])
        after = list(sink.records())
        assert [r.state for r in after[3:]] == [State.RETIRED, *[State.FAILED] * 4, State.PUBLISHED]
        assert (after[:3], sink.head("201301")) == (before[:3], heads["201301"])
        assert ask("SELECT * FROM months WHERE id < 100 ORDER BY id") == seen[0]
        assert ask("SELECT id FROM months WHERE id >= 100") == [(200,)]
        assert ask("SELECT * FROM whole ORDER BY id") == seen[1]
        versions.roll_back(whole, next(whole.records()).version)
        assert ask("SELECT COUNT(*) FROM whole") == [(2,)]


@pytest.mark.parametrize("verb", ["roll_back", "prune", "change"])
def test_what_is_done_by_name_alone_makes_the_procedures_of_a_dataset_of_format_2(load_old, verb):
    catalog = MariaDBCatalog(load_old(2), "months")
    _, retired, head, _, staged, *_ = catalog.records()
    done = {
        "roll_back": lambda: versions.roll_back(catalog, retired.version),
        "prune": lambda: versions.prune(catalog, retired.version),
        "change": lambda: catalog.change(staged.version, rules.abandon),
    }[verb]()
    assert catalog.record(done.version) == done
    assert done.state is {"roll_back": State.PUBLISHED, "prune": State.DROPPED, "change": State.ABANDONED}[verb]
    assert catalog.record(head.version).state is (State.RETIRED if verb == "roll_back" else State.PUBLISHED)


@pytest.fixture
def old(load_format_1):
    return load_format_1()


@pytest.fixture
def ask_old(old, reading):
    """Return the rows that a reader of the old database gets for a query."""
    with reading(old) as ask:
        yield ask


def months(old):
    return MariaDBSink(old, "months", parse_schema("months", MONTHS))


def kinds(old):
    return MariaDBSink(old, "kinds", parse_schema("kinds", KINDS))


def frozen(old, *columns):
    return MariaDBSink(old, "frozen", parse_schema("frozen", columns or MONTHS))


def by_id(rows):
    return sorted(rows, key=lambda row: row["id"])


def whole_kinds():
    return [dict(zip(NAMES, (2, False, *VALUES), strict=True)), dict.fromkeys(NAMES) | {"id": 3}]


def holds_what_it_held(old):
    """See that a catalog tells of both datasets what it told before any upgrade."""
    catalog = MariaDBCatalog(old, "months")
    records = list(catalog.records())
    assert [record.state for record in records] == STATES
    assert [record.seq for record in records] == list(range(1, 10))
    assert {partition: head.version for partition, head in catalog.heads().items()} == {
        "201301": records[3].version,
        "201302": records[4].version,
    }
    assert catalog.head("201301").epoch == 3
    assert by_id(catalog.read(records[3].version)) == JANUARY
    whole = MariaDBCatalog(old, "kinds")
    assert [(record.seq, record.state) for record in whole.records()] == [(10, State.RETIRED), (11, State.PUBLISHED)]
    assert by_id(whole.read(whole.head(WHOLE).version)) == whole_kinds()


def test_a_catalog_reads_what_release_0_1_wrote_and_changes_nothing(old, ask_old):
    assert STORE.list_datasets(old) == ["frozen", "kinds", "months"]
    holds_what_it_held(old)
    catalog = MariaDBCatalog(old, "months")
    dropped, retired, _, january, *_, left = catalog.records()
    assert catalog.record(retired.version) == retired
    assert by_id(catalog.read(retired.version)) == JANUARY[:3]
    assert catalog.count(retired.version) == 3
    assert (january.origin.rerun, january.origin.params) == ("crash", {"month": "2013-01", "note": 'it\'s "é" \\ 🛫'})
    assert (january.rows, january.is_complete, january.publications[0].epoch) == (5, True, 0)
    assert (dropped.is_complete, left.is_left) == (True, True)
    assert [r.seq for r in catalog.records(partition="201302", update_ids={"Months_2013-02"})] == [5, 6, 7, 8, 9]
    first, _ = MariaDBCatalog(old, "kinds").records()
    assert list(MariaDBCatalog(old, "kinds").read(first.version)) == [dict(zip(NAMES, (1, True, *VALUES), strict=True))]
    assert list(kinds(old).read(first.version)) == [dict(zip(NAMES, (1, True, *VALUES), strict=True))]
    with pytest.raises(Conflict, match="is dropped; it has no rows to read"):
        list(catalog.read(dropped.version))
    with pytest.raises(Conflict, match="is not in the registry"):
        catalog.record(replace(retired.version, partition="201302"))
    assert ask_old(f"SHOW TABLES FROM {old.database}__v LIKE '%\\_\\_log'") == []


def test_a_load_upgrades_in_place_and_loses_nothing(old, ask_old):
    sink = months(old)
    before = list(sink.records())
    load(sink, "201303", ORIGIN, [(200, "march", None)])
    *after, new = sink.records()
    assert after == [replace(record, schema=sink.declared) for record in before]
    assert (new.state, new.version.partition) == (State.PUBLISHED, "201303")
    assert new.seq > before[-1].seq
    assert ask_old("SELECT id, name FROM months ORDER BY id") == [*SEEN_MONTHS, (200, "march")]
    holds = f"SELECT DISTINCT state FROM {old.database}__v._versions WHERE dataset = 'months'"
    assert ask_old(holds) == [("moved",)]
    assert STORE.list_datasets(old) == ["frozen", "kinds", "months"]
    assert [record.state for record in kinds(old).records()] == [State.RETIRED, State.PUBLISHED]


def test_a_record_whose_params_have_a_schema_gets_one_too(old, ask_old):
    named = "JSON_SET(origin, '$.params', JSON_OBJECT('schema', 'x'))"
    connection.run(old, lambda cursor: cursor.execute(f"UPDATE {old.database}__v._versions SET origin = {named}"))
    sink = months(old)
    load(sink, "201303", ORIGIN, [(200, "march", None)])
    records = list(sink.records())
    assert [record.origin.params for record in records[:-1]] == [{"schema": "x"}] * 9
    assert [record.schema for record in records] == [sink.declared] * 10


def test_an_owner_who_upgrades_gives_the_records_their_schema(old):
    sink = months(old)
    grants.create(sink, "", "")
    assert [record.schema for record in sink.records()] == [sink.declared] * 9


def test_a_load_clears_what_dead_loads_of_release_0_1_left(old, ask_old):
    sink = months(old)
    load(sink, "201302", ORIGIN, [(101, "february", None)])
    states = [record.state for record in sink.records(partition="201302")]
    assert states == [State.RETIRED, *[State.FAILED] * 4, State.PUBLISHED]
    left = [record.seq for record in sink.records() if record.state.has_rows or record.is_left]
    base = f"{old.database}__v.months__g1"
    assert ask_old(f"SELECT DISTINCT _seq FROM {base} ORDER BY 1") == [(seq,) for seq in left]
    assert ask_old("SELECT name FROM months WHERE id > 99") == [("february",)]


def test_a_whole_dataset_is_upgraded_and_read_by_its_name(old, ask_old):
    load(kinds(old), WHOLE, Origin("Kinds_3", family="Kinds"), [(4, *[None] * 12)])
    catalog = MariaDBCatalog(old, "kinds")
    first, second, third = catalog.records()
    assert [record.state for record in (first, second, third)] == [State.RETIRED, State.RETIRED, State.PUBLISHED]
    assert by_id(catalog.read(second.version)) == whole_kinds()
    assert ask_old("SELECT id, twice FROM kinds") == [(4, 8)]


def test_rolling_back_upgrades_too(old, ask_old):
    catalog = MariaDBCatalog(old, "months")
    dropped, before, *_ = catalog.records()
    head = catalog.head("201301")
    rolled_back = versions.roll_back(catalog, before.version, why="wrong file")
    assert [(p.epoch, p.why) for p in rolled_back.publications] == [(0, ""), (head.epoch + 1, "wrong file")]
    assert catalog.record(head.version).state is State.RETIRED
    assert ask_old("SELECT id FROM months WHERE id < 100 ORDER BY id") == [(0,), (1,), (2,)]
    with pytest.raises(Conflict, match="is dropped; it cannot be published"):
        versions.roll_back(catalog, dropped.version)


def test_pruning_upgrades_too(old):
    catalog = MariaDBCatalog(old, "months")
    _, retired, *_, left = catalog.records()
    for record in (left, retired):
        versions.prune(catalog, record.version, min_age=timedelta(0))
        assert (catalog.count(record.version), catalog.record(record.version).state) == (0, State.DROPPED)


class Cut(Exception):
    """The process ends here."""


class CutCursor:
    """A cursor that ends the process before the statement of a number."""

    def __init__(self, cursor, number):
        self.cursor, self.left = cursor, number

    def execute(self, *args):
        if not self.left:
            raise Cut
        self.left -= 1
        self.cursor.execute(*args)

    def fetchall(self):
        return self.cursor.fetchall()


def cut_upgrade(old, dataset, number):
    """Upgrade a dataset up to a statement; tell whether it came to an end."""
    names = MariaDBCatalog(old, dataset).names
    try:
        connection.run(old, lambda cursor: creation.upgrade(CutCursor(cursor, number), names))
    except Cut:
        return False
    return True


@pytest.mark.parametrize("dataset", ["months", "kinds"])
def test_a_crash_anywhere_leaves_all_as_it_was_and_the_next_upgrade_ends_it(old, ask_old, dataset):
    for number in range(50):
        ended = cut_upgrade(old, dataset, number)
        holds_what_it_held(old)
        assert ask_old("SELECT id, name FROM months ORDER BY id") == SEEN_MONTHS
        assert ask_old("SELECT id, twice FROM kinds ORDER BY id") == SEEN_KINDS
        if ended and number > 10:
            break
    assert ended
    load(months(old), "201301", ORIGIN, [(1, "new", None)])
    load(kinds(old), WHOLE, Origin("Kinds_3", family="Kinds"), [(4, *[None] * 12)])


OLD_COLUMNS = "dataset, part, state, staged_at, update_id, origin, lease"


def add_as_an_old_release(ask_old, old, dataset, id_):
    """Register a version as a loader of release 0.1 does."""
    versions_table = f"{old.database}__v._versions"
    ask_old(
        f"INSERT INTO {versions_table} ({OLD_COLUMNS}, id) SELECT {OLD_COLUMNS.replace('state', repr('staged'))},"
        f" '{id_}' FROM {versions_table} WHERE dataset = '{dataset}' ORDER BY seq LIMIT 1 RETURNING id"
    )


@pytest.mark.parametrize("dataset", ["months", "kinds"])
def test_what_a_crash_after_the_rename_leaves_is_done_by_the_next_upgrade(old, ask_old, dataset):
    renamed = f"SHOW COLUMNS FROM {dataset}__head LIKE 'partition'"
    left = f"SELECT id FROM {old.database}__v._versions WHERE dataset = '{dataset}' AND state <> 'moved'"
    view = f"SHOW CREATE VIEW {dataset}"
    first, number = ask_old(view)[0][1].replace("`part`", "`partition`"), 0
    while not ask_old(renamed):
        assert not cut_upgrade(old, dataset, number := number + 1)
    for number in range(40):
        new = f"v20261120t2116{number:02}_k7f3q2"
        add_as_an_old_release(ask_old, old, dataset, new)
        if ended := cut_upgrade(old, dataset, number):
            break
        assert new in {record.version.id for record in MariaDBCatalog(old, dataset).records()} or ask_old(left)
    assert (ended, number > 2, ask_old(left), ask_old(view)[0][1]) == (True, True, [], first)
    assert new in {record.version.id for record in MariaDBCatalog(old, dataset).records()}


class CountingCursor(CutCursor):
    """A cursor that keeps the statements."""

    def __init__(self, cursor):
        super().__init__(cursor, 1_000)
        self.statements = []

    def execute(self, *args):
        self.statements.append(args[0])
        super().execute(*args)


def test_a_dataset_that_never_was_in_format_1_costs_an_upgrade_one_statement(settings, table):
    sink = MariaDBSink(settings, table, parse_schema(table, MONTHS))
    load(sink, WHOLE, ORIGIN, [(1, "one", None)])
    counted = []

    def upgrade(cursor):
        counted.append(CountingCursor(cursor))
        creation.upgrade_format_1(counted[-1], sink.names)

    connection.run(settings, upgrade)
    assert len(counted[-1].statements) == 1


def test_a_look_that_an_upgrade_overtakes_is_taken_again(old, monkeypatch):
    catalog = MariaDBCatalog(old, "months")
    before, looks, look = list(catalog.records()), [], format_1.look

    def overtaken(cursor, names):
        looks.append(look(cursor, names))
        if len(looks) == 1:
            cut_upgrade(old, "months", 1000)
        return looks[-1]

    for moved in (True, False):  # before and after the pointer's column is renamed
        monkeypatch.setattr(format_1, "look", overtaken if moved else look)
        assert [record.version for record in catalog.records()] == [record.version for record in before]
        assert catalog.head("201301").version == before[3].version


def test_a_login_that_may_not_see_where_records_went_is_told_so_and_not_that_there_are_none(old, ask_old, monkeypatch):
    number = 0
    while not ask_old(f"SELECT 1 FROM {old.database}__v._versions WHERE state = 'moved'"):
        cut_upgrade(old, "months", number := number + 1)
    monkeypatch.setattr(format_1, "look", lambda *_: format_1.Tables("part", has_log=False))
    with pytest.raises(Unavailable, match="run `luigi-sinks create` as the owner"):
        list(MariaDBCatalog(old, "months").records())
    assert [record.seq for record in MariaDBCatalog(old, "kinds").records()] == [10, 11]


@contextmanager
def always(look, wanted):
    """See, in a thread beside the block, that a look always gives the same."""
    ended, found = threading.Event(), []

    def watch():
        try:
            while not ended.is_set() and not found:
                found.extend([seen] if (seen := look()) != wanted else [])
        except Exception as error:  # noqa: BLE001 - a thread's error is the test's error
            found.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert found == []


def test_loads_and_readers_at_once_lose_nothing_to_the_upgrade(old, reading):
    def load_one(number):
        load(months(old), f"2013{number:02}", ORIGIN, [(1000 + number, "new", None)])

    def upgrade():
        connection.run(old, creation.upgrade, kinds(old).names)

    catalog = MariaDBCatalog(old, "months")
    january = catalog.head("201301").version
    with (
        reading(old) as first,
        reading(old) as second,
        always(lambda: first("SELECT id, name FROM months WHERE id < 200 ORDER BY id"), SEEN_MONTHS),
        always(lambda: second("SELECT id, twice FROM kinds ORDER BY id"), SEEN_KINDS),
        always(lambda: [record.seq for record in catalog.records()][:9], list(range(1, 10))),
        always(lambda: catalog.head("201301").version, january),
    ):
        run_together([*(partial(load_one, number) for number in range(3, 7)), upgrade, upgrade])
    loaded = list(catalog.records())[9:]
    assert {record.version.partition for record in loaded} == {"201303", "201304", "201305", "201306"}


def test_readers_see_the_same_while_an_upgrade_that_came_too_late_goes_on(old, ask_old, monkeypatch):
    names = kinds(old).names
    before = connection.run(old, format_1.look, names)
    assert cut_upgrade(old, "kinds", 1_000)
    late, ended, look = [], [], format_1.look
    monkeypatch.setattr(format_1, "look", lambda *args: late.pop() if late else look(*args))
    while not any(ended):
        late.append(before)
        ended.append(cut_upgrade(old, "kinds", len(ended)))
        assert ask_old("SELECT id, twice FROM kinds ORDER BY id") == SEEN_KINDS
    assert len(ended) > 5


@pytest.mark.parametrize("newer", [3, 10])
def test_a_registry_of_a_newer_release_is_left_alone(settings, table, ask, newer):
    sink = MariaDBSink(settings, table, parse_schema(table, MONTHS))
    for number in (1, 2):
        load(sink, WHOLE, ORIGIN, [(number, "one", None)])
    before = list(sink.records())
    ask(f"ALTER TABLE {sink.names.log} COMMENT = 'luigi_sinks registry, format {newer}'")
    for change in (
        lambda: load(sink, WHOLE, ORIGIN, [(1, "one", None)]),
        lambda: versions.roll_back(sink, before[0].version),
        lambda: versions.prune(sink, before[0].version, min_age=timedelta(0)),
        lambda: sink.delete_rows(before[0].version),
    ):
        with pytest.raises(SinkError, match=f"format {newer}, newer than this luigi_sinks; install a newer one"):
            change()
    assert list(sink.records()) == before
    assert list(sink.read(before[0].version)) == [{"id": 1, "name": "one", "amount": None}]


def test_what_a_failed_first_load_of_release_0_1_froze_can_be_loaded(old, ask_old):
    sink = frozen(old)
    load(sink, WHOLE, Origin("Frozen_1", family="Frozen"), [(1, "one", 0.5)])
    assert ask_old("SELECT * FROM frozen") == [(1, "one", 0.5)]
    assert [record.state for record in sink.records()] == [State.FAILED, State.PUBLISHED]


def test_a_record_that_a_hostile_login_wrote_is_named_and_runs_nothing(settings, table, ask, forge):
    sink = MariaDBSink(settings, table, parse_schema(table, MONTHS))
    load(sink, WHOLE, ORIGIN, [(1, "one", None)])
    version = sink.head(WHOLE).version
    for columns in ({"id`, (SELECT 1) AS `x": {"type": "INTEGER"}}, {"id": {"type": "x'); DROP TABLE y; --"}}, {}, [1]):
        forge(sink, version, schema={"columns": columns})
        if columns == {"id": {"type": "x'); DROP TABLE y; --"}}:
            assert list(sink.read(version)) == [{"id": 1}]
            continue
        with pytest.raises(Exception, match=r"Unknown column|record names"):
            list(sink.read(version))
    ask(f"UPDATE {sink.names.log} SET record = JSON_SET(record, '$.version.dataset', 'another', '$.version.id', 'x')")
    assert sink.head(WHOLE).version == version
    ask(f"UPDATE {sink.names.log} SET record = '{{}}'")
    with pytest.raises(Exception, match="record 1 of the registry cannot be read"):
        sink.head(WHOLE)


@pytest.mark.parametrize("forged", ["JSON", "json(1)", "UUID", "TIME"])
@pytest.mark.parametrize("column", ["id", "name", "amount"])
def test_a_type_that_a_hostile_login_wrote_is_named_with_its_column(settings, table, forge, forged, column):
    sink = MariaDBSink(settings, table, parse_schema(table, MONTHS))
    load(sink, WHOLE, ORIGIN, [(1, "one", 1.5)])
    version = sink.head(WHOLE).version
    columns = {
        name: {**each, "type": forged if name == column else each["type"]}
        for name, each in sink.declared["columns"].items()
    }
    forge(sink, version, schema={"columns": columns})
    with pytest.raises(
        SinkError, match=re.escape(f"{version}: column '{column}' does not hold {forged}, as its record")
    ):
        list(MariaDBCatalog(settings, table).read(version))


def test_the_record_of_an_upgraded_version_is_changed_by_the_rules(old):
    catalog = MariaDBCatalog(old, "months")
    staged = next(record for record in catalog.records() if record.state is State.STAGED)
    assert catalog.change(staged.version, rules.abandon).state is State.ABANDONED
    assert catalog.record(staged.version).origin == staged.origin
