"""What `luigi-sinks grants` prints, to the letter."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app
from luigi_sinks.elasticsearch import grants as of_elasticsearch
from luigi_sinks.elasticsearch import iam as of_opensearch
from luigi_sinks.errors import Forbidden
from luigi_sinks.mariadb import grants as of_mariadb

TASKS = """
import luigi
from sqlalchemy import Column, Integer
from luigi_sinks import elasticsearch, mariadb, neo4j
from luigi_sinks.neo4j import Node, Relationship

class Departures(mariadb.CopyToTable):
    month = luigi.MonthParameter()
    table, owner, partition_by = "departures", "ops", ("month",)
    columns = [Column("id", Integer, primary_key=True)]

class Delays(elasticsearch.CopyToIndex):
    index, owner = "delays", "ops"
    mapping = {"id": {"type": "integer"}}

class Airports(neo4j.CopyToGraph):
    graph, owner = "airports", "ops"
    nodes = [Node("Airport", key="faa", properties={"faa": str})]
    relationships = [Relationship("ROUTE", start="Airport", end="Airport")]
"""
MORE = """
class Arrivals(Departures):
    table, owner, connection = "arrivals", "", "archive"

class Chosen(Departures):
    table = luigi.Parameter()

class Computed(Departures):
    @property
    def connection(self):
        return "archive"

class Special(Departures):
    def output(self):
        return luigi.LocalTarget("x")

class Abstract(mariadb.CopyToTable):
    pass
