"""Luigi tasks as users write them, the same on each real store."""

import json
import secrets
import subprocess
import sys
from datetime import date
from pathlib import Path

import luigi
import pytest
from sqlalchemy import Column, Integer, String
from typer.testing import CliRunner

from luigi_sinks import Unavailable, audit, elasticsearch, mariadb, neo4j
from luigi_sinks.cli.app import app
from luigi_sinks.version import State
from tests.killed import killed

JANUARY = date(2013, 1, 1)
GIVEN = {"rows": lambda: rows(10)}


class Monthly(luigi.Task):
    dataset = luigi.Parameter()
    month = luigi.MonthParameter()
    partition_by = ("month",)

    def given(self):
        return GIVEN["rows"]()


class InMariaDB(Monthly, mariadb.CopyToTable):
    columns = [Column("id", Integer, primary_key=True), Column("name", String(20), nullable=False)]

    @property
    def table(self):
        return self.dataset

    def rows(self):
        return self.given()


class InElasticsearch(Monthly, elasticsearch.CopyToIndex):
    mapping = {"id": {"type": "integer"}, "name": {"type": "keyword"}}
    id_field = "id"

    @property
    def index(self):
        return self.dataset

    def docs(self):
        return self.given()


class InNeo4j(Monthly, neo4j.CopyToGraph):
    nodes = [neo4j.Node("Thing", key="id", properties={"id": int, "name": str})]

    @property
    def graph(self):
        return self.dataset

    def rows(self):
        return (("Thing", row) for row in self.given())


@pytest.fixture(params=[InMariaDB, InElasticsearch, InNeo4j], ids=["mariadb", "elasticsearch", "neo4j"])
def january(request, monkeypatch):
    """Return a way to make the task that loads January of a dataset that is new for each test."""
    dataset = f"tasks_{secrets.token_hex(4)}"
    monkeypatch.setitem(GIVEN, "rows", lambda: rows(10))
    return lambda **parameters: request.param(dataset=dataset, month=JANUARY, **parameters)


def rows(count):
    return ({"id": i, "name": f"name {i}"} for i in range(count))


def build(*tasks, **options):
    return luigi.build(tasks, local_scheduler=True, no_lock=True, log_level="WARNING", **options)


def stored(task):
    """Return the rows of the task's output, as plain rows in the order of their ids."""
    found = (row[1] if isinstance(row, tuple) else row for row in task.output().open("r"))
    return sorted((dict(row) for row in found), key=lambda row: row["id"])


def states(task):
    return [record.state for record in task.output().sink().records()]


def test_a_task_is_loaded_once(january):
    assert not january().complete()
    assert build(january())
    assert build(january())
    assert january().complete()
    assert stored(january()) == list(rows(10))
    assert states(january()) == [State.PUBLISHED]


def test_a_rerun_makes_a_new_version_and_keeps_the_old_one(january, monkeypatch):
    assert build(january())
    monkeypatch.setitem(GIVEN, "rows", lambda: rows(7))
    assert build(january(rerun="fewer"))
    assert stored(january()) == list(rows(7))
    assert states(january()) == [State.RETIRED, State.PUBLISHED]


def test_two_workers_load_two_months_at_once(january):
    tasks = [january(), *(january().clone(month=date(2013, month, 1)) for month in (2, 3, 4))]
    assert build(*tasks, workers=2)
    assert all(task.complete() for task in tasks)
    assert type(january()).bulk_complete([{"dataset": january().dataset, "month": task.month} for task in tasks])


def test_rows_that_raise_after_a_hundred_thousand_leave_readers_untouched(january, monkeypatch):
    def broken():
        yield from rows(100_000)
        raise ZeroDivisionError("the source broke")

    assert build(january())
    monkeypatch.setitem(GIVEN, "rows", broken)
    assert not build(january(rerun="broken"))
    assert not january(rerun="broken").complete()
    assert stored(january()) == list(rows(10))
    monkeypatch.setitem(GIVEN, "rows", lambda: rows(12))
    assert build(january(rerun="broken"))
    assert stored(january()) == list(rows(12))


