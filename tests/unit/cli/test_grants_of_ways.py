"""What `luigi-sinks grants` prints for a query over other tables, and for graphs that are changed in place."""

import shutil
import sys

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app
from tests.unit.cli.test_grants_of_marks import CFG

QUERY = """
import luigi
from sqlalchemy import BigInteger, Column, String
from luigi_sinks import mariadb

class Carriers(mariadb.QueryToTable):
    month = luigi.MonthParameter()
    owner = "ops"
    partition_by = ("month",)
    table = "carriers"
    columns = [Column("carrier", String(2), primary_key=True), Column("flights", BigInteger)]
    query = "SELECT carrier, COUNT(*) AS flights FROM {departures} GROUP BY carrier"
"""
IN_PLACE = """
import luigi
from luigi_sinks import neo4j

class Base(neo4j.RunCypher):
    owner = "ops"

class Visits(Base):
    day = luigi.DateParameter()
    graph = "visits"
    cypher = "UNWIND $rows AS row CREATE (:Visit {id: row.id})"

class Airports(neo4j.MergeIntoGraph):
    region = luigi.Parameter()
    owner = "net"
    partition_by = ("region",)
    graph = "network"
    nodes = (neo4j.Node("Airport", key="faa", properties={"faa": str}),)
    relationships = (neo4j.Relationship("ROUTE", "Airport", "Airport"),)
"""


@pytest.fixture
def grants(luigi_cfg, tmp_path, monkeypatch):
    """Return a function that prints the grants of a module with this text."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(tasks, *options):
        sys.modules.pop("tasks_of_ways", None)
        (tmp_path / "tasks_of_ways.py").write_text(tasks)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        luigi_cfg(f"{CFG}[luigi_sinks.owner.net]\n")
        return CliRunner().invoke(app, ["grants", "tasks_of_ways", *options], catch_exceptions=False)

    yield run
    sys.modules.pop("tasks_of_ways", None)


def test_a_query_needs_to_read_the_tables_in_braces_and_no_more_of_them(grants):
    printed = grants(QUERY, "--format", "sql").stdout.splitlines()
    assert [line for line in printed if "departures" in line] == [
        "GRANT SELECT ON `flights`.`departures__head` TO `flight_ops`;",
        "GRANT SELECT ON `flights__v`.`departures__g1` TO `flight_ops`;",
        "GRANT SELECT ON `flights__v`.`departures__log` TO `flight_ops`;",
    ]
    assert any("`carriers__add` TO `flight_ops`;" in line for line in printed)


def test_a_query_that_is_computed_for_each_task_leaves_the_task_out(grants):
    computed = QUERY.replace("query = ", "query = property(lambda self: ").replace('BY carrier"\n', 'BY carrier")\n')
    assert "Carriers is left out: its query is computed for each task" in grants(computed, "--format", "sql").stderr


def test_a_graph_that_is_changed_in_place_needs_its_plain_names_its_mark_and_its_run(grants):
    printed = grants(IN_PLACE, "--format", "cypher").stdout.splitlines()
    for right in ("MATCH {*}", "CREATE", "SET PROPERTY {*}", "DELETE"):
        for what in ("NODES `Airport`", "RELATIONSHIPS `ROUTE`"):
            assert f"GRANT {right} ON GRAPH `neo4j` {what} TO `net`;" in printed
    for role in ("net", "ops"):
        assert f"GRANT CREATE ON GRAPH `neo4j` NODES `_SinkRun` TO `{role}`;" in printed
        assert f"GRANT CREATE ON GRAPH `neo4j` NODES `_SinkMark` TO `{role}`;" in printed
        assert f"GRANT CONSTRAINT MANAGEMENT ON DATABASE `neo4j` TO `{role}_owner`;" in printed
    assert not any("_SinkVersion" in line or "__v" in line for line in printed)