"""
CFG = """
[luigi_sinks.mariadb]
host = db.internal
database = flights
user = loader
credential = db
[luigi_sinks.mariadb.archive]
host = db.internal
port = 3307
database = archive
user = archivist
credential = db
[luigi_sinks.elasticsearch]
host = search.internal
user = loader
credential = db
[luigi_sinks.neo4j]
host = graph.internal
user = loader
credential = db
[luigi_sinks.credential.db]
source = rds_iam
region = eu-central-1
[luigi_sinks.owner.ops]
aws_role = arn:aws:iam::123456789012:role/teams/flight-ops
mariadb_role = flight_ops
elasticsearch_role = flight_ops
neo4j_role = flight_ops
"""
OPENSEARCH = CFG.replace("host = search.internal\n", "host = search.internal\nproduct = opensearch\n")
SIGNED = """
[luigi_sinks.elasticsearch]
host = search.internal
product = opensearch
credential = signing
publish_credential = signing
[luigi_sinks.mariadb]
host = db.internal
database = flights
user = loader
credential = db
[luigi_sinks.neo4j]
host = graph.internal
user = loader
credential = db
[luigi_sinks.credential.db]
source = rds_iam
region = eu-central-1
[luigi_sinks.credential.signing]
source = sigv4
region = eu-west-1
through = assumed
[luigi_sinks.credential.assumed]
source = assume_role
region = eu-west-1
[luigi_sinks.owner.ops]
aws_role = arn:aws:iam::123456789012:role/teams/flight-ops
elasticsearch_role = flight_ops
"""
ARN = "arn:aws:es:eu-west-1:ACCOUNT:domain/DOMAIN"
LOADER_IN_IAM = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "es:ESHttpGet",
            "Resource": [
                f"{ARN}/*~registry/_alias",
                f"{ARN}/_cluster/health/delays~*~v????????t??????_??????",
                f"{ARN}/delays,delays~registry",
                f"{ARN}/delays~*/_alias",
                f"{ARN}/delays~registry/_doc/*",
                f"{ARN}/delays~registry/_mapping",
            ],
        },
        {
            "Effect": "Allow",
            "Action": "es:ESHttpPost",
            "Resource": [
                f"{ARN}/delays~*~v*/_count",
                f"{ARN}/delays~*~v*/_refresh",
                f"{ARN}/delays~*~v*/_search",
                f"{ARN}/delays~*~v*~staged/_bulk",
                f"{ARN}/delays~*~v*~staged/_mget",
                f"{ARN}/delays~registry/_bulk",
                f"{ARN}/delays~registry/_refresh",
                f"{ARN}/delays~registry/_search",
            ],
        },
        {
            "Effect": "Allow",
            "Action": "es:ESHttpPut",
            "Resource": [f"{ARN}/delays~registry/_create/*", f"{ARN}/delays~registry/_doc/*"],
        },
        {
            "Effect": "Deny",
            "Action": ["es:ESHttpDelete", "es:ESHttpHead", "es:ESHttpPatch", "es:ESHttpPost", "es:ESHttpPut"],
            "Resource": [f"{ARN}/*%2C*", f"{ARN}/*%2c*", f"{ARN}/*,*"],
        },
    ],
}
VARIABLE = """\
# The domain needs advanced_options = { "rest.action.multi.allow_explicit_index" = "false" }, and
# PUT _cluster/settings {"persistent":{"action.auto_create_index":"-*~*,+*"}}
variable "opensearch_search_internal_9200" {
  type        = string
  description = "The domain at search.internal:9200: arn:aws:es:eu-west-1:ACCOUNT:domain/DOMAIN"
}
"""
POLICY = """\
resource "aws_iam_policy" "flight_ops" {
  name = "flight_ops"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = [
          "es:ESHttpGet",
        ]
        Resource = [
          "${var.opensearch_search_internal_9200}/*~registry/_alias",
"""
ATTACHED = """\
resource "aws_iam_role_policy_attachment" "flight_ops" {
  role       = aws_iam_role.flight-ops.name
  policy_arn = aws_iam_policy.flight_ops.arn
}
"""
APART = CFG.replace("host = search.internal\n", "host = search.internal\npublish_credential = db\n")
SQL = """\
CREATE DATABASE IF NOT EXISTS `flights__v`;

-- Owner: runs `luigi-sinks create`; do that before you go on.
CREATE ROLE IF NOT EXISTS `flight_ops_owner`;
GRANT CREATE, CREATE VIEW, DROP, SELECT, SHOW VIEW ON `flights`.`departures` TO `flight_ops_owner`;
GRANT CREATE, INSERT, SELECT, UPDATE ON `flights`.`departures__head` TO `flight_ops_owner`;
GRANT CREATE ROUTINE, CREATE TEMPORARY TABLES, LOCK TABLES ON `flights\\_\\_v`.* TO `flight_ops_owner`;
GRANT CREATE, CREATE VIEW, DROP, INSERT, SELECT, SHOW VIEW ON `flights__v`.`departures__add` TO `flight_ops_owner`;
GRANT ALTER, CREATE, DROP, INSERT, SELECT ON `flights__v`.`departures__g1` TO `flight_ops_owner`;
GRANT CREATE, INSERT, SELECT, UPDATE ON `flights__v`.`departures__log` TO `flight_ops_owner`;
GRANT CREATE, DELETE, INSERT, SELECT, UPDATE ON `flights__v`.`departures__open` TO `flight_ops_owner`;
GRANT ALTER, CREATE, DROP, SELECT ON `flights__v`.`departures__part` TO `flight_ops_owner`;
-- Only if the server has a table `flights__v`.`_versions`, made by release 0.1 of luigi-sinks:
-- grant this too, before the first `luigi-sinks create`, and revoke it afterwards.
-- GRANT ALTER ON `flights`.`departures__head` TO `flight_ops_owner`;
-- GRANT SELECT ON `flights__v`.`_parts` TO `flight_ops_owner`;
-- GRANT SELECT, UPDATE (`state`) ON `flights__v`.`_versions` TO `flight_ops_owner`;
-- GRANT CREATE, INSERT ON `flights__v`.`departures__part` TO `flight_ops_owner`;

-- Loader: adds versions and publishes them; changes and deletes nothing that was published.
CREATE ROLE IF NOT EXISTS `flight_ops`;
GRANT SELECT, SHOW VIEW ON `flights`.`departures` TO `flight_ops`;
GRANT SELECT ON `flights`.`departures__head` TO `flight_ops`;
GRANT CREATE TEMPORARY TABLES ON `flights\\_\\_v`.* TO `flight_ops`;
GRANT INSERT ON `flights__v`.`departures__add` TO `flight_ops`;
GRANT SELECT ON `flights__v`.`departures__g1` TO `flight_ops`;
GRANT SELECT ON `flights__v`.`departures__log` TO `flight_ops`;
GRANT SELECT ON `flights__v`.`departures__open` TO `flight_ops`;
GRANT INSERT, SELECT ON `flights__v`.`departures__part` TO `flight_ops`;
GRANT EXECUTE ON PROCEDURE `flights__v`.`departures__move` TO `flight_ops`;
GRANT EXECUTE ON PROCEDURE `flights__v`.`departures__new` TO `flight_ops`;
GRANT EXECUTE ON PROCEDURE `flights__v`.`departures__none` TO `flight_ops`;
GRANT EXECUTE ON PROCEDURE `flights__v`.`departures__open` TO `flight_ops`;
GRANT EXECUTE ON PROCEDURE `flights__v`.`departures__step` TO `flight_ops`;
GRANT EXECUTE ON PROCEDURE `flights__v`.`departures__void` TO `flight_ops`;
-- On Amazon RDS: CREATE USER `loader` IDENTIFIED VIA AWSAuthenticationPlugin USING 'RDS' REQUIRE SSL;
GRANT `flight_ops` TO `loader`;

-- Pruner: deletes the rows of versions, of which it can read the version's number only.
CREATE ROLE IF NOT EXISTS `flight_ops_pruner`;
GRANT SELECT ON `flights`.`departures__head` TO `flight_ops_pruner`;
GRANT DELETE, SELECT (`_seq`) ON `flights__v`.`departures__g1` TO `flight_ops_pruner`;
GRANT SELECT ON `flights__v`.`departures__log` TO `flight_ops_pruner`;
GRANT DELETE, SELECT (`seq`) ON `flights__v`.`departures__part` TO `flight_ops_pruner`;
GRANT EXECUTE ON PROCEDURE `flights__v`.`departures__drop` TO `flight_ops_pruner`;

-- Owner, after `luigi-sinks create`: its procedures work for loaders and pruners, with its rights.
GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `flights__v`.`departures__drop` TO `flight_ops_owner`;
GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `flights__v`.`departures__move` TO `flight_ops_owner`;
GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `flights__v`.`departures__new` TO `flight_ops_owner`;
GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `flights__v`.`departures__none` TO `flight_ops_owner`;
GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `flights__v`.`departures__open` TO `flight_ops_owner`;
GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `flights__v`.`departures__step` TO `flight_ops_owner`;
GRANT ALTER ROUTINE, EXECUTE ON PROCEDURE `flights__v`.`departures__void` TO `flight_ops_owner`;
"""
TEMPLATES = [
    "cluster:admin/component_template/get",
    "indices:admin/index_template/get",
    "indices:admin/template/get",
]
LOADER_IN_ELASTICSEARCH = {
    "cluster": [TEMPLATES[0], "cluster:monitor/health", *TEMPLATES[1:]],
    "indices": [
        {"names": ["delays~as~*"], "privileges": ["indices:admin/aliases", "view_index_metadata"]},
        {"names": ["delays", "delays~*~head*"], "privileges": ["indices:admin/aliases", "view_index_metadata"]},
        {
            "names": ["delays~registry"],
            "privileges": [
                "delete",
                "indices:admin/refresh*",
                "indices:data/write/bulk*",
                "indices:data/write/index*",
                "read",
                "view_index_metadata",
            ],
        },
        {
            "names": ["delays~*~v*"],
            "privileges": [
                "indices:admin/aliases",
                "indices:admin/block/add*",
                "indices:admin/create",
                "indices:admin/refresh*",
                "indices:admin/settings/update",
                "indices:data/write/bulk*",
                "indices:data/write/index:op_type/create",
                "read",
                "view_index_metadata",
            ],
        },
    ],
}
BESIDE_A_PUBLISHER = {
    "cluster": ["cluster:monitor/health"],
    "indices": [
        {"names": ["delays", "delays~*~head*"], "privileges": ["view_index_metadata"]},
        LOADER_IN_ELASTICSEARCH["indices"][2],
        {
            "names": ["delays~*~v*"],
            "privileges": [
                "indices:admin/refresh*",
                "indices:data/write/bulk*",
                "indices:data/write/index:op_type/create",
                "read",
            ],
        },
    ],
}
PUBLISHER_IN_ELASTICSEARCH = {
    "cluster": TEMPLATES,
    "indices": [
        {"names": ["delays~as~*"], "privileges": ["indices:admin/aliases", "view_index_metadata"]},
        {"names": ["delays", "delays~*~head*"], "privileges": ["indices:admin/aliases"]},
        {
            "names": ["delays~*~v*"],
            "privileges": [
                "indices:admin/aliases",
                "indices:admin/block/add*",
                "indices:admin/create",
                "indices:admin/settings/update",
                "view_index_metadata",
            ],
        },
    ],
}
CYPHER = """\
// For Neo4j Enterprise. Community Edition has no roles: there, every user may do everything.

CREATE ROLE `flight_ops_owner` IF NOT EXISTS;
GRANT ACCESS ON DATABASE `neo4j` TO `flight_ops_owner`;
GRANT CONSTRAINT MANAGEMENT ON DATABASE `neo4j` TO `flight_ops_owner`;
GRANT INDEX MANAGEMENT ON DATABASE `neo4j` TO `flight_ops_owner`;
GRANT NAME MANAGEMENT ON DATABASE `neo4j` TO `flight_ops_owner`;
GRANT MATCH {*} ON GRAPH `neo4j` NODES `_SinkDataset` TO `flight_ops_owner`;
GRANT MATCH {*} ON GRAPH `neo4j` NODES `_SinkHead` TO `flight_ops_owner`;
GRANT MATCH {*} ON GRAPH `neo4j` NODES `_SinkVersion` TO `flight_ops_owner`;
GRANT SET PROPERTY {*} ON GRAPH `neo4j` NODES `_SinkDataset` TO `flight_ops_owner`;
GRANT SET PROPERTY {*} ON GRAPH `neo4j` NODES `_SinkVersion` TO `flight_ops_owner`;

CREATE ROLE `flight_ops` IF NOT EXISTS;
GRANT ACCESS ON DATABASE `neo4j` TO `flight_ops`;
GRANT SHOW INDEX ON DATABASE `neo4j` TO `flight_ops`;
"""
AWS = """\
variable "assume_role_policy" {
  type        = string
  description = "Who may assume the owners' roles, as JSON."
}

variable "dbusers" {
  type        = string
  description = "arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE_ID"
}

resource "aws_iam_role" "flight-ops" {
  name               = "flight-ops"
  assume_role_policy = var.assume_role_policy
  path               = "/teams/"
}

resource "aws_iam_role_policy" "flight-ops" {
  name = "luigi-sinks"
  role = aws_iam_role.flight-ops.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = "rds-db:connect"
      Resource = [
        "${var.dbusers}/loader",
      ]
    }]
  })
}

