"""What these tests see of the server is seen through a plain connection, not by the sink under test."""

import secrets
from contextlib import closing

import mariadb
import pytest

from luigi_sinks import config
from luigi_sinks.credentials import use
from luigi_sinks.mariadb import Settings


@pytest.fixture
def settings() -> Settings:
    return config.read_connection(Settings, "mariadb")


@pytest.fixture
def table() -> str:
    """A name that no other test uses."""
    return f"t_{secrets.token_hex(4)}"


@pytest.fixture
def database(settings):
    """A plain connection, as readers have one: its settings are the server's defaults."""

    def connect(token):
        return mariadb.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=token.reveal(),
            database=settings.database,
            ssl_ca=str(settings.tls_ca),
            ssl_verify_cert=True,
            autocommit=True,
            local_infile=False,
        )

    with closing(use(settings.credential, connect)) as connection:
        yield connection


@pytest.fixture
def ask(database):
    """Return the rows that a reader gets for a query."""

    def ask(query, *values):
        with database.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    return ask
