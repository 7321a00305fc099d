"""Marks of luigi.contrib, as its own tables and index hold them, are taken over on the real servers."""

import secrets
from contextlib import closing
from datetime import datetime

import luigi
import pytest
from typer.testing import CliRunner

from luigi_sinks import config, elasticsearch, mariadb
from luigi_sinks.cli.app import app
from luigi_sinks.contrib import esindex, mysqldb
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings

MYSQLDB = """CREATE TABLE {} (
  id BIGINT(20) NOT NULL AUTO_INCREMENT, update_id VARCHAR(128) NOT NULL, target_table VARCHAR(128),
  inserted TIMESTAMP DEFAULT NOW(), PRIMARY KEY (update_id), KEY id (id))"""
SQLA = "CREATE TABLE {} (update_id VARCHAR(128) NOT NULL PRIMARY KEY, target_table VARCHAR(128), inserted DATETIME)"


class Daily(mysqldb.CopyToTable):
    table = luigi.Parameter(significant=False)
    number = luigi.IntParameter()
    columns, partition_by = [("n", "INT")], ("number",)

    def rows(self):
        raise AssertionError("it is complete")


def adopt(source, *options):
    return CliRunner().invoke(app, ["adopt-marks", source, *options], catch_exceptions=False)


@pytest.fixture(params=[MYSQLDB, SQLA], ids=["mysqldb", "sqla"])
def marker_table(request):
    """Make a table of marks as a contrib module does, and return it with what inserts into it."""
    source = f"updates_{secrets.token_hex(4)}"
    with closing(mariadb.Marker(source, update_id="x").connect()) as connection, connection.cursor() as cursor:
        cursor.execute(request.param.format(source))

        def insert(rows):
            values = [(update_id, name, datetime(2020, 1, 2)) for update_id, name in rows]
            cursor.executemany(f"INSERT INTO {source} (update_id, target_table, inserted) VALUES (?, ?, ?)", values)
            connection.commit()

        yield source, insert
        cursor.execute(f"DROP TABLE {source}")


def test_none_of_a_thousand_tasks_runs_again(marker_table):
    source, insert = marker_table
    table = f"daily_{secrets.token_hex(4)}"
    tasks = [Daily(table, number) for number in range(1_000)]
    insert([(task.task_id, table) for task in tasks])
    dry = adopt(source, "--connection", "mariadb", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, f"{table}: 1000 marks would be adopted\n")
    assert not tasks[0].complete()
    for _ in range(2):
        done = adopt(source, "--connection", "mariadb")
        assert (done.exit_code, done.stdout) == (0, f"{table}: 1000 marks adopted\n")
    given = [{"table": table, "number": number} for number in range(998, 1_002)]
    assert Daily.bulk_complete(given) == given[:2]
    assert luigi.build(tasks[:30], local_scheduler=True, no_lock=True, log_level="WARNING")
    assert mariadb.Marker(table, task=tasks[-1]).exists()


def test_a_mark_whose_table_has_another_schema_is_named_and_left_out(marker_table):
    source, insert = marker_table
    table = f"daily_{secrets.token_hex(4)}"
    insert([("a", table), ("b", "x" * 100)])
    done = adopt(source, "--connection", "mariadb")
    assert (done.exit_code, done.stdout) == (1, f"{table}: 1 marks adopted\n")
    assert "left out: 1 marks of xxx" in done.stderr


def test_a_table_that_holds_no_marks_is_refused():
    done = adopt("no_such_table", "--connection", "mariadb")
    assert done.exit_code == 2
    assert "is no table with the columns update_id, target_table and inserted" in done.stderr


def test_the_marks_of_an_index_are_taken_over():
    settings = config.read_connection(ElasticsearchSettings, "elasticsearch")
    source, index = f"update_log_{secrets.token_hex(4)}", f"items_{secrets.token_hex(4)}"

    class Items(esindex.CopyToIndex):
        number = luigi.IntParameter()
        mapping, partition_by = {"n": {"type": "long"}}, ("number",)

    Items.index = index
    lines = []
    for number in range(1_000):
        mark = {"update_id": Items(number).task_id, "target_index": index, "target_doc_type": "entry"}
        lines += [{"index": {}}, {**mark, "date": datetime(2020, 1, 2).isoformat()}]
    ask(settings, lambda es: es.bulk(index=source, operations=lines, refresh=True))
    try:
        done = adopt(source, "--connection", "elasticsearch")
        assert (done.exit_code, done.stdout) == (0, f"{index}: 1000 marks adopted\n")
        assert Items.bulk_complete(range(998, 1_002)) == [998, 999]
        assert elasticsearch.Marker(index, task=Items(7)).exists()
    finally:
        ask(settings, lambda es: es.indices.delete(index=source))
        ask(settings, lambda es: es.indices.delete(index=f"{index}~marks"))


def test_an_index_that_is_not_there_is_refused():
    done = adopt("no_such_index", "--connection", "elasticsearch")
    assert (done.exit_code, "there is no index 'no_such_index'" in done.stderr) == (2, True)
