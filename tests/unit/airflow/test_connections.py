"""A connection of Airflow becomes a section of configuration, without a secret."""

from types import SimpleNamespace

import pytest

from luigi_sinks import config
from luigi_sinks.airflow import connections
from luigi_sinks.airflow.connections import connected, section_of
from luigi_sinks.errors import BadSetting
from luigi_sinks.neo4j import Neo4jSettings


def found(**fields):
    empty = dict.fromkeys(("host", "port", "login", "schema", "password", "extra"))
    return SimpleNamespace(
        **{**empty, "conn_id": "graph", "host": "db.internal", "extra": '{"credential": "db"}', **fields}
    )


@pytest.fixture
def airflow(monkeypatch):
    """Return a function that defines the connection `graph`."""

    def define(**fields):
        monkeypatch.setattr(connections, "_found", lambda conn_id: found(conn_id=conn_id, **fields))

    return define


def test_fields_and_extra_become_settings():
    made = section_of(
        "neo4j", found(port=7687, login="loader", schema="flights", extra='{"credential": "db", "lease": 60}')
    )
    assert made == {
        "host": "db.internal",
        "port": 7687,
        "user": "loader",
        "database": "flights",
        "credential": "db",
        "lease": 60,
    }


def test_a_password_is_refused_with_the_way_out():
    with pytest.raises(BadSetting, match=r"'graph' of Airflow has a password.*source = airflow, conn_id = graph_login"):
        section_of("neo4j", found(password="canary"))


@pytest.mark.parametrize(
    ("store", "fields", "reason"),
    [
        ("elasticsearch", {"schema": "https"}, "has a schema, which elasticsearch does not"),
        ("neo4j", {"extra": "credential=db"}, "not a JSON object"),
        ("neo4j", {"extra": "[1]"}, "not a JSON object"),
        ("neo4j", {"extra": '{"host": "other"}'}, "says host twice"),
    ],
)
def test_what_has_no_place_in_a_section_is_refused(store, fields, reason):
    with pytest.raises(BadSetting, match=reason):
        section_of(store, found(**fields))


def test_a_connection_is_configured_within_the_block_beside_all_else(airflow):
    airflow(login="loader")
    config.use({"luigi_sinks": {"namespace": "test", "credential": {"db": {"source": "file", "path": "/x"}}}})
    with connected("neo4j", "graph") as name:
        settings = config.read_connection(Neo4jSettings, "neo4j", name)
        assert (settings.host, settings.user, settings.credential) == ("db.internal", "loader", "db")
        assert config.common().namespace == "test"
        assert config.read_credential("db")["path"] == "/x"
    assert config.section_names() == ["luigi_sinks", "luigi_sinks.credential", "luigi_sinks.credential.db"]


def test_a_connection_hides_no_section_of_the_same_name(airflow):
    airflow()
    config.use({"luigi_sinks.neo4j.graph": {"host": "other.internal", "credential": "db"}})
    with connected("neo4j", "graph"):
        assert config.read_connection(Neo4jSettings, "neo4j", "graph").host == "other.internal"


def test_a_credential_of_the_dataset_replaces_that_of_its_connection(airflow):
    airflow()
    with connected("neo4j", "graph", credential="ours") as name:
        assert config.read_connection(Neo4jSettings, "neo4j", name).credential == "ours"
    config.use({"luigi_sinks.neo4j.copy": {"host": "db.internal", "credential": "db"}})
    with connected("neo4j", "", connection="copy", credential="ours") as name:
        assert config.read_connection(Neo4jSettings, "neo4j", name).credential == "ours"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ('{"credential": "db", "encrypted": true}', "'graph' of Airflow cannot be used.*'encrypted' is not a setting"),
        ("{}", "'graph' of Airflow cannot be used.*credential"),
        ('{"credential": "db", "password": "canary"}', "contains a secret, 'password'"),
    ],
)
def test_an_extra_that_cannot_work_is_refused_without_its_secrets(airflow, extra, reason):
    airflow(extra=extra)
    with pytest.raises(BadSetting, match=reason) as refusal, connected("neo4j", "graph"):
        pass
    assert "canary" not in str(refusal.value)
