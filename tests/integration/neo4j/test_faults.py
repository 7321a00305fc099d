"""What happens when a connection, a process or the server goes away."""

import contextlib
import multiprocessing
import os
import pickle
import secrets
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from luigi_sinks import Conflict, Unavailable, load, removal, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.neo4j import Graph, Neo4jSink, Node, connection, writer
from luigi_sinks.neo4j.catalog import datasets
from luigi_sinks.sink import Part
from luigi_sinks.testing.suite import ORIGIN, WHOLE, run_together
from luigi_sinks.version import State, new_version

THINGS = Graph([Node("Thing", key="id", properties={"id": int, "load": int})])


@pytest.fixture
def sink(settings, dataset):
    return Neo4jSink(settings, dataset, THINGS)


def things(count, load=0):
    return [("Thing", (i, load)) for i in range(count)]


def part(number, count):
    return Part(number, "Thing", 1, [(number * count + i, 0) for i in range(count)], b"")


@contextlib.contextmanager
def staged(sink):
    stage = begin(sink)
    yield stage
    versions.abandon(sink, stage.version)


def begin(sink, partition=WHOLE):
    version = new_version(sink.dataset, partition)
    with held(version.id) as claim:
        return sink.begin(rules.staged(version, ORIGIN, claim, schema=sink.declared))


def approved(sink, stage):
    stage.seal()
    sink.change(stage.version, rules.approve)
    return stage.version


