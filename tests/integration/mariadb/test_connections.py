"""Connections that die, are refused, or are inherited; two loads at once."""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mariadb
import pytest
import trustme
from luigi.configuration import get_config
from sqlalchemy import Column, Integer, String

from luigi_sinks import BadSetting, Conflict, CredentialError, Origin, Unavailable, load, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import Claim, held
from luigi_sinks.errors import SinkError
from luigi_sinks.mariadb import MariaDBSink, connection, parse_schema
from luigi_sinks.mariadb.store import STORE
from luigi_sinks.record import Head
from luigi_sinks.testing.suite import run_together
from luigi_sinks.version import WHOLE, State, Version, new_version
from tests.parts import part

ORIGIN = Origin("connections")
COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(20))]
LARGE = [(number, f"name {number}") for number in range(60_000)]


class Proxy:
    """A port before the server whose connections can be cut."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                self.pairs.append((client, server))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.forward, args=pair, daemon=True).start()

    def forward(self, source, sink):
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            if (sink, source) in self.pairs:  # only a server's end goes on to the client
                sink.shutdown(socket.SHUT_RDWR)

    def cut_clients(self):
        """End the connections for the clients; the server does not notice."""
        for client, _ in self.pairs:
            client.shutdown(socket.SHUT_RDWR)

    def ports_at_server(self):
        """Name the connections as the server's process list does."""
        return {server.getsockname()[1] for _, server in self.pairs}


@pytest.fixture
def proxy(settings):
    proxy = Proxy(settings.host, settings.port)
    yield proxy
    proxy.listener.close()


@pytest.fixture
def sink(settings, table):
    return MariaDBSink(settings, table, parse_schema(table, COLUMNS))


@pytest.fixture
def far(sink, proxy):
    """The same dataset, seen through the proxy."""
    return replace(sink, settings=replace(sink.settings, port=proxy.port))


@contextmanager
def commit_waiting(ask, call):
    """Call, in a thread, what commits; the block runs while the server lets commits wait."""
    with ExitStack() as stack:
        ask("BACKUP STAGE START")
        try:
            ask("BACKUP STAGE BLOCK_COMMIT")
            stack.enter_context(meanwhile(call))
            yield
        finally:
            ask("BACKUP STAGE END")


def commit_under_way(ask, proxy):
    """Wait for a commit through the proxy; return its connection's number."""
    for _ in range(200):
        for number, host in ask("SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE INFO LIKE 'COMMIT%'"):
            if int(host.rpartition(":")[2]) in proxy.ports_at_server():
                return number
        time.sleep(0.02)
    raise AssertionError("no commit came")


def lose_the_answer(ask, proxy):
    commit_under_way(ask, proxy)
    proxy.cut_clients()


def kill_the_connection(ask, proxy):
    ask(f"KILL {commit_under_way(ask, proxy)}")


@contextmanager
def meanwhile(call, *args):
    """Run a call in a thread beside the block; raise its error in the end."""
    errors = []

    def run():
        try:
            call(*args)
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's error
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    if errors:
        raise errors[0]


def begin(sink):
    version = new_version(sink.dataset, WHOLE)
    with held(version.id) as claim:
        return sink.begin(rules.staged(version, ORIGIN, claim, schema=sink.declared))


@pytest.mark.parametrize("disturb", [lose_the_answer, kill_the_connection])
def test_a_part_whose_commit_was_disturbed_counts_once(sink, far, proxy, ask, disturb):
    stage = begin(sink)
    first = part(stage, LARGE[:100])
    far_stage = far.attach(stage.version)
    with commit_waiting(ask, lambda: far_stage.write(first)):
        disturb(ask, proxy)
    stage.write(part(stage, LARGE[100:150], number=1, first_row=101))
    assert stage.seal().rows == 150


@pytest.mark.parametrize("disturb", [lose_the_answer, kill_the_connection])
def test_a_publication_whose_commit_was_disturbed_is_settled(sink, far, proxy, ask, disturb):
    stage = begin(sink)
    stage.write(part(stage, LARGE[:100]))
    stage.seal()
    sink.change(stage.version, rules.approve)
    far.head(WHOLE)
    with commit_waiting(ask, lambda: far.publish(stage.version, replacing=Head())):
        disturb(ask, proxy)
    head = sink.head(WHOLE)
    assert (head.version, head.epoch, head.record.state) == (stage.version, 1, State.PUBLISHED)


