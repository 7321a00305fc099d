"""An ordinary table becomes a dataset while others read it, and goes on or back after whatever happens."""

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import partial

import luigi
import mariadb as driver_module
import pytest
from luigi.configuration import get_config
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Time,
)

from luigi_sinks import Conflict, Origin, dropping, load, versions
from luigi_sinks.adoption import adopt
from luigi_sinks.errors import BadSetting, CheckFailed, Unavailable
from luigi_sinks.mariadb import MariaDBCatalog, MariaDBSink, adoption, driver, parse_schema
from luigi_sinks.mariadb.adoption import ExistingTable
from luigi_sinks.version import WHOLE
from tests.integration.mariadb.conftest import plain_connection

COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(20))]
ORIGIN = Origin("Orders_1", family="Orders")
ROWS = 1_000


@pytest.fixture
def existing(settings, ask, table):
    """A table with rows, as found under the name of a dataset."""
    ask(f"CREATE TABLE {table} (id INT PRIMARY KEY, name VARCHAR(20))")
    ask(f"INSERT INTO {table} SELECT seq, CONCAT('name ', seq) FROM seq_1_to_{ROWS}")
    return ExistingTable(MariaDBSink(settings, table, parse_schema(table, COLUMNS)))


def count(ask, table):
    ((found,),) = ask(f"SELECT COUNT(*) FROM {table}")
    return found


def kind(ask, table):
    found = ask(
        "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", table
    )
    return found[0][0] if found else None


def test_a_table_becomes_the_first_version_and_is_kept_under_another_name(existing, ask, table):
    before = ask(f"SELECT * FROM {table} ORDER BY id")
    adopted = adopt(existing, WHOLE, ORIGIN)
    assert ask(f"SELECT * FROM {table} ORDER BY id") == before
    assert (kind(ask, table), kind(ask, f"{table}__old")) == ("VIEW", "BASE TABLE")
    assert (adopted.record.seq, adopted.record.rows, adopted.record.origin) == (1, ROWS, ORIGIN)
    assert f"`{table}__old` until you drop it" in adopted.kept
    assert [check.name for check in adopted.record.checks] == ["complete", "unchanged"]
    load(existing.of, WHOLE, ORIGIN, [(7, "new")])
    assert ask(f"SELECT * FROM {table}") == [(7, "new")]
    versions.roll_back(existing.of, adopted.record.version)
    assert ask(f"SELECT * FROM {table} ORDER BY id") == before


def test_a_key_of_several_columns_and_no_key_are_copied_in_parts(settings, ask, table, monkeypatch):
    monkeypatch.setattr(adoption, "_PART_ROWS", 70)
    for name, key in ((table, "PRIMARY KEY (b, a)"), (f"{table}_2", "KEY (b)")):
        ask(f"CREATE TABLE {name} (a INT NOT NULL, b VARCHAR(9) NOT NULL, {key})")
        ask(f"INSERT INTO {name} SELECT seq DIV 7, CONCAT(seq MOD 7, 'x') FROM seq_1_to_300")
        is_key = "PRIMARY" in key
        columns = [Column("a", Integer, nullable=False), Column("b", String(9), nullable=False)]
        declared = Table(name, MetaData(), *columns, PrimaryKeyConstraint("b", "a") if is_key else Index("k", "b"))
        before = ask(f"SELECT * FROM {name} ORDER BY a, b")
        sink = MariaDBSink(settings, name, parse_schema(name, declared))
        adopt(ExistingTable(sink), WHOLE, ORIGIN)
        assert ask(f"SELECT * FROM {name} ORDER BY a, b") == before