"""
GRANT = """\
resource "mysql_grant" "flight_ops_flights__v_departures__log" {
  role       = mysql_role.flight_ops.name
  database   = "flights__v"
  table      = "departures__log"
  privileges = ["SELECT"]
}
"""
EXECUTE = """\
resource "mysql_grant" "flight_ops_flights__v_departures__move" {
  role       = mysql_role.flight_ops.name
  database   = "PROCEDURE flights__v"
  table      = "departures__move"
  privileges = ["EXECUTE"]
}
"""


@pytest.fixture
def grants(luigi_cfg, tmp_path, monkeypatch):
    """Return a function that prints the grants of a module with this text."""
    monkeypatch.syspath_prepend(tmp_path)
    module = "tasks_of_grants"

    def run(*options, tasks=TASKS, cfg=CFG):
        sys.modules.pop(module, None)
        (tmp_path / f"{module}.py").write_text(tasks)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        luigi_cfg(cfg)
        return CliRunner().invoke(app, ["grants", module, *options], catch_exceptions=False)

    yield run
    sys.modules.pop(module, None)


def test_sql_is_for_exact_tables_and_columns(grants):
    assert grants("--format", "sql").stdout == SQL


def test_roles_of_elasticsearch_can_be_posted(grants):
    roles = json.loads(grants("--format", "elasticsearch").stdout)["roles"]
    assert list(roles) == ["flight_ops", "flight_ops_owner", "flight_ops_pruner"]
    assert roles["flight_ops"] == LOADER_IN_ELASTICSEARCH


def test_a_publisher_has_a_role_where_its_credential_is_named_and_the_loader_less(grants):
    one = json.loads(grants("--format", "elasticsearch").stdout)["roles"]
    two = json.loads(grants("--format", "elasticsearch", cfg=APART).stdout)["roles"]
    assert two == {**one, "flight_ops": BESIDE_A_PUBLISHER, "flight_ops_publisher": PUBLISHER_IN_ELASTICSEARCH}


def test_a_publisher_may_do_nothing_to_the_datasets_of_other_connections(grants):
    more = (
        TASKS
        + """
