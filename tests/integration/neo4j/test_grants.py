"""A loader who may not delete. Community Edition has no roles, so the test raises the refusal itself."""

import secrets
from datetime import timedelta

import pytest
from neo4j.exceptions import ClientError

from luigi_sinks import Forbidden, Origin, State, config, load, versions
from luigi_sinks.neo4j import grants, writer
from luigi_sinks.neo4j.schema import Graph, Node, Relationship
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.neo4j.sink import Neo4jSink
from luigi_sinks.version import WHOLE

GRAPH = Graph([Node("Thing", key="id", properties={"id": int})])


@pytest.fixture
def sink(servers_config):
    sink = Neo4jSink(config.read_connection(Neo4jSettings, "neo4j"), f"n_{secrets.token_hex(4)}", GRAPH)
    yield sink
    for record in sink.records():
        writer.delete(sink.settings, record.version)


def things(count, wrong=False):
    for number in range(count):
        yield "Thing", {"id": number}
    if wrong:
        raise ZeroDivisionError


def test_what_a_loader_may_not_delete_waits_for_a_pruner_and_hinders_no_load(sink, monkeypatch, caplog):
    def refused(settings, version):
        raise Forbidden("no right to delete")

    with monkeypatch.context() as loader:
        loader.setattr(writer, "delete", refused)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                load(sink, WHOLE, Origin("Load_1"), things(3, wrong=True))
        load(sink, WHOLE, Origin("Load_1"), things(4))
    first, second, head = sink.records()
    assert (first.is_left, second.is_left, head.rows) == (True, True, 4)
    assert sum("left for a pruner" in record.message for record in caplog.records) == 2
    versions.abandon(sink, first.version)
    assert sink.record(first.version) == first
    versions.prune(sink, first.version, min_age=timedelta(0))
    versions.prune(sink, second.version, min_age=timedelta(0))
    assert [record.state for record in sink.records()] == [State.DROPPED, State.DROPPED, State.PUBLISHED]
    assert (sink.count(first.version), sink.count(second.version)) == (0, 0)
    assert sorted(row["id"] for _, row in sink.read(head.version)) == [0, 1, 2, 3]


HOSTILE = [
    r"x\u0060 TO PUBLIC; DROP DATABASE neo4j; //",
    r"x\\u0060",
    "x'; DROP ROLE a",
    "x TO y",
    "a, b",
    r"\u000a",
    "é",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_printed_for_enterprise_is_understood_whatever_the_names(settings, driver, name):
    """Community has no roles: it understands each command, and then says that it does not support it."""
    declared = Graph([Node(name, key=name, properties={name: int})], [Relationship(name, name, name, name="kind")])
    roles = grants.roles([Neo4jSink(settings, "n", declared)], f"`{name}`; DROP ROLE `a")
    commands = [each for each in grants.text(roles).split(";\n") if each.strip()]
    assert len(commands) == len(roles) + sum(len(role.rights) for role in roles)
    with driver.session(database="system") as session:
        for command in commands:
            with pytest.raises(ClientError, match="Unsupported administration command"):
                session.run(command).consume()
