"""What these tests see of the server is seen through a plain connection, not by the sink under test."""

import secrets
from contextlib import closing
from dataclasses import replace

import mariadb
import pytest
from luigi.configuration import get_config

from luigi_sinks import config
from luigi_sinks.credentials import use
from luigi_sinks.mariadb import MariaDBSettings

SECTION = "luigi_sinks.mariadb.tests"


@pytest.fixture(scope="session")
def settings(servers_config):
    """Give the connection called `tests`, to a database of its own that is dropped in the end."""
    name = f"tests_{secrets.token_hex(4)}"
    given = replace(config.read_connection(MariaDBSettings, "mariadb"), database=name)
    section = "".join(f"{key} = {value}\n" for key, value in vars(given).items() if value is not None)
    get_config().read_string(f"{servers_config}\n[{SECTION}]\n{section}")
    with closing(plain_connection(given)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield given
        for database in (name, f"{name}__v"):
            cursor.execute(f"DROP DATABASE IF EXISTS {database}")
    get_config().remove_section(SECTION)


@pytest.fixture
def table():
    """A name that no other test uses."""
    return f"t_{secrets.token_hex(4)}"


@pytest.fixture
def database(settings):
    """A plain connection, as readers have one: its session is the server's default."""
    with closing(plain_connection(settings)) as connection:
        connection.select_db(settings.database)
        yield connection


@pytest.fixture
def ask(database):
    """Return the rows that a reader gets for a query."""

    def ask(query, *values):
        with database.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    return ask


def plain_connection(settings):
    return use(
        settings.credential,
        lambda token: mariadb.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=token.reveal(),
            ssl_ca=str(settings.tls_ca),
            ssl_verify_cert=True,
            autocommit=True,
            local_infile=False,
        ),
    )