def test_a_connection_killed_in_the_middle_of_a_part_loses_nothing(sink, ask):
    killed = []

    def kill_one():
        while not killed:
            statement = f"LOAD DATA LOCAL %{sink.dataset}%"
            for (number,) in ask("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE ?", statement):
                with suppress(mariadb.Error):
                    ask(f"KILL {number}")
                    killed.append(number)

    with meanwhile(kill_one):
        load(sink, WHOLE, ORIGIN, LARGE)
    assert sink.head(WHOLE).record.rows == len(LARGE)
    assert ask(f"SELECT COUNT(*), COUNT(DISTINCT id) FROM {sink.dataset}") == [(len(LARGE), len(LARGE))]


def test_kept_connections_that_died_are_replaced_silently(sink, ask):
    load(sink, WHOLE, ORIGIN, LARGE)
    for kept in connection._idle[sink.settings]:
        ask(f"KILL {kept.connection_id}")
    assert sink.head(WHOLE).record.rows == len(LARGE)


def test_a_reader_whose_kept_connection_died_is_given_another_before_the_first_row(sink, ask):
    sink.head(WHOLE)
    for kept in connection._idle[sink.settings]:
        ask(f"KILL {kept.connection_id}")
    assert list(connection.stream(sink.settings, "SELECT 1 UNION SELECT 2")) == [(1,), (2,)]


@pytest.mark.parametrize("kill", ["KILL", "KILL QUERY"])
def test_a_reader_whose_rows_stop_coming_is_told_so(sink, ask, kill):
    rows = connection.stream(
        sink.settings, f"SELECT CONNECTION_ID(), REPEAT('x', 200) FROM {sink.settings.database}.seq_1_to_100000"
    )
    ((number, _),) = itertools.islice(rows, 1)
    ask(f"{kill} {number}")
    with pytest.raises(Unavailable, match=r"stopped sending rows|does not answer"):
        list(rows)


def test_what_was_dropped_is_a_conflict_to_its_reader_and_not_empty(sink):
    load(sink, WHOLE, ORIGIN, LARGE[:5])
    first = sink.head(WHOLE).version
    load(sink, WHOLE, ORIGIN, LARGE[:7])
    versions.prune(sink, first, min_age=timedelta(0))
    with pytest.raises(Conflict, match="is dropped; it has no rows to read"):
        next(sink.read(first))


def test_a_look_is_one_round_trip_on_a_kept_connection(sink):
    query = "SHOW SESSION STATUS LIKE 'Questions'"

    def questions():
        ((_, count),) = connection.run(sink.settings, lambda cursor: connection.rows(cursor, query))
        return int(count)

    assert list(sink.records(update_ids={ORIGIN.update_id})) == []
    load(sink, WHOLE, ORIGIN, LARGE[:5])
    for wanted in (ORIGIN.update_id, "another"):
        before = questions()
        assert len(list(sink.records(update_ids={wanted}))) == (wanted == ORIGIN.update_id)
        assert questions() == before + 2  # the look and the question


def test_a_store_that_is_down_is_unavailable_from_every_call_and_quickly(sink):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    down = replace(sink, settings=replace(sink.settings, port=port, patience=0))
    version = Version(sink.dataset, WHOLE, "v1")
    claim = Claim("host", "boot", 1, 1, datetime.now(UTC))
    start = time.monotonic()
    for call in (
        lambda: down.head(WHOLE),
        down.heads,
        lambda: list(down.records()),
        lambda: list(down.records(update_ids={"x"})),
        lambda: down.record(version),
        lambda: down.begin(rules.staged(version, ORIGIN, claim)),
        lambda: down.attach(version),
        lambda: down.change(version, rules.retire),
        lambda: down.publish(version, replacing=Head()),
        lambda: down.delete_rows(version),
        lambda: down.count(version),
        lambda: next(down.read(version)),
        lambda: versions.prune(down, version, min_age=timedelta(0)),
        lambda: STORE.list_datasets(down.settings),
        lambda: STORE.preflight(down.settings),
    ):
        with pytest.raises(Unavailable, match=f"MariaDB at 127.0.0.1:{port} does not answer"):
            call()
    assert time.monotonic() - start < 2