class Proxy:
    """Stands before the server; cuts connections before an answer arrives."""

    def __init__(self, settings):
        self.to = (settings.host, settings.port)
        self.answers_until_cut = float("inf")
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.settings = replace(settings, port=self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def cut_after(self, answers):
        self.answers_until_cut = answers

    def _serve(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self.to)
            threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(client, server), daemon=True).start()

    def _ask(self, client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                server.sendall(data)
        _close(client, server)

    def _answer(self, client, server):
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                self.answers_until_cut -= 1
                if self.answers_until_cut < 0:
                    self.answers_until_cut = float("inf")
                    self.cuts += 1
                    break
                client.sendall(data)
        _close(client, server)


def _close(*connections):
    for each in connections:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@pytest.fixture
def proxy(settings):
    return Proxy(settings)


# Connections


def test_an_answer_lost_at_any_moment_doubles_nothing(sink, proxy):
    """Each of a part's answers is lost once; after the commit's, only the mark tells that the rows arrived."""
    over_proxy = replace(sink, settings=proxy.settings)
    over_proxy.head(WHOLE)
    with staged(sink) as stage:
        parts = _until_nothing_is_cut(proxy, lambda number: over_proxy.attach(stage.version).write(part(number, 100)))
        assert stage.seal().rows == 100 * parts
    assert proxy.cuts >= 4


def test_a_version_whose_registration_got_no_answer_is_registered_once(sink, proxy):
    over_proxy = replace(sink, settings=proxy.settings)
    over_proxy.head(WHOLE)
    begun = _until_nothing_is_cut(proxy, lambda _: _begin_and_abandon(over_proxy))
    assert [record.seq for record in sink.records()] == list(range(1, begun + 1))


def test_a_load_outlives_connections_that_are_cut(sink, proxy):
    def rows():
        for row in things(20_000):
            if row[1][0] % 3_000 == 2_999:
                proxy.cut_after(2)
            yield row

    load(replace(sink, settings=replace(proxy.settings, rows_per_transaction=2_000)), WHOLE, ORIGIN, rows())
    assert proxy.cuts > 0
    assert sink.head(WHOLE).record.rows == 20_000


def test_a_publication_whose_answer_is_lost_happens_once(sink, proxy):
    over_proxy = replace(sink, settings=proxy.settings)

    def publish(_):
        head = sink.head(WHOLE)
        with staged(sink) as stage:
            stage.write(part(0, 10))
            over_proxy.publish(approved(sink, stage), replacing=head)
            assert (sink.head(WHOLE).version, sink.head(WHOLE).epoch) == (stage.version, head.epoch + 1)

    over_proxy.head(WHOLE)
    assert _until_nothing_is_cut(proxy, publish) >= 3  # answers may come together


def test_a_kept_connection_that_died_is_replaced_silently(sink, proxy):
    over_proxy = replace(sink, settings=proxy.settings)
    over_proxy.head(WHOLE)
    proxy.cut_after(0)
    over_proxy.head(WHOLE)
    assert proxy.cuts == 1


def test_a_server_that_is_down_is_unavailable_from_every_call_and_soon(sink):
    load(sink, WHOLE, ORIGIN, things(1))
    head = sink.head(WHOLE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        down = replace(sink, settings=replace(sink.settings, port=free.getsockname()[1]))
    stage = down.attach(head.version)
    with held("v") as claim:
        calls = [
            lambda: down.head(WHOLE),
            lambda: list(down.records()),
            down.heads,
            lambda: down.record(head.version),
            lambda: down.begin(rules.staged(new_version(sink.dataset, WHOLE), ORIGIN, claim)),
            lambda: down.publish(head.version, replacing=head),
            lambda: down.change(head.version, rules.retire),
            lambda: down.delete_rows(head.version),
            lambda: down.count(head.version),
            lambda: next(down.read(head.version)),
            lambda: datasets(down.settings),
            lambda: connection.preflight(down.settings),
            lambda: stage.write(part(0, 1)),
            stage.seal,
        ]
    start = time.monotonic()
    for call in calls:
        with pytest.raises(Unavailable, match=r"host, port and tls_ca in the section \[luigi_sinks.neo4j\]"):
            call()
    assert time.monotonic() - start < 3 * len(calls)


# Crashes


def test_what_a_crash_left_of_an_abandoned_version_goes_with_the_next_load(sink, cypher, monkeypatch):
    with monkeypatch.context() as crash:
        crash.setattr(writer, "delete", _crash)
        with pytest.raises(ZeroDivisionError):
            load(sink, WHOLE, ORIGIN, _failing())
    (left,) = sink.records()
    assert left.state is State.ABANDONED
    load(sink, WHOLE, ORIGIN, things(3))
    assert cypher("MATCH (n:Thing__v {_version: $id}) RETURN count(n)", id=left.version.id) == [(0,)]
    assert [record.state for record in sink.records()] == [State.FAILED, State.PUBLISHED]


def test_what_is_being_abandoned_can_neither_be_written_nor_published(sink, monkeypatch):
    head = sink.head(WHOLE)
    with staged(sink) as stage:
        stage.write(part(0, 1))
        approved(sink, stage)
        with monkeypatch.context() as crash:
            crash.setattr(writer, "delete", _crash)
            with pytest.raises(ZeroDivisionError):
                versions.abandon(sink, stage.version)
        for call in (lambda: stage.write(part(1, 1)), stage.seal, lambda: sink.change(stage.version, rules.approve)):
            with pytest.raises(Conflict):
                call()
        with pytest.raises(Conflict, match="abandoned"):
            sink.publish(stage.version, replacing=head)


def test_sealing_waits_for_a_part_that_is_under_way(sink, driver, secret):
    """The part's writer saw the version open; its rows must be counted."""
    with staged(sink) as stage, driver.session() as session:
        writer = session.begin_transaction(metadata={"luigi_sinks": stage.version.id})
        writer.run("CREATE (:Thing__v {_version: $id, id: 1})", id=stage.version.id).consume()
        threading.Timer(0.5, writer.commit).start()
        assert stage.seal().rows == 1


def test_abandoning_ends_a_part_that_is_under_way(sink, driver, cypher):
    with staged(sink) as stage, driver.session() as session:
        writer = session.begin_transaction(metadata={"luigi_sinks": stage.version.id})
        writer.run("CREATE (:Thing__v {_version: $id, id: 1})", id=stage.version.id).consume()
        versions.abandon(sink, stage.version)
        with pytest.raises(Exception, match="terminated"):
            writer.commit()
    assert cypher("MATCH (n:Thing__v {_version: $id}) RETURN count(n)", id=stage.version.id) == [(0,)]


# Processes

LOADER = """
import sys
from luigi_sinks import config, loading
from luigi_sinks.neo4j import Graph, Neo4jSink, Node, Neo4jSettings
from luigi_sinks.testing.suite import ORIGIN, WHOLE

graph = Graph([Node("Thing", key="id", properties={"id": int, "load": int})])
sink = Neo4jSink(config.read_connection(Neo4jSettings, "neo4j"), sys.argv[1], graph)
with loading(sink, WHOLE, ORIGIN) as writer:
    for i in range(3_000):
        writer.write(("Thing", (i, 1)))
    print("half way", flush=True)
    sys.stdin.readline()
    for i in range(3_000, 6_000):
        writer.write(("Thing", (i, 1)))
"""


def test_of_two_processes_that_load_a_partition_one_gets_a_conflict_and_the_other_is_whole(sink, luigi_config):
    first = subprocess.Popen(
        [sys.executable, "-c", LOADER, sink.dataset],
        env={**os.environ, "LUIGI_CONFIG_PATH": str(luigi_config)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "half way\n"
    with pytest.raises(Conflict, match=f"pid {first.pid}"):
        load(sink, WHOLE, ORIGIN, things(5))
    first.communicate("go on\n")
    assert first.returncode == 0
    assert sorted(row["id"] for _, row in sink.read(sink.head(WHOLE).version)) == list(range(6_000))


def test_a_loader_that_is_killed_leaves_nothing_that_the_next_one_does_not_remove(sink, luigi_config, cypher):
    killed = subprocess.Popen(
        [sys.executable, "-c", LOADER, sink.dataset],
        env={**os.environ, "LUIGI_CONFIG_PATH": str(luigi_config)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    killed.stdout.readline()
    killed.kill()
    killed.communicate()
    load(sink, WHOLE, ORIGIN, things(5))
    failed, published = sink.records()
    assert (failed.state, published.state, published.rows) == (State.FAILED, State.PUBLISHED, 5)
    assert cypher("MATCH (n:Thing__v {_version: $id}) RETURN count(n)", id=failed.version.id) == [(0,)]


def test_processes_that_load_for_the_first_time_at_once_do_not_trip_over_constraints(settings, dataset):
    label = f"Fresh{secrets.token_hex(4)}"
    graph = Graph([Node(label, key="id", properties={"id": int})])
    sinks = [Neo4jSink(settings, f"{dataset}_{i}", graph) for i in range(4)]
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=load, args=(sink, WHOLE, ORIGIN, [(label, (1,))])) for sink in sinks]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0, 0]
    assert [sink.head(WHOLE).record.rows for sink in sinks] == [1, 1, 1, 1]


CONNECTION = """
SHOW TRANSACTIONS YIELD connectionId, currentQuery WHERE currentQuery CONTAINS 'who am I'
RETURN connectionId"""


def test_a_forked_child_uses_a_connection_of_its_own_and_leaves_the_parent_s_alone(settings):
    before = connection.query(settings, CONNECTION)
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def look():
        sender.send(connection.query(settings, CONNECTION))

    child = multiprocessing.get_context("fork").Process(target=look)
    child.start()
    child.join()
    assert receiver.recv() != before
    assert connection.query(settings, CONNECTION) == before


def test_a_stage_travels_as_names_and_settings(sink, secret):
    with staged(sink) as stage:
        sent = pickle.dumps(stage)
        assert secret.encode() not in sent
        pickle.loads(sent).write(part(0, 3))
        assert stage.seal().rows == 3


def _begin_and_abandon(sink):
    with staged(sink):
        pass


def _until_nothing_is_cut(proxy, work):
    """Do the work with its first answer lost, then with its second, until there are no more; return how often."""
    for number in range(100):
        before = proxy.cuts
        proxy.cut_after(number)
        work(number)
        if proxy.cuts == before:
            return number + 1
    raise AssertionError("it is cut again and again")


def _failing():
    yield from things(2_000)
    raise ZeroDivisionError


def _crash(*args):
    raise ZeroDivisionError


def test_an_abandon_that_a_publication_overtakes_leaves_the_head_alone(sink):
    """What it was decided on is not so any more when it is to be written: it is decided once more."""
    with staged(sink) as stage:
        stage.write(part(0, 10))
        approved(sink, stage)
        seen = []

        def abandon(record, head):
            if not seen:
                sink.publish(stage.version, replacing=sink.head(WHOLE))
            seen.append(record.state)
            return rules.abandon(record, head)

        assert sink.change(stage.version, abandon).state is State.PUBLISHED
        assert seen == [State.VALIDATED, State.PUBLISHED]
        assert len(list(sink.read(stage.version))) == 10


def test_a_change_that_a_publication_overtakes_sees_the_new_head(sink):
    load(sink, WHOLE, ORIGIN, things(1))
    old = sink.head(WHOLE).version
    load(sink, WHOLE, ORIGIN, things(2))
    before = []

    def drop(record, head):
        if not before:
            sink.publish(old, replacing=sink.head(WHOLE))
        before.append(head.version)
        return removal.begin_drop(record, head)

    with pytest.raises(Conflict, match="is the head"):
        sink.change(old, drop)
    assert before[1] == old


def test_changes_of_a_record_at_once_are_all_kept(sink):
    """Each is decided on what the one before it left."""
    load(sink, WHOLE, ORIGIN, things(1))
    version = sink.head(WHOLE).version

    def add(record, _):
        return replace(record, set_aside=record.set_aside + 1)

    run_together([lambda: sink.change(version, add) for _ in range(8)])
    assert sink.record(version).set_aside == 8


def test_loads_of_a_dataset_that_begin_at_once_get_numbers_of_their_own(sink):
    run_together([lambda number=number: begin(sink, f"p{number}") for number in range(8)])
    assert sorted(record.seq for record in sink.records()) == list(range(1, 9))
