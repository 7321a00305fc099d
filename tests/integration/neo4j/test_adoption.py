"""Nodes with plain labels become a dataset, and stay for the readers that they have."""

import json
import os
import secrets
import signal
import sys
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated

import neo4j
import pytest
from msgspec import Meta

from luigi_sinks import BadSetting, CheckFailed, Origin, versions
from luigi_sinks.adoption import adopt
from luigi_sinks.neo4j import Graph, Neo4jSink, Node, Relationship, read_query
from luigi_sinks.neo4j.adoption import ExistingNodes
from luigi_sinks.neo4j.declaration import declare
from luigi_sinks.version import WHOLE

ORIGIN = Origin("Airports_1", family="Airports")


@pytest.fixture
def label(cypher):
    """A label that no other test uses, on 20 nodes with a relationship from each to the next."""
    name = f"A{secrets.token_hex(4)}"
    cypher(
        f"UNWIND range(0, 19) AS n CREATE (a:{name} {{faa: 'A' + n, lat: n / 4.0, opened: date('2013-01-01')}}) "
        f"SET a.seen = CASE n % 2 WHEN 0 THEN datetime('2013-01-01T05:00Z') END"
    )
    cypher(
        f"UNWIND range(0, 18) AS n MATCH (a:{name} {{faa: 'A' + n}}), (b:{name} {{faa: 'A' + (n + 1)}}) "
        "CREATE (a)-[:ROUTE {flights: n}]->(b)"
    )
    yield name
    cypher(f"MATCH (n:{name}) DETACH DELETE n")


def graph_of(label, **changes):
    kinds = {"faa": str, "lat": float, "opened": date, "seen": Annotated[datetime, Meta(tz=True)] | None, **changes}
    return Graph([Node(label, "faa", kinds)], [Relationship("ROUTE", label, label, {"flights": int})])


@pytest.fixture
def existing(settings, dataset, label):
    return ExistingNodes(Neo4jSink(settings, dataset, graph_of(label)))


def test_a_copy_of_the_nodes_becomes_the_first_version_and_they_stay(existing, cypher, dataset, label):
    adopted = adopt(existing, WHOLE, ORIGIN)
    assert (adopted.record.seq, adopted.record.rows, adopted.record.origin) == (1, 39, ORIGIN)
    assert adopted.kept == f"the nodes with the plain labels '{label}' stay; readers of '{dataset}' ask the head"
    assert cypher(f"MATCH (n:{label}) RETURN count(n)") == [(20,)]
    query = f"MATCH (a:{label}__v {{_version: version}})-[r]->(b) RETURN a.faa, b.faa, r.flights ORDER BY r.flights"
    assert cypher(read_query(dataset, query)) == [(f"A{n}", f"A{n + 1}", n) for n in range(19)]
    rows = dict(row for row in existing.sink.read(adopted.record.version) if row[1].get("faa") == "A2")
    assert rows[label] == {
        "faa": "A2",
        "lat": 0.5,
        "opened": date(2013, 1, 1),
        "seen": datetime(2013, 1, 1, 5, tzinfo=UTC),
    }
    assert adopt(existing, WHOLE, ORIGIN).record == adopted.record, "nothing has changed"


def test_what_is_written_while_it_is_copied_is_found(existing, cypher, label, monkeypatch):
    copy, change = ExistingNodes.copy, f"MATCH (n:{label} {{faa: 'A7'}}) SET n.lat = 9.5"
    monkeypatch.setattr(ExistingNodes, "copy", lambda *each: (copy(*each), cypher(change)))
    with pytest.raises(CheckFailed, match="39 rows were copied, and others are there now"):
        adopt(existing, WHOLE, ORIGIN)
    assert existing.sink.head(WHOLE).version is None
    monkeypatch.undo()
    assert adopt(existing, WHOLE, ORIGIN).record.rows == 39


def test_nodes_that_changed_since_they_were_adopted_are_not_adopted_again(existing, cypher, label):
    adopt(existing, WHOLE, ORIGIN)
    cypher(f"MATCH (n:{label} {{faa: 'A7'}}) SET n.lat = 9.5")
    with pytest.raises(BadSetting, match="has versions already, and there is nothing to adopt"):
        adopt(existing, WHOLE, ORIGIN)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        (
            {"lat": int},
            "'lat' of a A.* is not as it is declared: Expected `int`, got `float`; see `luigi-sinks declare",
        ),
        ({"seen": datetime}, "is not as it is declared"),
    ],
)
def test_nodes_that_are_declared_otherwise_are_refused(settings, dataset, label, changes, refusal):
    sink = Neo4jSink(settings, dataset, graph_of(label, **changes))
    with pytest.raises(BadSetting, match=refusal):
        adopt(ExistingNodes(sink), WHOLE, ORIGIN)
    assert sink.head(WHOLE).version is None


def test_a_property_that_is_not_declared_and_a_label_without_nodes_are_refused(settings, dataset, label):
    for graph, refusal in (
        (Graph([Node(label, "faa", {"faa": str})]), f"{label} has a property 'lat', which is not declared"),
        (Graph([Node("NobodyHasThis", "faa", {"faa": str})]), "no node has the label 'NobodyHasThis'"),
    ):
        with pytest.raises(BadSetting, match=refusal):
            adopt(ExistingNodes(Neo4jSink(settings, dataset, graph)), WHOLE, ORIGIN)


def test_after_a_kill_at_any_request_a_rerun_adopts_it(settings, dataset, label):
    every = os.environ.get("LUIGI_SINKS_KILLS") == "every"
    number, ended = 1, None
    while ended != 0:
        found = ExistingNodes(Neo4jSink(settings, f"{dataset}_{number}", graph_of(label)))
        ended = killed_at(number, partial(adopt, found, WHOLE, ORIGIN))
        adopted = adopt(found, WHOLE, ORIGIN)
        assert (adopted.record.rows, found.equals(adopted.record.version)) == (39, True), number
        versions.sweep(found.sink)
        assert found.sink.remains() == [], number
        number += 1 if every else 11
    assert number > 20


def killed_at(number, act):
    """Run a function in a child that dies before it sends this query; return how the child ended."""
    child = os.fork()
    if not child:
        counted = iter(range(1, number))
        for kind in (neo4j.Session, neo4j.Transaction):
            kind.run = run_or_die(kind.run, counted)
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def run_or_die(run, counted):
    def running(*args, **kwargs):
        if next(counted, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(*args, **kwargs)

    return running


TASK = """
{}
from luigi_sinks.neo4j import CopyToGraph

class Airports(CopyToGraph):
    {}
"""


def test_the_command_adopts_what_the_other_command_declares(settings, label, command_of):
    declared = declare(settings, label)
    assert declared == declare(settings, label)
    assert declared.undeclared == (
        "a constraint: 'faa' is the key as it is unique in the sample",
        "what only others have: 1000 of each label were looked at, with their relationships",
    )
    imports, _, body = declared.code.partition("\n\ngraph")
    run = command_of(TASK.format(imports, f"graph{body}".replace("\n", "\n    ")))
    done = run("adopt", "Airports", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == 39
    airports = sys.modules[run.module].Airports()
    assert airports.complete()
    assert airports.output().sink().graph.nodes[0].properties == {
        "faa": str,
        "lat": float | None,
        "opened": date | None,
        "seen": Annotated[datetime, Meta(tz=True)] | None,
    }