class Others(Delays):
    index, connection = "others", "other"
"""
    )
    other = "[luigi_sinks.elasticsearch.other]\nhost = search.internal\nuser = loader\ncredential = db\n"
    roles = json.loads(grants("--format", "elasticsearch", tasks=more, cfg=APART + other).stdout)["roles"]
    assert roles["flight_ops_publisher"] == PUBLISHER_IN_ELASTICSEARCH
    others = json.loads(json.dumps(LOADER_IN_ELASTICSEARCH).replace("delays", "others"))["indices"]
    assert all(entry in roles["flight_ops"]["indices"] for entry in (*others[:2], others[3]))


def test_no_other_store_has_a_publisher(grants):
    for kind in ("sql", "cypher"):
        assert "publisher" not in grants("--format", kind, cfg=APART).stdout


def test_terraform_has_the_publisher(grants):
    name = 'resource "elasticstack_elasticsearch_security_role" "flight_ops_publisher" {'
    assert name in grants("--format", "terraform", cfg=APART).stdout
    assert "publisher" not in grants("--format", "terraform").stdout


def test_cypher_says_that_community_edition_has_no_roles(grants):
    printed = grants("--format", "cypher").stdout
    assert printed.startswith(CYPHER)
    assert "DENY DELETE ON GRAPH `neo4j` NODES `Airport__v` TO `flight_ops`;" in printed
    assert "DENY DELETE ON GRAPH `neo4j` RELATIONSHIPS `ROUTE__v` TO `flight_ops`;" in printed


def test_terraform_has_the_roles_of_all_places(grants):
    printed = grants("--format", "terraform").stdout
    assert printed.startswith(AWS)
    assert GRANT in printed
    assert EXECUTE in printed
    assert 'resource "elasticstack_elasticsearch_security_role" "flight_ops_pruner" {' in printed


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed")
def test_terraform_has_nothing_to_format(grants, tmp_path):
    for name, cfg in (("one", CFG), ("two", SIGNED)):
        (tmp_path / f"{name}.tf").write_text(grants("--format", "terraform", cfg=cfg).stdout)
    done = subprocess.run(["terraform", "fmt", "-check", "-diff", tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_all_is_printed_under_headings(grants):
    printed = grants().stdout
    headings = [line for line in printed.splitlines() if " at " in line or line == "# Terraform"]
    assert headings == [
        "# Elasticsearch at search.internal:9200: POST /_security/role",
        "-- MariaDB at db.internal:3306",
        "// Neo4j at graph.internal:7687",
        "# Terraform",
    ]
    assert SQL in printed


def test_the_same_tasks_print_the_same(grants):
    reordered = "\n\n".join([*TASKS.split("\n\n")[:1], *reversed(TASKS.split("\n\n")[1:])])
    assert grants().stdout == grants(tasks=reordered).stdout == grants().stdout


def test_each_server_has_its_own_part(grants):
    printed = grants("--format", "sql", tasks=TASKS + MORE).stdout
    assert printed.startswith("-- MariaDB at db.internal:3306\n\n" + SQL)
    assert "-- MariaDB at db.internal:3307\n\nCREATE DATABASE IF NOT EXISTS `archive__v`;\n" in printed
    assert "GRANT INSERT ON `archive__v`.`arrivals__add` TO `luigi_sinks_tasks`;\n" in printed
    assert (
        "GRANT `luigi_sinks_tasks` TO `archivist`;\nSET DEFAULT ROLE `luigi_sinks_tasks` FOR `archivist`;\n" in printed
    )


def test_what_depends_on_a_tasks_parameters_is_left_out_and_said_so(grants):
    done = grants("--format", "sql", tasks=TASKS + MORE)
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "Abstract is left out: it declares no table",
        "Chosen is left out: its table is a parameter",
        "Computed is left out: its connection is computed for each task",
        "Special is left out: its output() is its own",
    ]


def test_an_owner_without_a_role_lends_its_name(grants):
    printed = grants("--format", "sql", cfg=CFG.replace("mariadb_role = flight_ops\n", "")).stdout
    assert "GRANT `ops` TO `loader`;\nSET DEFAULT ROLE `ops` FOR `loader`;\n" in printed


SHARED = """
class Arrivals(Departures):
    table, owner = "arrivals", "crew"