def test_a_server_that_says_nothing_is_unavailable_within_the_time_that_is_set(sink):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = replace(sink.settings, port=silent.getsockname()[1], connect_timeout=1)
        start = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer in time: connect_timeout = 1 s ran out"):
            replace(sink, settings=settings).head(WHOLE)
    assert time.monotonic() - start < 7


def test_a_statement_without_an_answer_is_unavailable_within_the_time_that_is_set(sink):
    settings = replace(sink.settings, statement_timeout=1)
    with pytest.raises(Unavailable, match="does not answer in time: statement_timeout = 1 s ran out"):
        connection.run(settings, lambda cursor: cursor.execute("SELECT SLEEP(5)"))


def test_a_certificate_of_an_unknown_authority_is_not_trusted(sink, tmp_path):
    strange = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(strange)
    with pytest.raises(BadSetting, match=r"certificate.*tls_ca in luigi.cfg"):
        replace(sink, settings=replace(sink.settings, tls_ca=strange)).head(WHOLE)


def test_a_certificate_for_another_host_is_not_trusted(sink, proxy):
    proxy.listener.close()
    with socket.create_server(("127.0.0.9", 0)) as listener:
        proxy.listener = listener
        threading.Thread(target=proxy.accept, daemon=True).start()
        settings = replace(sink.settings, host="127.0.0.9", port=listener.getsockname()[1])
        with pytest.raises(BadSetting, match=r"([Cc]ertificate|[Hh]ostname).*tls_ca in luigi.cfg"):
            replace(sink, settings=settings).head(WHOLE)


def test_a_password_that_the_server_refuses_is_an_error_of_the_credential(sink, tmp_path):
    (tmp_path / "password").write_text("wrong")
    get_config().read_string(f"[luigi_sinks.credential.wrong]\nsource = file\npath = {tmp_path / 'password'}\n")
    try:
        with pytest.raises(CredentialError, match="'wrong' was refused"):
            replace(sink, settings=replace(sink.settings, credential="wrong")).head(WHOLE)
    finally:
        get_config().remove_section("luigi_sinks.credential.wrong")


def test_a_server_or_client_without_local_files_is_told_the_setting(sink, database, ask):
    ask("CREATE TEMPORARY TABLE t (id INT)")
    with pytest.raises(mariadb.Error) as caught:
        ask("LOAD DATA LOCAL INFILE '/dev/null' INTO TABLE t")
    explained = connection.explained(sink.settings, caught.value)
    assert isinstance(explained, BadSetting)
    assert "local_infile = ON" in str(explained)


FORKED = """
import os, sys
from luigi_sinks import config
from luigi_sinks.mariadb import MariaDBSink, MariaDBSettings, connection, parse_schema
from sqlalchemy import Column, Integer
settings = config.read_connection(MariaDBSettings, "mariadb", "tests")
sink = MariaDBSink(settings, sys.argv[1], parse_schema("t", [Column("id", Integer)]))
sink.head("_all")
(kept,) = connection._idle[sink.settings]
number = kept.connection_id
if os.fork() == 0:
    assert not connection._idle
    sink.head("_all")
    assert connection._idle[sink.settings][0].connection_id != number
    del kept
    sys.exit()
assert os.wait()[1] == 0
kept.ping()
sink.head("_all")
assert [one.connection_id for one in connection._idle[sink.settings]] == [number]
"""


def test_a_forked_child_opens_its_own_connection_and_leaves_its_parents_alone(settings, table, tmp_path):
    assert run_script(FORKED, tmp_path, table).wait() == 0


LOADING = """
import sys, time
from luigi_sinks import Conflict, Origin, config, load
from luigi_sinks.mariadb import MariaDBSink, MariaDBSettings, parse_schema
from sqlalchemy import Column, Integer
settings = config.read_connection(MariaDBSettings, "mariadb", "tests")
sink = MariaDBSink(settings, sys.argv[1], parse_schema("t", [Column("id", Integer)]))
def rows():
    for number in range(20_000):
        yield (number,)
        if number % 1000 == 0:
            time.sleep(0.02)
try:
    load(sink, "201301", Origin("x"), rows())
except Conflict:
    sys.exit(3)
"""


