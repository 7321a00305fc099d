"""Markers, kept in SQLite as datasets are; the stores' own tests have the same on real servers."""

import json
import pickle
import sqlite3
from contextlib import closing
from datetime import datetime

import luigi
import pytest
from typer.testing import CliRunner

from luigi_sinks import elasticsearch, listen, mariadb, marks, neo4j, stop_listening
from luigi_sinks.cli.app import app
from luigi_sinks.contrib import esindex, mysqldb
from luigi_sinks.errors import BadSetting, Conflict, SinkError, Unavailable
from luigi_sinks.mark import OldMark
from luigi_sinks.recording.targets import named
from luigi_sinks.sqlite import SQLiteMarks
from luigi_sinks.sqlite.connection import transaction

MARKERS = [mariadb.Marker, elasticsearch.Marker, neo4j.Marker]


def build(*tasks, workers=1):
    return luigi.build(tasks, workers=workers, local_scheduler=True, no_lock=True, log_level="WARNING")


@pytest.mark.parametrize("kind", MARKERS)
@pytest.mark.usefixtures("memory")
class TestMarkers:
    def test_a_marker_exists_once_it_was_touched(self, kind):
        marker = kind("orders", update_id="orders of January")
        assert not marker.exists()
        marker.touch()
        marker.touch()
        assert marker.exists()
        assert not kind("orders", update_id="orders of February").exists()
        assert not kind("others", update_id="orders of January").exists()

    def test_the_id_of_an_output_may_be_of_any_length(self, kind):
        long = "Ω" * 5_000
        kind("orders", update_id=long).touch()
        assert kind("orders", update_id=long).exists()
        assert not kind("orders", update_id=long[1:]).exists()

    def test_a_task_is_known_by_its_id_and_its_secrets_are_not_kept(self, kind, memory):
        class Load(luigi.Task):
            day = luigi.Parameter()
            db_config = luigi.DictParameter(default={"password": "hunter2-hunter2"})

        kind("orders", task=Load(day="1")).touch()
        assert kind("orders", task=Load(day="1")).exists()
        assert not kind("orders", task=Load(day="2")).exists()
        written = b"".join(path.read_bytes() for path in memory.iterdir())
        assert b"hunter2" not in written
        assert b'"day":"1"' in written

    def test_it_can_be_pickled_and_shows_what_it_is(self, kind):
        marker = pickle.loads(pickle.dumps(kind("orders", update_id="first")))
        assert repr(marker) == "Marker(orders, update_id='first')"

    def test_a_marker_without_an_output_or_a_name_is_refused(self, kind):
        with pytest.raises(BadSetting, match="give either task=self, or an update_id"):
            kind("orders")
        with pytest.raises(BadSetting, match="give either task=self, or an update_id"):
            kind("orders", update_id="x", task=luigi.Task())
        with pytest.raises(BadSetting, match="has no name"):
            kind("", update_id="x")
        with pytest.raises(BadSetting, match="updateid is no option; did you mean 'update_id'"):
            kind("orders", updateid="x")

    def test_listeners_are_told_of_a_mark_and_can_stop_it(self, kind):
        told = []
        listener = listen(lambda event: told.append((event.action, event.outcome, str(event.version))))
        marker = kind("orders", update_id="first")
        marker.touch()
        stop_listening(listener)
        assert told == [("touch", "begun", "orders/_all/first"), ("touch", "success", "orders/_all/first")]

        @listen
        def stop(event):
            raise SinkError("not today")

        with pytest.raises(SinkError, match="not today"):
            kind("orders", update_id="second").touch()
        stop_listening(stop)
        assert not kind("orders", update_id="second").exists()

    def test_lineage_knows_it_as_a_plain_dataset(self, kind, memory):
        found = named(kind("orders", update_id="first"))
        assert found.dataset.name == f"{memory}/{kind.store}.sqlite/orders"
        assert not found.is_versioned

    def test_a_file_that_cannot_be_read_is_an_error_and_not_an_answer(self, kind, memory, monkeypatch):
        monkeypatch.setattr(SQLiteMarks, "patience", 0.0)
        memory.mkdir()
        (memory / f"{kind.store}.sqlite").mkdir()
        with pytest.raises(Unavailable):
            kind("orders", update_id="first").exists()

    def test_a_mark_of_a_newer_format_is_refused(self, kind, memory):
        marker = kind("orders", update_id="first")
        marker.touch()
        with transaction(memory / f"{kind.store}.sqlite") as db:
            db.execute("UPDATE mark SET body = json_set(body, '$.format', 2)")
        with pytest.raises(SinkError, match="has a mark of format 2, newer than this luigi_sinks"):
            marker.exists()


