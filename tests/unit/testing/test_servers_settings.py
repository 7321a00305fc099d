from configparser import ConfigParser

import pytest

from luigi_sinks.testing.servers import EVERY, SERVERS
from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.server import Place
from luigi_sinks.testing.servers.settings import as_configuration, as_environment

STORES = ("MARIADB", "ELASTICSEARCH", "NEO4J")
NAMES = ("HOST", "PORT", "USER", "PASSWORD_FILE", "CA")


@pytest.fixture
def places(tmp_path):
    (tmp_path / "password").write_text("the secret itself")
    paths = dict.fromkeys(("certificate", "key", "home"), tmp_path)
    place = Place(tmp_path, 4711, tmp_path / "password", tmp_path / "ca.pem", account=Account(0, 0), **paths)
    return dict.fromkeys(SERVERS.values(), place)


def test_the_environment_names_each_store_and_the_databases(places):
    assert set(as_environment(places)) == {
        *(f"LUIGI_SINKS_{store}_{name}" for store in STORES for name in NAMES),
        "LUIGI_SINKS_MARIADB_DATABASE",
        "LUIGI_SINKS_NEO4J_DATABASE",
    }


def test_the_environment_says_where_to_find_each_thing(places, tmp_path):
    variables = as_environment(places)
    assert variables["LUIGI_SINKS_MARIADB_HOST"] == "127.0.0.1"
    assert variables["LUIGI_SINKS_MARIADB_PORT"] == "4711"
    assert variables["LUIGI_SINKS_MARIADB_USER"] == "luigi_sinks"
    assert variables["LUIGI_SINKS_MARIADB_DATABASE"] == "flights"
    assert variables["LUIGI_SINKS_NEO4J_DATABASE"] == "neo4j"
    assert variables["LUIGI_SINKS_NEO4J_USER"] == "neo4j"
    assert variables["LUIGI_SINKS_NEO4J_CA"] == str(tmp_path / "ca.pem")
    assert variables["LUIGI_SINKS_NEO4J_PASSWORD_FILE"] == str(tmp_path / "password")


def test_the_configuration_has_a_connection_and_a_credential_for_each_store(places, tmp_path):
    parsed = ConfigParser(interpolation=None)
    parsed.read_string(as_configuration(places))
    assert dict(parsed["luigi_sinks.mariadb"]) == {
        "host": "127.0.0.1",
        "port": "4711",
        "database": "flights",
        "user": "luigi_sinks",
        "tls_ca": str(tmp_path / "ca.pem"),
        "credential": "local_mariadb",
    }
    assert dict(parsed["luigi_sinks.credential.local_mariadb"]) == {
        "source": "file",
        "path": str(tmp_path / "password"),
    }
    assert "database" not in parsed["luigi_sinks.elasticsearch"]
    assert parsed["luigi_sinks.neo4j"]["database"] == "neo4j"
    assert len(parsed.sections()) == 6


def test_the_configuration_has_nothing_for_servers_that_are_no_stores(places):
    every = dict.fromkeys(EVERY.values(), next(iter(places.values())))
    assert as_configuration(every) == as_configuration(places)


def test_no_secret_is_told(places):
    assert "the secret itself" not in as_configuration(places) + str(as_environment(places)) + repr(places)