def test_a_key_that_is_not_sorted_as_it_is_compared_is_copied_whole(settings, ask, table, monkeypatch):
    monkeypatch.setattr(adoption, "_PART_ROWS", 2)
    ask(f"CREATE TABLE {table} (id ENUM('z', 'b', 'y', 'a') PRIMARY KEY)")
    ask(f"INSERT INTO {table} VALUES ('a'), ('b'), ('y'), ('z')")
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("id", Enum("z", "b", "y", "a"), primary_key=True)]))
    assert adopt(ExistingTable(sink), WHOLE, ORIGIN).record.rows == 4


def read(place, table, hold, stop, found):
    """Read a table, in transactions that are held for so long, until the event is set."""
    get_config().read_dict(place["sections"])
    seen, longest = Counter(), 0.0
    with closing(plain_connection(place["settings"])) as connection, connection.cursor() as cursor:
        connection.select_db(place["settings"].database)
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        while not stop.is_set():
            start = time.monotonic()
            try:
                if hold:
                    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                    time.sleep(random.uniform(0, hold))
                cursor.execute(f"SELECT COUNT(*), SUM(id) FROM {table}")
                seen[tuple(map(int, cursor.fetchone()))] += 1
            except driver_module.Error as error:
                seen[str(error)] += 1
            if hold:
                cursor.execute("ROLLBACK")
            if seen.total() == 1:
                found.send("reading")
            longest = max(longest, time.monotonic() - start)
    found.send((hold, seen, longest))