"""


def test_a_user_that_several_owners_share_is_warned_of(grants):
    done = grants(tasks=TASKS + SHARED, cfg=f"{CFG}[luigi_sinks.owner.crew]\nmariadb_role = crew\n")
    assert "mariadb db.internal:3306: 'loader' is the user of the owners crew, ops, so a token of one of" in done.stderr
    assert "elasticsearch" not in done.stderr


def test_a_user_called_as_the_package_is_granted_another_role(grants):
    printed = grants("--format", "sql", tasks=TASKS + MORE, cfg=CFG.replace("archivist", "luigi_sinks")).stdout
    assert "GRANT `luigi_sinks_tasks` TO `luigi_sinks`;\n" in printed


@pytest.mark.parametrize("user", ["flight_ops", "flight_ops_owner"])
def test_a_role_with_the_name_of_its_user_is_refused_with_the_way_out(grants, user):
    done = grants("--format", "sql", cfg=CFG.replace("user = loader", f"user = {user}"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"role '{user}' has the name of the user" in done.stderr
    assert "set another mariadb_role in its section [luigi_sinks.owner.NAME]" in done.stderr


def test_datasets_have_the_namespace(grants):
    printed = grants("--format", "sql", cfg=CFG + "[luigi_sinks]\nnamespace = trial\n").stdout
    assert "GRANT INSERT ON `flights__v`.`trial_departures__add` TO `flight_ops`;\n" in printed


def test_an_owner_that_is_unknown_is_refused(grants):
    done = grants("--format", "sql", tasks=TASKS.replace('"ops"', '"oops"'))
    assert done.exit_code == 2
    assert "there is no section [luigi_sinks.owner.oops]" in done.stderr


def test_roles_of_opensearch_without_signed_requests_are_refused_and_others_printed(grants):
    assert grants("--format", "sql", cfg=OPENSEARCH).stdout == SQL
    done = grants("--format", "iam", cfg=OPENSEARCH)
    assert done.exit_code == 2
    assert (
        "delays: policies of OpenSearch are for signed requests (source = sigv4), and credential 'db' has source = "
        in (done.stderr)
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"region = eu-west-1\n": "region = eu-west-1\nservice = aoss\n"},
            "data access policies of OpenSearch Serverless",
        ),
        ({"[luigi_sinks.": "[luigi_sinks]\nnamespace = $\n[luigi_sinks."}, "a character that a URL encodes"),
    ],
)
def test_what_iam_policies_do_not_fit_is_refused(grants, change, reason):
    ((old, new),) = change.items()
    done = grants("--format", "iam", cfg=SIGNED.replace(old, new, 1))
    assert (done.exit_code, done.stdout) == (2, "")
    assert reason in done.stderr


def policies(done):
    return json.loads(done.stdout)["policies"]


def allowed(policy, method):
    """Return the paths that a policy allows by a method."""
    found = [each["Resource"] for each in policy["Statement"] if (each["Effect"], each["Action"]) == ("Allow", method)]
    return [path for paths in found for path in paths]


def test_policies_of_opensearch_are_for_exact_paths_and_methods(grants):
    printed = grants("--format", "iam", cfg=SIGNED)
    assert list(policies(printed)) == ["flight_ops", "flight_ops_owner", "flight_ops_pruner", "flight_ops_publisher"]
    assert policies(printed)["flight_ops"] == LOADER_IN_IAM
    assert json.loads(printed.stdout)["domain"] == {
        "AdvancedOptions": {"rest.action.multi.allow_explicit_index": "false"},
        "_cluster/settings": {"persistent": {"action.auto_create_index": "-*~*,+*"}},
    }


def test_a_loader_who_publishes_on_opensearch_has_both_policies(grants):
    one = policies(grants("--format", "iam", cfg=SIGNED.replace("publish_credential = signing\n", "")))
    two = policies(grants("--format", "iam", cfg=SIGNED))
    assert two.keys() - one.keys() == {"flight_ops_publisher"}
    for method in ("es:ESHttpGet", "es:ESHttpPost", "es:ESHttpPut"):
        both = {*allowed(two["flight_ops"], method), *allowed(two["flight_ops_publisher"], method)}
        assert {*allowed(one["flight_ops"], method)} == both
    assert one["flight_ops_owner"] == two["flight_ops_owner"]


@pytest.mark.parametrize(
    ("host", "arn"),
    [
        ("search.internal", "arn:aws:es:eu-west-1:ACCOUNT:domain/DOMAIN"),
        (f"search-flights-2-{'a1' * 13}.us-east-2.es.amazonaws.com", "arn:aws:es:us-east-2:ACCOUNT:domain/flights-2"),
        (
            f"vpc-flights-{'a1' * 13}.us-gov-west-1.es.amazonaws.com",
            "arn:aws-us-gov:es:us-gov-west-1:ACCOUNT:domain/flights",
        ),
        (f"vpc-flights-{'a1' * 13}.cn-north-1.es.amazonaws.com.cn", "arn:aws-cn:es:cn-north-1:ACCOUNT:domain/flights"),
        (f"search-flights-{'a1' * 13}.aos.eu-west-3.on.aws", "arn:aws:es:eu-west-3:ACCOUNT:domain/flights"),
    ],
)
def test_a_domain_is_named_as_far_as_its_address_tells(grants, host, arn):
    printed = policies(grants("--format", "iam", cfg=SIGNED.replace("search.internal", host)))
    assert allowed(printed["flight_ops_pruner"], "es:ESHttpDelete") == [f"{arn}/delays~*~v????????t??????_??????"]


def test_policies_that_would_be_too_long_are_split_between_datasets(grants):
    more = "".join(f"\nclass More{n}(Delays):\n    index = 'delays_of_a_longer_name_{n}'\n" for n in range(20))
    printed = policies(grants("--format", "iam", tasks=TASKS + more, cfg=SIGNED))
    of_loader = {name: policy for name, policy in printed.items() if re.fullmatch(r"flight_ops(_\d+)?", name)}
    assert of_loader.keys() == {"flight_ops", *(f"flight_ops_{number}" for number in range(2, 8))}
    longest = "arn:aws:es:eu-west-1:123456789012:domain/" + "x" * 28
    sizes = [len(json.dumps(each, separators=(",", ":")).replace(ARN, longest)) for each in printed.values()]
    assert max(sizes) <= 6_144
    paths = [path for policy in of_loader.values() for path in allowed(policy, "es:ESHttpPut")]
    assert len(paths) == len(set(paths)) == 21 * 2
    assert all(policy["Statement"][-1] == LOADER_IN_IAM["Statement"][-1] for policy in of_loader.values())


def test_terraform_has_the_policies_and_what_the_domain_needs(grants):
    printed = grants("--format", "terraform", cfg=SIGNED).stdout
    for each in (VARIABLE, POLICY, ATTACHED):
        assert each in printed
    assert "elasticstack" not in printed


def test_policies_are_attached_only_if_the_owners_role_signs(grants):
    own = SIGNED.replace("through = assumed\n", "")
    assert "aws_iam_role_policy_attachment" not in grants("--format", "terraform", cfg=own).stdout


def test_check_shows_the_settings_that_a_domain_lacks(grants, monkeypatch):
    found = {"defaults": {"rest.action.multi.allow_explicit_index": "true"}, "persistent": {}, "transient": {}}
    monkeypatch.setattr(of_opensearch, "ask", lambda settings, call: found)
    done = grants("--format", "iam", "--check", cfg=SIGNED)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "- elasticsearch search.internal:9200: rest.action.multi.allow_explicit_index = false",
        "- elasticsearch search.internal:9200: action.auto_create_index = -*~*,+*",
    ]
    assert "are not compared; IAM keeps them, and the domain does not show them" in done.stderr


@pytest.mark.parametrize("created", ["false", "-*~*", "-*~*,+logs-*", ["-*~*", "+*"]])
def test_check_takes_any_setting_by_which_no_document_makes_an_index_of_ours(grants, monkeypatch, created):
    known = {"rest.action.multi.allow_explicit_index": "false", "action.auto_create_index": "true"}
    found = {"defaults": known, "persistent": {"action.auto_create_index": created}, "transient": {}}
    monkeypatch.setattr(of_opensearch, "ask", lambda settings, call: found)
    done = grants("--format", "iam", "--check", cfg=SIGNED)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no server was compared" in done.stderr


def test_a_module_that_is_not_there_is_refused(luigi_cfg):
    done = CliRunner().invoke(app, ["grants", "no_such_module_here"])
    assert done.exit_code == 2
    assert "there is no module 'no_such_module_here'" in done.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import nope", "No module named 'nope'"),
        ("from luigi import nope", "cannot import name 'nope' from 'luigi'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(grants, line, reason):
    done = grants(tasks=line)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"module 'tasks_of_grants' cannot be imported: {reason}" in done.stderr


def test_grants_of_neo4j_are_not_compared(grants):
    done = grants("--format", "cypher", "--check")
    assert done.exit_code == 2
    assert "Community Edition has none" in done.stderr


@pytest.fixture
def granted(monkeypatch):
    """Have MariaDB grant what is noted here, by role."""
    rights = {}
    monkeypatch.setattr(of_mariadb, "rights", lambda settings, role: rights.get(role, frozenset()))
    return rights


def test_what_has_no_roles_to_compare_keeps_no_other_from_being_compared(grants, granted):
    done = grants("--check", cfg=OPENSEARCH)
    assert done.exit_code == 1
    assert "- mariadb db.internal:3306: flight_ops: " in done.stdout
    assert "Delays is left out: delays: policies of OpenSearch are for signed requests" in done.stderr
    assert "neo4j graph.internal:7687 is left out: Neo4j at graph.internal:7687: the grants of" in done.stderr


def test_servers_that_were_left_out_are_no_difference(grants, granted):
    for line in grants("--check", cfg=OPENSEARCH).stdout.splitlines():
        role, right = line.removeprefix("- mariadb db.internal:3306: ").split(": ", 1)
        granted[role] = granted.get(role, frozenset()) | {right}
    done = grants("--check", cfg=OPENSEARCH)
    assert (done.exit_code, done.stdout) == (0, "the servers grant what is needed, and nothing else\n")
    assert done.stderr.count(" is left out: ") == 2


CHOSEN = """
class Chosen(Departures):
    table = luigi.Parameter()
