"""Columns of a MariaDB table that change under readers, and while the server is killed.

The suite makes a few changes; `make faults` 40 under readers of longer transactions, and 8 kills.
"""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, Integer, String

from luigi_sinks import Origin, config, load, versions
from luigi_sinks.mariadb import MariaDBSettings, MariaDBSink, parse_schema
from luigi_sinks.mariadb.connection import rows, run
from luigi_sinks.mariadb.driver import Cursor
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import local, process, state
from luigi_sinks.version import WHOLE

EVERY = os.environ.get("LUIGI_SINKS_KILLS") == "every"
CHANGES, HOLDS = (40, (None, None, 0.05, 1, 8)) if EVERY else (6, (None, 0.05, 1))
ROWS = 2_000
READER = Path(__file__).parents[1] / "column_reader.py"


def schemas(table):
    """Yield columns, each of which is a change of those before: `v` and `w` are the version's number in each row."""
    extra = []
    for number in range(1, 1_000):
        kind = (Integer, BigInteger, BigInteger)[number % 3]
        columns = [Column("v", kind, nullable=number % 3 == 2), Column("w", String(20 if number % 2 else 300))]
        extra = (
            [*extra[-2:], Column(f"x{number}", Integer)] if number % 2 else [_renamed(*extra[:1], number), *extra[1:]]
        )
        yield parse_schema(table, [Column("id", Integer, primary_key=True), *columns, *extra])


def _renamed(column, number):
    return Column(f"y{number}", Integer, info={"renamed_from": column.name})


def changed(sink, schema):
    names = ("v", "w", *sink.schema.columns, *schema.columns)
    return replace(sink, schema=schema, allow_change=names)


def publish(sink, number):
    width = len(sink.schema.columns) - 3
    load(sink, WHOLE, Origin("columns"), ((key, number, str(number), *[number] * width) for key in range(ROWS)))


@contextmanager
def readers(sink, reports):
    settings = sink.settings
    login = {
        **{name: getattr(settings, name) for name in ("host", "port", "user", "database")},
        "password": Path(config.read_credential(settings.credential)["path"]).read_text().strip(),
        "ssl_ca": str(settings.tls_ca),
        "ssl_verify_cert": True,
        "autocommit": True,
    }
    asked = ({"login": login, "view": sink.names.view, "rows": ROWS, "hold": hold} for hold in HOLDS)
    started = [
        subprocess.Popen(
            [sys.executable, READER, json.dumps(each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for each in asked
    ]
    try:
        assert [each.stdout.readline() for each in started] == ["reading\n"] * len(started)
        yield
        reports += [json.loads(each.communicate("end\n", timeout=60)[0]) for each in started]
    finally:
        for each in started:
            each.kill()


@pytest.mark.timeout(3_000)
def test_readers_see_whole_versions_while_columns_change():
    settings = replace(config.read_connection(MariaDBSettings, "mariadb"), patience=600)
    table, reports = f"changing_{os.getpid()}", []
    first, *others = islice(schemas(table), CHANGES + 1)
    sink = MariaDBSink(settings, table, first)
    publish(sink, 1)
    with readers(sink, reports):
        for number, schema in enumerate(others, 2):
            sink = changed(sink, schema)
            publish(sink, number)
    logging.getLogger(__name__).info("%s", reports)
    assert [report["wrong"] for report in reports] == [{}] * len(HOLDS)
    assert all(report["reads"] for report in reports)
    assert max(report["longest"] for report in reports) < 2
    for record in sink.records():
        assert {row["v"] for row in sink.read(record.version)} == {record.seq}


STATEMENTS = ("LOCK TABLES", "ALTER TABLE", "UNLOCK TABLES", "OR REPLACE")


@pytest.mark.parametrize("turn", range(2 if EVERY else 1))
@pytest.mark.parametrize("deadly", STATEMENTS if EVERY else ["ALTER TABLE"])
@pytest.mark.timeout(500)
def test_a_table_is_whole_after_the_server_was_killed_during_a_change(own_server, monkeypatch, deadly, turn):
    own_server("mariadb")
    first, second = islice(schemas("killed"), 1, 3)
    sink = MariaDBSink(config.read_connection(MariaDBSettings, "mariadb"), "killed", first)
    publish(sink, 1)
    before, revived = sink.head(WHOLE).version, []
    execute = Cursor.execute

    def watched(cursor, statement, *args):
        if deadly in statement and not revived:
            revived.append(threading.Thread(target=kill_and_start))
            revived[0].start()
            time.sleep(turn * random.uniform(0, 0.02))
        return execute(cursor, statement, *args)

    monkeypatch.setattr(Cursor, "execute", watched)
    sink = changed(sink, second)
    publish(sink, 2)
    revived[0].join()
    after = sink.head(WHOLE).version
    assert seen(sink) == [(ROWS, 2, 2)]
    versions.roll_back(sink, before)
    assert seen(sink) == [(ROWS, 1, 1)]
    assert [{row["v"] for row in sink.read(version)} for version in (before, after)] == [{1}, {2}]


def seen(sink):
    return run(sink.settings, rows, f"SELECT COUNT(*), MIN(v), MAX(v) FROM {sink.names.view}")


def kill_and_start():
    time.sleep(random.uniform(0, 0.01))
    server = servers.SERVERS["mariadb"]
    with state.opened() as found:
        place = found.place(server)
        started = process.load(place.pid_file)
        os.kill(started.pid, signal.SIGKILL)
        while started.alive:
            time.sleep(0.05)
        local._start(server, place)  # `up` would choose another port while connections to this one time out
        local._await(server, place)
