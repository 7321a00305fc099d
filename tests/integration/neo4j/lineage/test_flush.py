"""What runs recorded comes from the spool into a real Neo4j, and its heads are those of the registries."""

import secrets
import socket
from datetime import timedelta

import pytest
from luigi.configuration import get_config

from luigi_sinks import Origin, load, versions
from luigi_sinks.lineage.flush import flush_once
from luigi_sinks.lineage.graph import keys, schema
from luigi_sinks.lineage.questions import heads, job_runs, writers
from luigi_sinks.neo4j import Graph, Neo4jSink, Node, connection
from luigi_sinks.neo4j.connection import alone
from luigi_sinks.recording import recorder, run, spool
from luigi_sinks.recording import settings as recording
from tests.lineage_graph import dump, forget

GRAPH = Graph([Node("Airport", key="faa", properties={"faa": str})])
ROWS = [("Airport", {"faa": "JFK"})]


@pytest.fixture
def namespace():
    return f"flush_{secrets.token_hex(4)}"


@pytest.fixture
def lineage(section, tmp_path, namespace, settings):
    """Have this process record into a folder of its own; return the settings."""
    section("lineage", spool=tmp_path / "spool", namespace=namespace, exit_seconds=0)
    recorder.active.cache_clear()
    yield recording.read()
    recorder.active.cache_clear()
    forget(alone(settings), namespace)


@pytest.fixture
def ask(settings):
    schema.prepare(alone(settings))
    return alone(settings)


@pytest.fixture
def sink(settings, namespace):
    return Neo4jSink(settings, namespace, GRAPH)


def loaded(sink, partition):
    """Load a partition, and return its new head."""
    with run("Load", f"Load {partition}", owner="flight_ops", params={"partition": partition}):
        load(sink, partition, Origin(secrets.token_hex(4), partition_by=("month",)), ROWS)
    return sink.head(partition).version


def heads_of(ask, sink):
    """Return the heads of a dataset in the lineage, by partition."""
    found = {}
    for partition in sink.heads():
        key = heads.head(ask, str(sink.location), partition=partition)
        found[partition] = key.rsplit("#", 1)[1]
    return found


def registered(sink):
    return {partition: head.version.id for partition, head in sink.heads().items()}


def test_a_load_is_known_by_its_run_its_version_and_its_head(lineage, ask, sink, namespace):
    version = loaded(sink, "jan")
    report = flush_once(lineage)
    assert report.is_complete, report
    answer = writers.who_wrote(ask, keys.version_key(sink.location, "jan", version.id))
    assert (answer.job, answer.owner, answer.outcome) == (f"{namespace}/Load", "flight_ops", "complete")
    assert (answer.rows, answer.params, len(answer.published)) == (1, {"partition": "jan"}, 1)


def test_after_rollback_and_prune_the_heads_are_those_of_the_registry(lineage, ask, sink):
    first, _, third = (loaded(sink, "jan") for _ in range(3))
    loaded(sink, "feb")
    versions.roll_back(sink, first)
    versions.prune(sink, third, min_age=timedelta(0))
    flush_once(lineage)
    assert heads_of(ask, sink) == registered(sink)
    assert heads_of(ask, sink)["jan"] == first.id
    assert writers.who_wrote(ask, keys.version_key(sink.location, "jan", third.id)).removed > 0
    loaded(sink, "jan")
    flush_once(lineage)
    assert heads_of(ask, sink) == registered(sink)


def test_while_neo4j_is_down_nothing_is_lost_and_it_is_delivered_when_it_is_up(
    lineage, ask, sink, namespace, monkeypatch
):
    up = get_config()["luigi_sinks.neo4j"]["port"]
    for number in range(3):
        with monkeypatch.context() as down:
            down.setitem(get_config()["luigi_sinks.neo4j"], "port", _unused_port())
            with run("Report", f"Report {number}"):
                pass
            report = flush_once(lineage)
            assert not report.is_complete
            assert "check that the server runs" in report.deliveries[0].error
    assert dump(ask, namespace) == {"nodes": [], "edges": []}
    assert get_config()["luigi_sinks.neo4j"]["port"] == up
    assert flush_once(lineage).is_complete
    assert len(job_runs.runs(ask, f"{namespace}/Report")) == 3


def _unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_a_flush_leaves_no_driver_open(lineage, sink, settings):
    connection.close(settings)
    loaded(sink, "jan")
    connection.close(settings)
    flush_once(lineage)
    assert settings not in connection._drivers


def test_a_flush_of_nothing_does_not_connect(lineage, monkeypatch):
    monkeypatch.setitem(get_config()["luigi_sinks.neo4j"], "port", _unused_port())
    assert flush_once(lineage).is_complete


def test_the_file_of_this_process_stays_while_it_lives(lineage, sink):
    loaded(sink, "jan")
    flush_once(lineage)
    (path,) = spool.files(lineage.spool)
    assert not spool.is_dead(path)