"""
ABSTRACT = """
class Abstract(mariadb.CopyToTable):
    pass
"""
PLAIN = """
class Plain(luigi.Task):
    month = luigi.MonthParameter()
    def output(self):
        return luigi.LocalTarget(f"{self.month}")
"""


@pytest.mark.parametrize(("task", "status"), [(CHOSEN, 1), (PLAIN, 1), (ABSTRACT, 0)], ids=["chosen", "plain", "base"])
def test_a_check_that_knows_not_all_datasets_does_not_say_that_all_is_well(grants, granted, task, status):
    options = ("--format", "sql", "--check")
    for line in grants(*options).stdout.splitlines():
        role, right = line.removeprefix("- mariadb db.internal:3306: ").split(": ", 1)
        granted[role] = granted.get(role, frozenset()) | {right}
    assert grants(*options).exit_code == 0
    done = grants(*options, tasks=TASKS + task)
    assert (done.exit_code, "nothing else" in done.stdout) == (status, status == 0)
    assert done.stderr.count("left out") == 1
    assert grants("--format", "sql", tasks=TASKS + task).exit_code == 0


def test_a_check_that_compared_nothing_does_not_say_that_all_is_well(grants):
    done = grants("--format", "terraform", "--check")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no server was compared" in done.stderr


def test_all_but_the_roles_of_opensearch_is_printed(grants):
    done = grants(cfg=OPENSEARCH)
    assert done.exit_code == 0
    assert SQL in done.stdout
    assert CYPHER in done.stdout
    assert AWS in done.stdout
    assert "elastic" not in done.stdout
    assert "Delays is left out" in done.stderr


OWN = """
import luigi
from luigi_sinks.elasticsearch import ElasticsearchTarget