def test_a_one_shot_iterator_is_refused_on_the_second_attempt(january, monkeypatch, caplog):
    half_eaten = iter([*list(rows(3)), None, *list(rows(3))])
    method = "docs" if hasattr(january(), "docs") else "rows"
    monkeypatch.setattr(type(january()), method, lambda task: half_eaten)
    assert not build(january())
    assert not build(january())
    assert "Return a new iterator in each call" in caplog.text
    assert not january().complete()


def test_a_bad_row_is_named_in_luigis_log(january, monkeypatch, caplog):
    monkeypatch.setitem(GIVEN, "rows", lambda: iter([{"id": 1, "name": "one"}, {"id": "2", "name": "two"}]))
    task = january()
    assert not build(task)
    assert f"{task.dataset}: row 2, field 'id': expected a whole number (int)" in caplog.text
    assert "got str '2'; nothing was published" in caplog.text
    monkeypatch.setitem(GIVEN, "rows", lambda: rows(2))
    assert build(january())


def test_no_rows_at_all_are_refused(january, monkeypatch, caplog):
    monkeypatch.setitem(GIVEN, "rows", lambda: rows(0))
    assert not build(january())
    assert "there are no rows; nothing was published" in caplog.text
    assert not january().complete()


def test_a_store_that_is_down_is_an_error_and_never_not_complete(january, store_down):
    with pytest.raises(Unavailable):
        january().complete()


class Elsewhere(luigi.Task):
    """Another scheduler, in its own process, that completes a task before this one comes to run it."""

    family, dataset, config_path = luigi.Parameter(), luigi.Parameter(), luigi.Parameter()
    done = luigi.Parameter()

    def complete(self):
        return Path(self.done).exists()

    def run(self):
        subprocess.run([sys.executable, "-c", second(self.family, self.dataset, self.config_path)], check=True)
        Path(self.done).touch()


def test_a_task_that_another_scheduler_completed_meanwhile_is_not_loaded_again(
    january, luigi_config, tmp_path, monkeypatch
):
    task = january()
    elsewhere = Elsewhere(type(task).__name__, task.dataset, str(luigi_config), str(tmp_path / "done"))
    monkeypatch.setattr(type(task), "requires", lambda _: elsewhere)
    monkeypatch.setitem(GIVEN, "rows", lambda: rows(99))
    assert build(task)
    assert stored(task) == list(rows(10))
    assert states(task) == [State.PUBLISHED]


@pytest.fixture
def audit_log(section, tmp_path):
    """Require an audit log; return the actions and outcomes of its lines about versions."""
    section("audit", path=tmp_path / "audit", required="true")
    audit.forget_settings()

    def lines():
        found = map(json.loads, (tmp_path / "audit").read_text().splitlines())
        return [f"{line['action']} {line['outcome']}" for line in found if "version" in line]

    yield lines
    audit.forget_settings()


@pytest.mark.parametrize("how", ["the next load", "verify"])
def test_a_publication_that_a_killed_process_could_not_log_is_logged_by(how, january, audit_log):
    killed(january().run, "publish")
    assert audit_log() == ["load begun", "load success"]
    if how == "verify":
        assert CliRunner().invoke(app, ["audit", "verify"]).exit_code == 0
    else:
        january(rerun="next").run()
    assert audit_log()[2] == "publish success"
    assert january().complete()


SECOND = """
import sys
sys.path.insert(0, {folder!r})
import luigi
import luigi.configuration
luigi.configuration.add_config_path({config!r})
import test_tasks
task = test_tasks.{family}(dataset={dataset!r}, month=test_tasks.JANUARY)
sys.exit(0 if test_tasks.build(task) else 3)
"""


def second(family, dataset, config_path):
    """Return a program that builds the task of January in another process."""
    names = {"folder": str(Path(__file__).parent), "config": config_path}
    return SECOND.format(family=family, dataset=dataset, **names)


def test_a_second_process_on_the_same_partition_ends_in_conflict(january, luigi_config):
    first = january()
    script = second(type(first).__name__, first.dataset, str(luigi_config))
    with first.output().open("w") as sink:
        for row in rows(5):
            sink.write(("Thing", row) if isinstance(first, InNeo4j) else row)
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert other.returncode == 3
    assert "Conflict" in other.stderr
    assert "is being loaded by pid" in other.stderr
    assert stored(first) == list(rows(5))
    assert states(first) == [State.PUBLISHED]
