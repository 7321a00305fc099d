"""A process that stops, or loses its network, within a transaction: the server ends its session, and frees its locks.

To the server, a process that is stopped and one that sends nothing are the same.
"""

import os
import threading
from contextlib import suppress
from dataclasses import replace

import mariadb
import pytest
from sqlalchemy import Column, Integer, String

from luigi_sinks import Origin, load
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.mariadb import MariaDBSink, connection, parse_schema, writer
from luigi_sinks.mariadb.session import CommentingCursor, open_session
from luigi_sinks.version import new_version
from tests.parts import part

ORIGIN = Origin("silence", family="Silence", partition_by=("month",))
COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(20))]
MINE, OTHER = "201301", "201302"


@pytest.fixture
def sink(settings, table):
    sink = MariaDBSink(settings, table, parse_schema(table, COLUMNS))
    for partition in (MINE, OTHER):
        for count in (1, 2):
            load(sink, partition, ORIGIN, [(number, "old") for number in range(count)])
    return sink


@pytest.fixture
def stage(sink):
    version = new_version(sink.dataset, MINE)
    with held(version.id) as claim:
        stage = sink.begin(rules.staged(version, ORIGIN, claim, schema=sink.declared))
    stage.write(part(stage, [(1, "one")]))
    return stage


def registers(sink, stage, cursor):
    version = new_version(sink.dataset, MINE)
    with held(version.id) as claim:
        sink.registry.add(cursor, rules.staged(version, ORIGIN, claim))


def writes(sink, stage, cursor):
    stage._write(cursor, part(stage, [(2, "two")], number=1, first_row=2))


def seals(sink, stage, cursor):
    stage._seal(cursor)


def publishes(sink, stage, cursor):
    stage.seal()
    sink.change(stage.version, rules.approve)
    sink._publish_all(cursor, [(stage.version, sink.head(MINE))], "")


def deletes(sink, stage, cursor):
    first = next(sink.records(partition=MINE))
    sink._delete_some(cursor, first.version, first.seq)


@pytest.mark.parametrize("step", [registers, writes, seals, publishes, deletes])
def test_a_silent_holder_delays_its_partition_for_a_moment_and_no_other(sink, stage, ask, step):
    session = open_session(sink.settings)
    cursor = session.cursor(CommentingCursor)
    cursor.execute("START TRANSACTION")
    step(sink, stage, cursor)
    load(sink, OTHER, ORIGIN, [(7, "new")])
    assert is_there(ask, session)
    cursor.execute("SET SESSION idle_transaction_timeout = 1")
    load(sink, MINE, ORIGIN, [(8, "new")])
    assert not is_there(ask, session) or step is registers  # which holds nothing that a load waits for
    assert ask(f"SELECT id FROM {sink.dataset} ORDER BY id") == [(7,), (8,)]
    with suppress(mariadb.Error):
        session.close()


def test_a_holder_that_goes_silent_while_it_sends_rows_is_ended_too(sink, stage, ask):
    session = open_session(replace(sink.settings, transaction_timeout=2))
    cursor = session.cursor(CommentingCursor)
    cursor.execute("START TRANSACTION")
    sink.registry.open(cursor, stage.seq)
    reading, writing = os.pipe()

    def send():
        statement = writer.statement(sink.schema, sink.names.add, stage.seq, f"/dev/fd/{reading}")
        with suppress(mariadb.Error):
            cursor.execute(statement)

    thread = threading.Thread(target=send)
    thread.start()
    load(sink, MINE, ORIGIN, [(8, "new")])
    assert ask(f"SELECT id FROM {sink.dataset} WHERE name = 'new'") == [(8,)]
    os.close(writing)
    thread.join()
    os.close(reading)


def test_the_setting_limits_each_wait_for_a_client_within_a_transaction(settings):
    query = "SELECT @@idle_transaction_timeout, @@net_read_timeout"
    given = replace(settings, transaction_timeout=6.5)
    assert connection.run(given, connection.rows, query) == [(7, 7)]


def is_there(ask, session):
    return bool(ask("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ?", session.connection_id))