class Insert(luigi.Task):
    number = luigi.IntParameter()
    fails = False

    def output(self):
        return mariadb.Marker("numbers", task=self)

    def run(self):
        with closing(self.output().connect()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)")
            connection.execute("INSERT INTO numbers VALUES (?)", (self.number,))
            self.output().touch(connection)
            if Insert.fails:
                raise ZeroDivisionError
            connection.commit()


def numbers(memory):
    with transaction(memory / "mariadb.sqlite") as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'numbers'").fetchall():
            return []
        return sorted(number for (number,) in db.execute("SELECT number FROM numbers"))


def test_twelve_tasks_with_two_workers_mark_one_name_without_a_conflict(memory):
    assert build(*(Insert(number) for number in range(12)), workers=2)
    assert numbers(memory) == list(range(12))
    assert all(Insert(number).complete() for number in range(12))


def test_a_task_that_fails_before_its_commit_leaves_neither_its_row_nor_its_mark(memory, monkeypatch):
    monkeypatch.setattr(Insert, "fails", True)
    assert not build(Insert(1))
    assert (numbers(memory), Insert(1).complete()) == ([], False)
    monkeypatch.setattr(Insert, "fails", False)
    assert build(Insert(1))
    assert (numbers(memory), Insert(1).complete()) == ([1], True)


def test_of_two_runs_of_one_output_the_second_gets_a_conflict_and_no_row_is_doubled(memory):
    first, second = (mariadb.Marker("numbers", update_id="January") for _ in range(2))
    with closing(first.connect()) as a, closing(second.connect()) as b:
        a.execute("CREATE TABLE numbers (number INTEGER)")
        a.execute("INSERT INTO numbers VALUES (1)")
        first.touch(a)
        first.touch(a)
        a.commit()
        b.execute("INSERT INTO numbers VALUES (1)")
        with pytest.raises(Conflict, match="numbers: another run committed this output, 'January'; roll back"):
            second.touch(b)
        b.rollback()
    assert numbers(memory) == [1]


@pytest.mark.usefixtures("memory")
def test_a_run_that_began_before_the_other_committed_gets_a_conflict_too():
    marker = mariadb.Marker("numbers", update_id="January")
    with closing(marker.connect()) as a, closing(marker.connect()) as b:
        b.execute("BEGIN")
        b.execute("SELECT count(*) FROM mark").fetchall()
        marker.touch(a)
        a.commit()
        with pytest.raises(Conflict, match="another run committed this output"):
            marker.touch(b)


@pytest.mark.usefixtures("memory")
def test_a_touch_that_is_rolled_back_may_be_repeated():
    marker = mariadb.Marker("numbers", update_id="January")
    with closing(marker.connect()) as connection:
        marker.touch(connection)
        connection.rollback()
        marker.touch(connection)
        connection.commit()
    assert marker.exists()


def test_another_connection_than_that_of_connect_is_refused_where_marks_are_files(memory):
    with pytest.raises(BadSetting, match=r"take the one of connect\(\)"):
        mariadb.Marker("orders", update_id="first").touch(object())


def test_a_file_without_marks_is_upgraded_in_place(memory):
    mariadb.Marker("orders", update_id="first").touch()
    file = memory / "mariadb.sqlite"
    db = sqlite3.connect(file)
    lacks = "ALTER TABLE part DROP COLUMN gaps; ALTER TABLE part DROP COLUMN digest; DROP TABLE mark;"
    db.executescript(f"{lacks} PRAGMA user_version = 3;")
    db.close()
    marker = mariadb.Marker("orders", update_id="first")
    assert not marker.exists()
    marker.touch()
    assert marker.exists()