class OwnDelays(luigi.Task):
    def output(self):
        return [luigi.LocalTarget("x"), ElasticsearchTarget("delays", mapping={"id": {"type": "integer"}}, **OPTIONS)]
"""
OF_THE_TASK = "task=self, owner='ops'"
MONTHLY = OWN.replace("    def output", "    month = luigi.MonthParameter()\n    def output").replace(
    "**OPTIONS", OF_THE_TASK
)
NOT_LOOKED_AT = "left out: {}, whose output() could not be looked at: write its grants by hand\n"


def test_targets_in_the_output_of_a_task_without_parameters_are_granted_like_those_of_a_copy_task(grants):
    done = grants("--format", "elasticsearch", tasks=OWN.replace("**OPTIONS", OF_THE_TASK))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == grants("--format", "elasticsearch").stdout


def test_a_task_that_cannot_be_made_is_named_and_the_rest_printed(grants):
    done = grants("--format", "sql", tasks=TASKS + MONTHLY)
    assert (done.exit_code, done.stdout) == (0, SQL)
    assert done.stderr == NOT_LOOKED_AT.format("OwnDelays")


def test_one_value_of_a_parameter_does_not_stand_for_all(grants):
    tasks = MONTHLY.replace("MonthParameter()", "Parameter(default='may')").replace('"delays"', "self.month")
    tasks = tasks.replace("task=self", "task=self, partition_by='month'")
    done = grants("--format", "elasticsearch", tasks=tasks)
    assert (done.exit_code, done.stderr) == (0, NOT_LOOKED_AT.format("OwnDelays"))
    assert "may" not in done.stdout


def test_a_task_with_an_owner_that_cannot_be_made_is_named(grants):
    owned = """
