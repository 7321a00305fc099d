"""What these tests see of the store is seen through Cypher, on a driver of their own."""

import secrets
from pathlib import Path

import neo4j
import pytest

from luigi_sinks import config
from luigi_sinks.neo4j import Neo4jSettings


@pytest.fixture(scope="session")
def settings(servers_config):
    return config.read_connection(Neo4jSettings, "neo4j")


@pytest.fixture(scope="session")
def secret(settings):
    return Path(config.read_credential(settings.credential)["path"]).read_text().strip()


@pytest.fixture(scope="session")
def driver(settings, secret):
    with neo4j.GraphDatabase.driver(
        f"bolt://{settings.host}:{settings.port}",
        auth=(settings.user, secret),
        encrypted=True,
        trusted_certificates=neo4j.TrustCustomCAs(str(settings.tls_ca)),
        notifications_min_severity="OFF",
    ) as driver:
        yield driver


@pytest.fixture
def cypher(driver):
    """Run a query as any reader would; return its rows as tuples."""

    def run(query, **parameters):
        return [tuple(record.values()) for record in driver.execute_query(query, parameters).records]

    return run


@pytest.fixture
def dataset():
    """Name a dataset that was never loaded."""
    return f"test_{secrets.token_hex(4)}"