# Adoption


class Daily(mysqldb.CopyToTable):
    number = luigi.IntParameter()
    table, columns, partition_by = "daily", [("n", "INT")], ("number",)

    def rows(self):
        raise AssertionError("it is complete")


def adopt(memory, olds, store="mariadb", **options):
    return marks.adopt(lambda name: SQLiteMarks(memory, store, name), olds, "table_updates", **options)


def old_marks(tasks, name="daily"):
    return [OldMark(task.task_id, name, datetime(2020, 1, 2)) for task in tasks]


def test_none_of_a_thousand_tasks_with_adopted_marks_runs_again(memory):
    tasks = [Daily(number) for number in range(1_000)]
    assert adopt(memory, old_marks(tasks)) == ({"daily": 1_000}, [])
    assert adopt(memory, old_marks(tasks)) == ({"daily": 1_000}, [])
    assert all(task.complete() for task in tasks)
    assert build(*tasks[:20])
    assert Daily.bulk_complete(range(998, 1_002)) == [998, 999]
    assert all(mariadb.Marker("daily", task=task).exists() for task in tasks[:20])


def test_an_index_of_the_old_dialect_is_complete_by_an_adopted_mark(memory):
    class Items(esindex.CopyToIndex):
        index, mapping = "items", {"n": {"type": "long"}}

    adopt(memory, old_marks([Items()], "items"), "elasticsearch")
    assert Items().complete()


def test_a_task_whose_mark_was_adopted_is_loaded_under_a_label(memory):
    class Again(Daily):
        def rows(self):
            return [(self.number,)]

    adopt(memory, old_marks([Again(1)]))
    with pytest.raises(FileNotFoundError, match="run its task with --rerun LABEL"):
        Again(1).output().rows()
    assert build(Again(1, rerun="into a version"))
    assert list(Again(1).output().rows()) == [{"n": 1}]


def test_a_mark_for_another_table_completes_nothing(memory):
    adopt(memory, old_marks([Daily(1)], "another"))
    assert not Daily(1).complete()


def test_marks_that_cannot_be_taken_over_are_named_and_the_others_are(memory):
    olds = [OldMark("a", ""), OldMark("", "daily"), OldMark("b", "daily")]
    counts, skipped = adopt(memory, olds)
    assert counts == {"daily": 1}
    assert skipped == ["a mark has no name (a)", "a mark has no update_id"]


def test_a_dry_run_takes_nothing_over(memory):
    assert adopt(memory, old_marks([Daily(1)]), is_dry=True) == ({"daily": 1}, [])
    assert not Daily(1).complete()


def test_the_mark_says_where_it_was_adopted_from_and_since_when(memory):
    adopt(memory, old_marks([Daily(1)]))
    with transaction(memory / "mariadb.sqlite") as db:
        ((body,),) = db.execute("SELECT body FROM mark").fetchall()
    kept = json.loads(body)
    assert (kept["adopted_from"], kept["at"], kept["format"]) == ("table_updates", "2020-01-02T00:00:00Z", 1)


def command(*arguments):
    return CliRunner().invoke(app, ["adopt-marks", "table_updates", *arguments])


def test_the_command_needs_a_server(memory):
    done = command("--connection", "mariadb")
    assert (done.exit_code, "is set, and no server to adopt marks from" in done.stderr) == (2, True)


def test_the_command_asks_which_connection_is_meant(luigi_cfg):
    luigi_cfg(
        "[luigi_sinks.mariadb]\nhost = db.internal\n[luigi_sinks.mariadb.old]\nhost = old.internal\n"
        "[luigi_sinks.neo4j]\nhost = graph.internal\n"
    )
    done = command()
    assert done.exit_code == 2
    assert "Give --connection; luigi.cfg has: mariadb, mariadb.old" in done.stderr


def test_a_store_without_old_marks_is_refused(luigi_cfg):
    luigi_cfg("[luigi_sinks.neo4j]\nhost = graph.internal\ncredential = x\n")
    done = command("--connection", "neo4j")
    assert (done.exit_code, "has no marks of luigi.contrib" in done.stderr) == (2, True)
