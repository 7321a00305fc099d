"""MariaDB's marks in a transaction of the task's own, by each kind of connection."""

import secrets
from contextlib import closing

import luigi
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from luigi_sinks import config
from luigi_sinks.credentials import use
from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb import MariaDBSettings, Marker


@pytest.fixture
def table():
    """Make a table with one column, and drop it in the end."""
    name = f"plain_{secrets.token_hex(4)}"
    with closing(Marker(name, update_id="x").connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (number INT)")
        yield name
        cursor.execute(f"DROP TABLE {name}")


def numbers(table):
    with closing(Marker(table, update_id="x").connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT number FROM {table} ORDER BY number")
        return [number for (number,) in cursor.fetchall()]


def engine():
    settings = config.read_connection(MariaDBSettings, "mariadb")
    return sa.create_engine(
        "mariadb+mariadbconnector://", creator=lambda: Marker("x", update_id="x").connect()
    ), settings.database


class Insert(luigi.Task):
    table = luigi.Parameter()
    number = luigi.IntParameter()
    fails = luigi.BoolParameter(significant=False)

    def output(self):
        return Marker(self.table, task=self)

    def run(self):
        with closing(self.output().connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {self.table} VALUES (?)", (self.number,))
            self.output().touch(connection)
            if self.fails:
                raise ZeroDivisionError
            connection.commit()


def build(*tasks, workers=1):
    return luigi.build(tasks, workers=workers, local_scheduler=True, no_lock=True, log_level="WARNING")


def test_a_task_that_fails_before_its_commit_leaves_neither_its_row_nor_its_mark(table):
    assert not build(Insert(table, 1, fails=True))
    assert (numbers(table), Insert(table, 1).complete()) == ([], False)


def test_twelve_tasks_with_two_workers_insert_and_mark_together(table):
    assert build(*(Insert(table, number) for number in range(12)), workers=2)
    assert numbers(table) == list(range(12))
    assert build(*(Insert(table, number) for number in range(12)), workers=2)
    assert numbers(table) == list(range(12))


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_connection_of_sqlalchemy_sets_the_mark_in_its_transaction(table, is_committed):
    made, _ = engine()
    marker = Marker(table, update_id="sqlalchemy")
    with made.connect() as connection:
        connection.execute(sa.text(f"INSERT INTO {table} VALUES (1)"))
        marker.touch(connection)
        connection.commit() if is_committed else connection.rollback()
    assert (numbers(table), marker.exists()) == ([1] if is_committed else [], is_committed)


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_session_of_sqlalchemy_sets_the_mark_in_its_transaction(table, is_committed):
    made, _ = engine()
    marker = Marker(table, update_id="session")
    with Session(made) as session:
        marker.touch(session)
        session.execute(sa.text(f"INSERT INTO {table} VALUES (1)"))
        session.commit() if is_committed else session.rollback()
    assert (numbers(table), marker.exists()) == ([1] if is_committed else [], is_committed)


def test_a_transaction_of_a_task_may_pause_for_longer_than_one_of_a_load(table):
    with closing(Marker(table, update_id="x").connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@idle_transaction_timeout, @@autocommit, DATABASE()")
        idle, autocommit, database = cursor.fetchone()
        cursor.execute("SELECT @@tx_isolation = @@global.tx_isolation AND @@sql_mode = @@global.sql_mode")
        assert cursor.fetchone() == (1,)
    settings = config.read_connection(MariaDBSettings, "mariadb")
    assert (idle, autocommit, database) == (0, 0, settings.database)


def test_what_is_no_connection_is_refused(table):
    with pytest.raises(BadSetting, match=r"touch\(\) was given a str; give a connection"):
        Marker(table, update_id="x").touch("mysql://db")


def test_a_connection_that_logs_in_by_itself_may_set_marks(table):
    settings = config.read_connection(MariaDBSettings, "mariadb")
    import mariadb  # noqa: PLC0415 - the driver, by a task's own code

    own = use(
        settings.credential,
        lambda token: mariadb.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=token.reveal(),
            ssl_ca=str(settings.tls_ca),
            ssl_verify_cert=True,
            database=settings.database,
        ),
    )
    marker = Marker(table, update_id="own")
    with closing(own):
        marker.touch(own)
        assert not marker.exists()
        own.commit()
    assert marker.exists()
