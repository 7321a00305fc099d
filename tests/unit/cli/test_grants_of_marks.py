"""What `luigi-sinks grants` prints for markers, and for tasks that adopted marks may complete."""

import json
import shutil
import sys

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app

MARKERS = """
import luigi
from luigi_sinks import elasticsearch, mariadb, neo4j

class Marked(luigi.Task):
    owner = "ops"
    def output(self):
        return [
            mariadb.Marker("orders", task=self),
            elasticsearch.Marker("delays", task=self),
            neo4j.Marker("airports", task=self),
        ]
"""
OLD = """
from luigi_sinks.contrib import mysqldb

class Words(mysqldb.CopyToTable):
    table, columns = "words", [("word", "VARCHAR(64)")]
"""
CFG = """
[luigi_sinks.mariadb]
host = db.internal
database = flights
user = loader
credential = db
[luigi_sinks.elasticsearch]
host = search.internal
credential = db
[luigi_sinks.neo4j]
host = graph.internal
user = loader
credential = db
[luigi_sinks.credential.db]
source = file
path = /run/secrets/db
[luigi_sinks.owner.ops]
mariadb_role = flight_ops
"""
IN_IAM = CFG.replace(
    "credential = db\n[luigi_sinks.neo4j]", "product = opensearch\ncredential = aws\n[luigi_sinks.neo4j]"
) + ("[luigi_sinks.credential.aws]\nsource = sigv4\nregion = eu-west-1\n")
SQL = """\
CREATE DATABASE IF NOT EXISTS `flights__v`;

-- Owner: runs `luigi-sinks create`; do that before you go on.
CREATE ROLE IF NOT EXISTS `flight_ops_owner`;
GRANT CREATE, SELECT ON `flights__v`.`orders__mark` TO `flight_ops_owner`;

-- Loader: adds versions and publishes them; changes and deletes nothing that was published.
CREATE ROLE IF NOT EXISTS `flight_ops`;
GRANT INSERT, SELECT ON `flights__v`.`orders__mark` TO `flight_ops`;
GRANT `flight_ops` TO `loader`;
"""


@pytest.fixture
def grants(luigi_cfg, tmp_path, monkeypatch):
    """Return a function that prints the grants of a module with this text."""
    monkeypatch.syspath_prepend(tmp_path)
    module = "tasks_of_marks"

    def run(tasks, *options, cfg=CFG):
        sys.modules.pop(module, None)
        (tmp_path / f"{module}.py").write_text(tasks)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        luigi_cfg(cfg)
        return CliRunner().invoke(app, ["grants", module, *options], catch_exceptions=False)

    yield run
    sys.modules.pop(module, None)


def test_a_marker_in_mariadb_needs_its_table_alone(grants):
    assert grants(MARKERS, "--format", "sql").stdout.startswith(SQL)


def test_a_marker_in_elasticsearch_needs_its_index_alone(grants):
    roles = json.loads(grants(MARKERS, "--format", "elasticsearch").stdout)["roles"]
    assert {name: role["indices"] for name, role in roles.items()} == {
        "ops": [
            {
                "names": ["delays~marks"],
                "privileges": [
                    "indices:data/write/bulk*",
                    "indices:data/write/index:op_type/create",
                    "read",
                    "view_index_metadata",
                ],
            }
        ],
        "ops_owner": [{"names": ["delays~marks"], "privileges": ["indices:admin/create", "view_index_metadata"]}],
    }


def test_a_marker_in_opensearch_needs_the_paths_of_its_index_alone(grants):
    policies = json.loads(grants(MARKERS, "--format", "iam", cfg=IN_IAM).stdout)["policies"]
    allowed = [each for each in policies["ops"]["Statement"] if each["Effect"] == "Allow"]
    paths = {path.partition("/")[2].partition("/")[2] for each in allowed for path in each["Resource"]}
    assert paths == {"delays~marks", "delays~marks/_bulk", "delays~marks/_mget"}


def test_a_marker_in_neo4j_needs_nodes_of_one_label(grants):
    printed = grants(MARKERS, "--format", "cypher").stdout
    assert "GRANT CREATE ON GRAPH `neo4j` NODES `_SinkMark` TO `ops`;" in printed
    assert "DENY DELETE ON GRAPH `neo4j` NODES `_SinkMark` TO `ops`;" in printed
    assert "GRANT CONSTRAINT MANAGEMENT ON DATABASE `neo4j` TO `ops_owner`;" in printed
    assert "_SinkVersion" not in printed


def test_a_task_of_an_old_dialect_may_also_read_the_marks_that_were_adopted_for_its_table(grants):
    printed = grants(OLD, "--format", "sql").stdout
    assert "ON `flights__v`.`words__mark` TO `luigi_sinks_tasks`;" in printed
    assert "ON `flights__v`.`words__g1` TO `luigi_sinks_tasks`;" in printed
