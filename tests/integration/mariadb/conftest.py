"""What these tests see of the server is seen through a plain connection, not by the sink under test."""

import secrets
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import mariadb
import pytest
from luigi.configuration import get_config

from luigi_sinks import config, stored
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
def reading():
    """Return what opens a plain connection to a database, as readers have one, and gives what asks there."""

    @contextmanager
    def reading(settings):
        with closing(plain_connection(settings)) as connection, connection.cursor() as cursor:
            connection.select_db(settings.database)

            def ask(query):
                cursor.execute(query)
                return cursor.fetchall()

            yield ask

    return reading


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


@pytest.fixture
def forge(settings):
    """Return a function that writes into a record what the procedures refuse, as an administrator can."""

    def forge(sink, version, **changes):
        record = replace(sink.record(version), **changes)
        with closing(plain_connection(settings)) as connection, connection.cursor() as cursor:
            cursor.execute(f"UPDATE {sink.names.log} SET record = ? WHERE id = ?", (stored.encode(record), version.id))

    return forge


@pytest.fixture
def load_old(settings):
    """Return a function that makes a database as a release of a format left it, and gives the settings to reach it."""
    made = []
    with closing(plain_connection(settings)) as connection, connection.cursor() as cursor:

        def load(format_):
            made.append(f"old_{secrets.token_hex(4)}")
            script = Path(__file__).with_name("data") / f"format_{format_}.sql"
            text = script.read_text().replace("DATABASE", made[-1])
            for statement in (f"CREATE DATABASE {made[-1]}", f"CREATE DATABASE {made[-1]}__v", *text.split(";\n")[:-1]):
                cursor.execute(statement)
            return replace(settings, database=made[-1])

        yield load
        for name in made:
            cursor.execute(f"DROP DATABASE {name}")
            cursor.execute(f"DROP DATABASE {name}__v")


@pytest.fixture
def load_format_1(load_old):
    """Return a function that makes a database as luigi_sinks 0.1 left it, and gives the settings to reach it."""
    return lambda: load_old(1)