@pytest.mark.parametrize("times", [int(os.environ.get("LUIGI_SINKS_ADOPTIONS", "3"))])
def test_readers_see_the_same_rows_all_the_time(settings, ask, table, times):
    processes = multiprocessing.get_context("forkserver")
    sections = {name: dict(get_config().items(name)) for name in get_config().sections() if "luigi_sinks" in name}
    place = {"sections": sections, "settings": settings}
    for number in range(times):
        name = f"{table}_{number}"
        ask(f"CREATE TABLE {name} (id INT PRIMARY KEY, name VARCHAR(20))")
        ask(f"INSERT INTO {name} SELECT seq, 'x' FROM seq_1_to_{ROWS}")
        stop, readers = processes.Event(), []
        for hold in (0, 0.05, 1):
            ours, theirs = processes.Pipe(duplex=False)
            readers.append((ours, processes.Process(target=read, args=(place, name, hold, stop, theirs))))
        for _, process in readers:
            process.start()
        for ours, _ in readers:
            assert ours.recv() == "reading"
        time.sleep(0.5)
        adopt(ExistingTable(MariaDBSink(settings, name, parse_schema(name, COLUMNS))), WHOLE, ORIGIN)
        time.sleep(1.5)
        stop.set()
        for ours, process in readers:
            hold, seen, longest = ours.recv()
            process.join()
            assert set(seen) == {(ROWS, ROWS * (ROWS + 1) // 2)}, (hold, seen)
            assert longest < hold + 5, hold


def test_rows_that_are_written_while_it_is_copied_are_not_lost(existing, ask, table, monkeypatch):
    copy = ExistingTable.copy
    monkeypatch.setattr(
        ExistingTable, "copy", lambda *each: (copy(*each), ask(f"INSERT INTO {table} VALUES (0, 'late')"))
    )
    with pytest.raises(CheckFailed, match="1000 rows were copied, and others are there now; stop what writes to it"):
        adopt(existing, WHOLE, ORIGIN)
    assert (kind(ask, table), count(ask, table)) == ("BASE TABLE", ROWS + 1)
    monkeypatch.undo()
    assert adopt(existing, WHOLE, ORIGIN).record.rows == ROWS + 1
    assert count(ask, table) == ROWS + 1


def test_rows_that_are_changed_just_before_the_view_takes_its_place_bring_the_table_back(
    existing, ask, table, monkeypatch
):
    swap = ExistingTable._swap
    change = f"UPDATE {table} SET name = 'late' WHERE id = 7"
    monkeypatch.setattr(ExistingTable, "_swap", lambda *each: (ask(change), swap(*each)))
    with pytest.raises(Conflict, match="after it was copied, so readers see it as before; stop what writes to it"):
        adopt(existing, WHOLE, ORIGIN)
    assert kind(ask, table) == "BASE TABLE"
    assert ask(f"SELECT name FROM {table} WHERE id = 7") == [("late",)]
    monkeypatch.undo()
    adopt(existing, WHOLE, ORIGIN)
    assert ask(f"SELECT name FROM {table} WHERE id = 7") == [("late",)]


def test_an_adoption_that_is_given_up_leaves_the_table_and_nothing_else(existing, ask, table, monkeypatch):
    monkeypatch.setattr(ExistingTable, "give_way", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        adopt(existing, WHOLE, ORIGIN)
    assert (kind(ask, table), kind(ask, f"{table}__next")) == ("BASE TABLE", "VIEW")
    dropping.drop_dataset(existing.of, really=table)
    assert (kind(ask, table), kind(ask, f"{table}__next")) == ("BASE TABLE", None)
    assert count(ask, table) == ROWS
    monkeypatch.undo()
    assert adopt(existing, WHOLE, ORIGIN).record.seq == 1


def test_who_writes_to_the_table_later_is_refused(existing, ask, table):
    adopt(existing, WHOLE, ORIGIN)
    with pytest.raises(driver_module.Error):
        ask(f"INSERT INTO {table} VALUES (0, 'late')")
    assert count(ask, table) == ROWS


def test_an_open_transaction_that_would_find_no_rows_is_waited_for(existing, ask, table, settings):
    with closing(plain_connection(settings)) as old, old.cursor() as cursor:
        old.select_db(settings.database)
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        impatient = ExistingTable(MariaDBSink(replace(settings, patience=1.0), table, existing.of.schema))
        with pytest.raises(Unavailable, match=r"the transaction of session \d+, open since .*, would find no rows"):
            adopt(impatient, WHOLE, ORIGIN)
        cursor.execute(f"SELECT COUNT(*) FROM {table}")
        assert cursor.fetchone() == (ROWS,)
    adopt(existing, WHOLE, ORIGIN)
    assert [record.rows for record in existing.of.records()] == [ROWS], "the copy was used"


def test_after_a_kill_at_any_statement_a_rerun_adopts_it(settings, ask, table):
    number, ended = 1, None
    while ended != 0:
        name = f"{table}_{number}"
        ask(f"CREATE TABLE {name} (id INT PRIMARY KEY, name VARCHAR(20))")
        ask(f"INSERT INTO {name} SELECT seq, 'x' FROM seq_1_to_20")
        existing = ExistingTable(MariaDBSink(settings, name, parse_schema(name, COLUMNS)))
        ended = killed_at(number, partial(adopt, existing, WHOLE, ORIGIN))
        assert count(ask, name) == 20, number
        if kind(ask, f"{name}__old") is None:
            adopt(existing, WHOLE, ORIGIN)
        assert (kind(ask, name), kind(ask, f"{name}__old"), count(ask, name)) == ("VIEW", "BASE TABLE", 20), number
        assert MariaDBCatalog(settings, name).head(WHOLE).record.rows == 20
        assert versions.sweep(existing.of) == []
        number += 1 if os.environ.get("LUIGI_SINKS_KILLS") == "every" else 7
    assert number > 40, "it sends fewer statements than were killed"


def killed_at(number, act):
    """Run a function in a child that dies before it sends this statement; return how the child ended."""
    child = os.fork()
    if not child:
        counted, execute = iter(range(1, number)), driver.Cursor.execute

        def execute_or_die(*args, **kwargs):
            if next(counted, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(*args, **kwargs)

        driver.Cursor.execute = execute_or_die
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize(
    ("ddl", "refusal"),
    [
        ("CREATE TABLE {0} (id INT PRIMARY KEY)", r"has the columns \['id'\], and the task declares \['id', 'name'\]"),
        ("CREATE TABLE {0} (id INT PRIMARY KEY, name SET('a'))", r"declare what is there, as `luigi-sinks declare"),
        ("CREATE VIEW {0} AS SELECT 1 AS id, 'a' AS name", "is not an ordinary table"),
        (
            "CREATE TABLE {0} (id INT PRIMARY KEY, name VARCHAR(20)); CREATE TABLE {0}_c (id INT REFERENCES {0} (id))",
            "none can refer to a view; drop it",
        ),
        ("CREATE TABLE {0} (id INT PRIMARY KEY, name VARCHAR(20)); CREATE TABLE {0}__old (id INT)", "rename it"),
        ("CREATE TABLE {0} (id INT PRIMARY KEY, name VARCHAR(20), KEY k (name))", r"KEY \(`name`\) is not declared"),
        (
            "CREATE TABLE {0} (id INT PRIMARY KEY, name VARCHAR(20) UNIQUE)",
            r"UNIQUE KEY \(`name`\) is not declared\. .*; declare what is there",
        ),
        ("CREATE TABLE {0} (id INT, name VARCHAR(20))", r"PRIMARY KEY \(`id`\) is declared, and not there"),
        (
            "CREATE TABLE {0} (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL)",
            r"'name' is varchar\(20\) NOT NULL, and is declared as varchar\(20\)\.",
        ),
        (
            "CREATE TABLE {0} (id INT PRIMARY KEY, name VARCHAR(20)) COLLATE utf8mb4_bin",
            "'name' is .*utf8mb4_bin, and is declared as varchar",
        ),
        ("CREATE TABLE {0} (id BIGINT PRIMARY KEY, name VARCHAR(20))", "'id' is bigint.*, and is declared as int"),
    ],
)
def test_what_cannot_be_adopted_is_refused_and_stays(settings, ask, table, ddl, refusal):
    for statement in ddl.format(table).split(";"):
        ask(statement)
    before = kind(ask, table)
    with pytest.raises(BadSetting, match=refusal):
        adopt(ExistingTable(MariaDBSink(settings, table, parse_schema(table, COLUMNS))), WHOLE, ORIGIN)
    assert kind(ask, table) == before
    assert list(MariaDBCatalog(settings, table).records()) == []


@pytest.mark.parametrize(
    ("type_", "ddl", "good", "value", "reason"),
    [
        (Time(), "TIME", "23:59:59", "25:30:00", "'25:30:00', which is no time of a day in whole seconds"),
        (Time(), "TIME", "23:59:59", "-01:00:00", "'-01:00:00', which is no time of a day in whole seconds"),
        (Date(), "DATE", "2012-02-29", "0000-00-00", "'0000-00-00', which is no date of the calendar"),
        (Date(), "DATE", "2012-02-29", "2013-02-00", "'2013-02-00', which is no date of the calendar"),
        (Date(), "DATE", "2012-02-29", "2013-02-31", "'2013-02-31', which is no date of the calendar"),
        (Date(), "DATE", "2012-02-29", "0000-01-01", "'0000-01-01', which is no date of the calendar"),
        (
            DateTime(),
            "DATETIME",
            "9999-12-31 23:59:59",
            "0000-00-00 00:00:00",
            "'0000-00-00 00:00:00', which is no time of the calendar in whole seconds",
        ),
        (JSON(), "JSON", '["1E400", 1e308]', '{"1E400": [-12E398]}', "which has a number that no float can hold"),
        (JSON(), "JSON", "-1.7976931348623157e308", "1" * 400, "which has a number that no float can hold"),
    ],
)
def test_values_that_would_be_read_as_others_are_not_adopted(settings, ask, table, type_, ddl, good, value, reason):
    ask("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
    ask(f"CREATE TABLE {table} (id INT PRIMARY KEY, x {ddl})")
    ask(f"INSERT INTO {table} VALUES (1, ?), (2, NULL), (3, ?)", good, value)
    columns = [Column("id", Integer, primary_key=True), Column("x", type_)]
    existing = ExistingTable(MariaDBSink(settings, table, parse_schema(table, columns)))
    with pytest.raises(BadSetting, match=f"has in column 'x' the value .*{reason}; correct it, or declare a type that"):
        adopt(existing, WHOLE, ORIGIN)
    assert kind(ask, table) == "BASE TABLE"
    ask(f"DELETE FROM {table} WHERE id = 3")
    assert adopt(existing, WHOLE, ORIGIN).record.rows == 2


def test_a_row_that_the_server_does_not_take_again_is_named_as_one_of_the_table(settings, ask, table):
    ask(f"CREATE TABLE {table} (id INT PRIMARY KEY, doc JSON)")
    ask("SET check_constraint_checks = 0")
    ask(f"INSERT INTO {table} VALUES (1, '[]'), (2, 'no JSON')")
    columns = [Column("id", Integer, primary_key=True), Column("doc", JSON)]
    existing = ExistingTable(MariaDBSink(settings, table, parse_schema(table, columns)))
    with pytest.raises(CheckFailed) as caught:
        adopt(existing, WHOLE, ORIGIN)
    assert f"table '{table}': the table that is adopted gives a row that was refused: CONSTRAINT `" in str(caught.value)
    assert f"; correct it there, or declare what is there, as `luigi-sinks declare mariadb:{table}`" in str(
        caught.value
    )
    assert count(ask, table) == 2


def test_numbers_that_are_neither_true_nor_false_are_not_adopted_as_such(settings, ask, table):
    ask(f"CREATE TABLE {table} (id INT PRIMARY KEY, ok TINYINT(1))")
    ask(f"INSERT INTO {table} VALUES (1, 1), (2, NULL), (3, 2)")
    columns = [Column("id", Integer, primary_key=True), Column("ok", Boolean)]
    existing = ExistingTable(MariaDBSink(settings, table, parse_schema(table, columns)))
    with pytest.raises(BadSetting, match=r"column 'ok' is tinyint\(4\), and is declared as bool"):
        adopt(existing, WHOLE, ORIGIN)
    ask(f"DELETE FROM {table} WHERE ok = 2")
    assert adopt(existing, WHOLE, ORIGIN).record.rows == 2


def test_what_versions_do_not_have_is_told(settings, ask, table, command):
    ask(f"CREATE TABLE {table} (id INT PRIMARY KEY DEFAULT 5, name VARCHAR(20)) ENGINE=MyISAM")
    existing = ExistingTable(MariaDBSink(settings, table, parse_schema(table, COLUMNS)))
    assert existing.lost() == ("engine MyISAM", "DEFAULT 5 of column 'id'; rows give its value")
    said = command("Orders", "--dry-run").stdout
    assert said.endswith("its versions would not have: engine MyISAM, DEFAULT 5 of column 'id'; rows give its value\n")


def test_a_hidden_column_partitions_and_a_key_of_the_beginning_of_texts_are_told(settings, ask, table):
    body = "id INT NOT NULL, name VARCHAR(20) NOT NULL, more INT INVISIBLE, PRIMARY KEY (id, name(5))"
    ask(f"CREATE TABLE {table} ({body}) PARTITION BY HASH (id) PARTITIONS 2")
    columns = [Column("id", Integer, nullable=False), Column("name", String(20), nullable=False)]
    columns += [Column("more", Integer)]
    existing = ExistingTable(MariaDBSink(settings, table, parse_schema(table, columns)))
    assert existing.lost() == (
        "PRIMARY KEY with only the beginning of columns: name(5)",
        "INVISIBLE of column 'more'; readers see it",
        "PARTITION BY HASH (`id`)",
    )
    ask(f"INSERT INTO {table} (id, name, more) VALUES (1, 'a', 2)")
    assert adopt(existing, WHOLE, ORIGIN).record.rows == 1
    assert ask(f"SELECT * FROM {table}") == [(1, "a", 2)]


def test_a_load_of_a_table_that_is_there_names_the_command(existing):
    with pytest.raises(BadSetting, match="Adopt its rows by `luigi-sinks adopt MODULE TASK`"):
        load(existing.of, WHOLE, ORIGIN, [(1, "a")])


TASKS = """
import luigi
from luigi_sinks import mariadb
from luigi_sinks.contrib import mysqldb
from sqlalchemy import Column, Integer, String

class Orders(mariadb.CopyToTable):
    table, connection = "{table}", "tests"
    columns = [Column("id", Integer, primary_key=True), Column("name", String(20))]

class Daily(mysqldb.CopyToTable):
    day = luigi.IntParameter()
    table, connection, partition_by = "{table}", "tests", ("day",)
    columns = [("id", "INT PRIMARY KEY"), ("name", "VARCHAR(20)")]

    def rows(self):
        yield 10_000 + self.day, "new"
"""


@pytest.fixture
def command(command_of, table):
    run = command_of(TASKS.format(table=table))

    def adopt_by(task, *options):
        return run("adopt", task, *options)

    adopt_by.module = run.module
    return adopt_by


def test_the_command_makes_what_is_there_the_output_of_a_task_without_parameters(existing, ask, table, command):
    dry = command("Orders", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, f"mariadb:{table} would be adopted as partition _all\n")
    assert kind(ask, table) == "BASE TABLE"
    done = command("Orders")
    (record,) = existing.of.records()
    said = f"mariadb:{table} is adopted: {record.version} has {ROWS} rows; the table is kept as"
    assert (done.exit_code, done.stdout.startswith(said)) == (0, True), done.output
    assert sys.modules[command.module].Orders().complete()
    again = command("Orders")
    assert (again.exit_code, "is not an ordinary table" in again.stderr) == (2, True)


def test_what_daily_tasks_of_luigi_contrib_loaded_is_one_partition_and_none_runs_again(
    existing, ask, table, command, settings
):
    marks = f"marks_{table}"
    ask(f"CREATE TABLE {marks} (update_id VARCHAR(128) PRIMARY KEY, target_table VARCHAR(128), inserted DATETIME)")
    dry = command("Daily", "--dry-run", "--marks", marks, "--json")
    daily = sys.modules[command.module].Daily
    for day in range(3):
        ask(f"INSERT INTO {marks} VALUES (?, ?, NOW())", daily(day=day).task_id, table)
    ask(f"INSERT INTO {marks} VALUES ('other', 'another_table', NOW())")
    assert json.loads(dry.stdout)["marks"] == 0
    done = command("Daily", "--marks", marks, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert (answer["partition"], answer["rows"], answer["marks"]) == ("adopted", ROWS, 3)
    assert daily.bulk_complete(range(5)) == [0, 1, 2]
    assert luigi.build([daily(day=3)], local_scheduler=True, no_lock=True, log_level="WARNING")
    assert count(ask, table) == ROWS + 1
    with pytest.raises(Conflict, match=r"adopted, and readers would see them\s+twice. Withdraw that version first"):
        daily(day=1, rerun="again").run()
    assert count(ask, table) == ROWS + 1
    versions.withdraw(existing.of, existing.of.head("adopted").version)
    assert daily.bulk_complete(range(5)) == [3]
    daily(day=1).run()
    assert (daily.bulk_complete(range(5)), count(ask, table)) == ([1, 3], 2)


def test_nothing_is_adopted_if_there_are_no_marks_where_the_command_is_told_to_look(existing, ask, table, command):
    ended = command("Orders", "--marks", "no_such_table")
    assert (ended.exit_code, "is no table with the columns update_id" in ended.stderr) == (2, True)
    assert (kind(ask, table), list(existing.of.records())) == ("BASE TABLE", [])
