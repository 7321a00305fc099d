"""MariaDB's marks in a transaction of the task's own, by each kind of connection."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import luigi
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from luigi_sinks import config
from luigi_sinks.credentials import use
from luigi_sinks.errors import BadSetting, Conflict
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


@pytest.mark.parametrize("has_older_snapshot", [True, False])
def test_of_two_runs_of_one_output_the_second_gets_a_conflict_and_no_row_is_doubled(table, has_older_snapshot):
    marker = Marker(table, update_id="January")
    with closing(marker.connect()) as a, closing(marker.connect()) as b:
        with a.cursor() as in_a, b.cursor() as in_b:
            if has_older_snapshot:
                in_b.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            in_a.execute(f"INSERT INTO {table} VALUES (1)")
            in_b.execute(f"INSERT INTO {table} VALUES (1)")
        marker.touch(a)
        marker.touch(a)
        a.commit()
        with pytest.raises(Conflict, match=f"{table}: another run committed this output, 'January'; roll back"):
            marker.touch(b)
        b.rollback()
    assert numbers(table) == [1]


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("is_strict", [True, False])
def test_a_run_whose_snapshot_is_older_than_the_others_commit_gets_a_conflict(table, isolation, is_strict):
    marker = Marker(table, update_id="January")
    marker.marks().create()
    with closing(marker.connect()) as a, closing(marker.connect()) as b, b.cursor() as in_b:
        in_b.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")
        in_b.execute(f"SET SESSION innodb_snapshot_isolation = {'ON' if is_strict else 'OFF'}")
        in_b.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        marker.touch(a)
        a.commit()
        with pytest.raises(Conflict, match="another run committed this output"):
            marker.touch(b)
        b.rollback()


def test_a_run_that_waits_for_the_other_gets_a_conflict_once_that_commits(table):
    marker = Marker(table, update_id="January")
    with closing(marker.connect()) as a, closing(marker.connect()) as b, ThreadPoolExecutor(1) as pool:
        marker.touch(a)
        waiting = pool.submit(marker.touch, b)
        a.commit()
        with pytest.raises(Conflict, match="another run committed this output"):
            waiting.result()
        b.rollback()


def test_a_touch_that_is_rolled_back_may_be_repeated(table):
    marker = Marker(table, update_id="January")
    with closing(marker.connect()) as connection:
        marker.touch(connection)
        connection.rollback()
        marker.touch(connection)
        connection.commit()
    assert marker.exists()


def test_a_session_of_sqlalchemy_gets_a_conflict_too(table):
    made, _ = engine()
    marker = Marker(table, update_id="January")
    marker.touch()
    with Session(made) as session:
        session.execute(sa.text(f"INSERT INTO {table} VALUES (1)"))
        with pytest.raises(Conflict, match="another run committed this output"):
            marker.touch(session)
        session.rollback()
    assert numbers(table) == []