def test_of_two_processes_that_load_the_same_partition_one_gets_a_conflict(settings, table, tmp_path, ask):
    slow = LOADING.replace("0.02", "0.2")  # or one ends before the other begins, where the machine is busy
    processes = [run_script(slow, tmp_path, table) for _ in range(2)]
    assert sorted(process.wait() for process in processes) == [0, 3]
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("id", Integer)]))
    assert sink.head("201301").record.rows == 20_000
    assert ask(f"SELECT COUNT(*), COUNT(DISTINCT id) FROM {table}") == [(20_000, 20_000)]
    assert ask(f"SELECT COUNT(*) FROM {settings.database}__v.{table}__g1") == [(20_000,)]


def write_five(sink):
    stage = begin(sink)
    stage.write(part(stage, LARGE[:5]))


def test_all_that_is_missing_is_made_at_first_use_by_whoever_comes(settings, ask):
    name = f"{settings.database}_new"
    sink = MariaDBSink(replace(settings, database=name), "made", parse_schema("made", COLUMNS))
    ask(f"CREATE DATABASE {name}")
    try:
        run_together([lambda: write_five(sink) for _ in range(6)])
        assert len(list(sink.records())) == 6
        assert ask(f"SELECT COUNT(*) FROM {name}__v.made__g1") == [(30,)]
    finally:
        ask(f"DROP DATABASE {name}")
        ask(f"DROP DATABASE {name}__v")


def test_a_database_that_is_not_there_is_named_and_not_made(settings, ask):
    name = f"{settings.database}_typo"
    sink = MariaDBSink(replace(settings, database=name), "made", parse_schema("made", COLUMNS))
    with pytest.raises(BadSetting, match=f"there is no database '{name}'"):
        begin(sink)
    assert ask(f"SHOW DATABASES LIKE '{name}%'") == []


def test_a_certificate_authority_that_is_not_there_is_named(settings, table):
    elsewhere = replace(settings, tls_ca=Path("/nowhere/ca.pem"))
    with pytest.raises(BadSetting, match=r"tls_ca = /nowhere/ca.pem .* no such file"):
        MariaDBSink(elsewhere, table, parse_schema(table, COLUMNS)).head("_all")


def test_a_load_that_was_killed_leaves_no_rows_behind_after_the_next_one(settings, table, tmp_path, ask):
    process = run_script(LOADING.replace("20_000", "10**9"), tmp_path, table)  # it is still loading when it is killed
    base = f"{settings.database}__v.{table}__g1"
    while not ask(f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME = '{table}__g1'"):
        time.sleep(0.05)
    while ask(f"SELECT COUNT(*) FROM {base}") == [(0,)]:
        time.sleep(0.05)
    process.kill()
    process.wait()
    sink = MariaDBSink(settings, table, parse_schema(table, [Column("id", Integer)]))
    load(sink, "201301", ORIGIN, [(1,), (2,)])
    assert ask(f"SELECT id FROM {base} ORDER BY id") == [(1,), (2,)]
    assert [record.state for record in sink.records()] == [State.FAILED, State.PUBLISHED]


def run_script(script, folder, *args):
    with (folder / "luigi.cfg").open("w") as file:
        get_config().write(file)
    environment = {**os.environ, "LUIGI_CONFIG_PATH": str(folder / "luigi.cfg")}
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", script, *args], env=environment)


def test_a_version_whose_rows_are_being_deleted_can_neither_be_sealed_nor_approved(sink, monkeypatch):
    for is_sealed in (False, True):
        stage = begin(sink)
        stage.write(part(stage, LARGE[:5]))
        if is_sealed:
            stage.seal()
        with monkeypatch.context() as cut, pytest.raises(SinkError, match="cut"):
            cut.setattr(MariaDBSink, "delete_rows", lambda *_: (_ for _ in ()).throw(SinkError("cut")))
            versions.abandon(sink, stage.version)
        with pytest.raises(Conflict):
            stage.seal()
        with pytest.raises(Conflict):
            sink.change(stage.version, rules.approve)
        load(sink, WHOLE, ORIGIN, LARGE[:7])
    states = [record.state for record in sink.records()]
    assert states == [State.FAILED, State.RETIRED, State.FAILED, State.PUBLISHED]
