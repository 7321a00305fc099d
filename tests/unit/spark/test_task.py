"""What a task with a frame may say, and what it would say in vain."""

import subprocess
import sys

import pytest
from luigi.parameter import ParameterException
from sqlalchemy import Column, Integer

from luigi_sinks import NotInstalled
from luigi_sinks.elasticsearch import CopyToIndex
from luigi_sinks.mariadb import CopyToTable, QueryToTable
from luigi_sinks.neo4j import CopyToGraph, Node
from luigi_sinks.spark import SparkCopy

TABLE = {"table": "items", "columns": [Column("id", Integer)]}
INDEX = {"index": "items", "mapping": {"id": {"type": "integer"}}}
GRAPH = {"graph": "items", "nodes": [Node("Item", "id", {"id": int})]}


def task_of(*bases, **attributes):
    return type("Items", bases, {"frame": lambda self, session: session, **attributes})()


@pytest.mark.parametrize(("base", "body"), [(CopyToTable, TABLE), (CopyToIndex, INDEX), (CopyToGraph, GRAPH)])
def test_it_takes_the_settings_of_its_other_base_in_either_order(memory, base, body):
    for bases in ((SparkCopy, base), (base, SparkCopy)):
        task = task_of(*bases, **body)
        assert task.output().name == "items"
        assert type(task).run is SparkCopy.run


@pytest.mark.parametrize("bases", [(SparkCopy, QueryToTable), (QueryToTable, SparkCopy)])
def test_a_frame_that_would_not_be_loaded_is_refused(memory, bases):
    with pytest.raises(ParameterException, match="its frame would not be loaded; the other base of a SparkCopy is"):
        task_of(*bases, **TABLE, query="SELECT 1 AS id")


def test_a_run_of_its_own_is_refused(memory):
    with pytest.raises(ParameterException, match=r"would not be loaded; .* has no run\(\) of its own"):
        task_of(SparkCopy, CopyToTable, **TABLE, run=lambda self: None)


@pytest.mark.parametrize(("base", "body", "name"), [(CopyToTable, TABLE, "rows"), (CopyToIndex, INDEX, "docs")])
def test_rows_that_would_not_be_asked_for_are_refused(memory, base, body, name):
    with pytest.raises(ParameterException, match=rf"{name}\(\) would not be called; return the rows in frame"):
        task_of(SparkCopy, base, **body, **{name: lambda self: []})


def test_the_frame_has_to_be_defined(memory):
    task = type("Items", (SparkCopy, CopyToTable), TABLE)()
    with pytest.raises(NotImplementedError, match=r"define Items\.frame\(session\)"):
        task.frame(None)


def test_a_session_without_pyspark_names_the_extra(memory, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(NotInstalled, match=r"pip install 'luigi-sinks\[spark\]'"):
        task_of(SparkCopy, CopyToTable, **TABLE).session()


def test_importing_the_package_and_making_a_task_imports_no_pyspark():
    program = "import sys; from luigi_sinks.spark import SparkCopy, write; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