class Owned(luigi.Task):
    owner, month = "ops", luigi.MonthParameter()
"""
    done = grants("--format", "sql", tasks=TASKS + owned)
    assert (done.exit_code, done.stdout, done.stderr) == (0, SQL, NOT_LOOKED_AT.format("Owned"))


def test_tasks_that_load_nothing_are_no_fault(grants):
    others = """
class Everything(luigi.WrapperTask):
    month = luigi.MonthParameter()

class File(luigi.Task):
    def output(self):
        return luigi.LocalTarget("x")

class Files(luigi.Task):
    month = luigi.MonthParameter()
    def output(self) -> dict[str, luigi.LocalTarget]:
        return {"x": luigi.LocalTarget(f"{self.month}")}
"""
    done = grants("--format", "sql", tasks=TASKS + others)
    assert (done.exit_code, done.stdout, done.stderr) == (0, SQL, "")


@pytest.mark.parametrize("annotation", ["luigi.Target", "list[ElasticsearchTarget]", "Unknown"])
def test_an_annotation_that_may_mean_a_target_of_ours_excuses_no_task(grants, annotation):
    tasks = "from __future__ import annotations\n" + MONTHLY.replace("(self):", f"(self) -> {annotation}:")
    done = grants("--format", "sql", tasks=tasks)
    assert (done.exit_code, done.stderr) == (0, NOT_LOOKED_AT.format("OwnDelays"))


def test_tasks_of_other_modules_are_not_taken(grants, tmp_path, monkeypatch):
    (tmp_path / "tasks_of_others.py").write_text(MONTHLY)
    monkeypatch.delitem(sys.modules, "tasks_of_others", raising=False)
    done = grants("--format", "sql", tasks=TASKS + "from tasks_of_others import OwnDelays\n")
    assert (done.exit_code, done.stdout, done.stderr) == (0, SQL, "")


def test_nothing_is_created_for_a_task_that_cannot_be_made_and_it_is_named(grants):
    grants(tasks=MONTHLY)
    done = CliRunner().invoke(app, ["create", "tasks_of_grants"], catch_exceptions=False)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", NOT_LOOKED_AT.format("OwnDelays"))


@pytest.mark.parametrize(("store", "kind"), [(of_mariadb, "sql"), (of_elasticsearch, "elasticsearch")])
def test_a_check_that_is_forbidden_asks_for_an_administrator(grants, monkeypatch, store, kind):
    def refuse(settings, role):
        raise Forbidden("`luigi-sinks grants` prints those that loads take")

    monkeypatch.setattr(store, "rights", refuse)
    done = grants("--format", kind, "--check")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--check reads what servers grant: name an administrator by --user and --credential" in done.stderr
    assert "loads take" not in done.stderr
