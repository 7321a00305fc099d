"""Versions that are made of the head and of changed rows, in SQLite files; tasks that make them."""

from datetime import date
from pathlib import Path

import luigi
import pytest
from luigi.parameter import ParameterException
from sqlalchemy import Column, Date, Integer, String

from luigi_sinks import BadSetting, CheckFailed, elasticsearch, mariadb, neo4j
from luigi_sinks.contract import Contract
from luigi_sinks.sqlite import SQLiteSink
from luigi_sinks.testing.changing_suite import ChangingColumnSuite
from tests.changed_tables import ChangedTables
from tests.unit import test_sqlite
from tests.unit.test_sqlite import SHAPE

COLUMNS = [
    Column("day", Date, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("name", String(9)),
]
FIRST, SECOND = date(2013, 1, 1), date(2013, 1, 2)


class TestSQLiteSink(ChangingColumnSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_sink(self, dataset: str) -> SQLiteSink:
        return SQLiteSink(self.folder, "memory", dataset, Contract(dataset, {"": SHAPE}), test_sqlite.COLUMNS)

    with_columns = staticmethod(test_sqlite.with_columns)


@pytest.mark.usefixtures("memory")
class TestLocalTables(ChangedTables):
    pass


class Changed(mariadb.CopyToTable):
    batch = luigi.IntParameter()
    partition_by = ()
    table = "changed"
    columns = COLUMNS
    changes_by_key = True

    def rows(self):
        yield FIRST, self.batch, "new"
        yield SECOND, 0, f"of {self.batch}"

    def deletes(self):
        return [(FIRST, self.batch - 1), {"day": SECOND, "id": 9}]


@pytest.mark.usefixtures("memory")
def test_each_task_changes_what_the_one_before_made():
    for batch in (1, 2):
        task = Changed(batch=batch)
        assert luigi.build([task], local_scheduler=True, log_level="WARNING")
        assert task.complete()
    found = sorted(tuple(row.values()) for row in task.output().rows())
    assert found == [(FIRST, 2, "new"), (SECOND, 0, "of 2")]
    assert [record.rows for record in task.output().sink().records()] == [2, 2]


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (None, "returned None; yield the keys, or return an iterable of them"),
        ("ab", "returned one str; return a list of keys, or yield them"),
        ({"day": FIRST, "id": 1}, "returned one dict; return a list of keys"),
        (5, "returned one int; return a list of keys"),
    ],
)
def test_deletes_that_are_no_keys_are_refused_with_an_explanation(keys, reason):
    Changed(batch=1).run()
    with pytest.raises(CheckFailed, match=rf"Wrong.deletes\(\) {reason}"):
        type("Wrong", (Changed,), {"deletes": lambda self: keys, "shared_with": ("Changed",)})(batch=2).run()


@pytest.mark.usefixtures("memory")
def test_deletes_that_were_partly_read_are_refused():
    Changed(batch=1).run()
    keys = iter([(FIRST, 1), "one", (FIRST, 2)])
    task = type("Begun", (Changed,), {"deletes": lambda self: keys, "shared_with": ("Changed",)})(batch=2)
    for reason in ("values for 2 fields", "an earlier attempt began to read, so keys would be missing"):
        with pytest.raises(CheckFailed, match=reason):
            task.run()


@pytest.mark.usefixtures("memory")
def test_a_target_deletes_only_with_changes_by_key():
    with (
        pytest.raises(BadSetting, match="rows are deleted only from a head that is changed; set changes_by_key"),
        mariadb.MariaDBTarget("changed", columns=COLUMNS, update_id="x").open("w") as writer,
    ):
        writer.delete((FIRST, 1))


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"columns": [Column("id", Integer)]}, "has no key by which changes could replace rows; declare one"),
        ({"older": "superseded"}, "older = 'superseded' would make a version of an older date of a newer head"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(options, reason):
    target = mariadb.MariaDBTarget(
        "changed", **{"columns": COLUMNS, "update_id": "x", "changes_by_key": True, **options}
    )
    with pytest.raises(BadSetting, match=reason):
        target.open("w")


@pytest.mark.usefixtures("memory")
def test_a_target_of_a_graph_refuses_changes():
    airport = neo4j.Node("Airport", key="faa", properties={"faa": str})
    target = neo4j.Neo4jTarget("airports", nodes=[airport], update_id="x", changes_by_key=True)
    with pytest.raises(BadSetting, match=r"changes_by_key is for tables and indices; give all rows"):
        target.open("w")


@pytest.mark.usefixtures("memory")
def test_documents_are_changed_by_their_ids():
    mapping = {"faa": {"type": "keyword"}, "name": {"type": "text"}}
    for number, (given, deleted) in enumerate([(["JFK", "LAX", "EWR"], []), (["JFK"], ["LAX"])]):
        options = {"mapping": mapping, "id_field": "faa", "update_id": f"{number}", "changes_by_key": True}
        target = elasticsearch.ElasticsearchTarget("airports", **options)
        with target.open("w") as writer:
            for faa in given:
                writer.write({"faa": faa, "name": f"of {number}"})
            for faa in deleted:
                writer.delete(faa)
    found = {row["faa"]: row["name"] for row in target.rows()}
    assert found == {"EWR": "of 0", "JFK": "of 1"}


def test_opensearch_refuses_changes(luigi_cfg):
    luigi_cfg("[luigi_sinks.elasticsearch]\nhost = a\ncredential = c\nproduct = opensearch\n")
    options = {"mapping": {"faa": {"type": "keyword"}}, "id_field": "faa", "update_id": "x", "changes_by_key": True}
    with pytest.raises(BadSetting, match=r"changes_by_key needs Elasticsearch, and the connection leads to opensearch"):
        elasticsearch.ElasticsearchTarget("airports", **options).open("w")


def test_deletes_without_changes_by_key_are_refused():
    with pytest.raises(ParameterException, match=r"deletes\(\) would not be called.* set changes_by_key = True"):
        type("Whole", (Changed,), {"changes_by_key": False})(batch=1)


def test_graphs_refuse_changes():
    with pytest.raises(ParameterException, match=r"changes_by_key, deletes: remove it: no version of a graph is made"):
        type("Changing", (neo4j.CopyToGraph,), {"changes_by_key": True, "deletes": lambda self: ()})()
