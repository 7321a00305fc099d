"""Graphs that several tasks share: merged by key, stamped per source, and swept of what a source no longer has."""

import secrets

import luigi
import pytest
from luigi.configuration import get_config
from luigi.parameter import ParameterException

from luigi_sinks import BadRow, CheckFailed, Conflict, Unavailable
from luigi_sinks.neo4j import MergeIntoGraph, Node, Relationship, connection
from luigi_sinks.neo4j.merge import Merge
from luigi_sinks.neo4j.shared import SharedGraph
from luigi_sinks.neo4j.target import parse_schema

GRAPH = """MATCH (n:{0}) OPTIONAL MATCH (n)-[r]->(o)
RETURN n.id, n.name, type(r), o.id ORDER BY n.id, type(r), o.id"""


@pytest.fixture
def label():
    """A label that no other test uses."""
    return f"Person{secrets.token_hex(4)}"


@pytest.fixture
def people(label):
    """Return a function that makes the task of a source, which has these rows."""

    def people(given, source="a", **attributes):
        class People(MergeIntoGraph):
            source = luigi.Parameter()
            version = luigi.IntParameter()
            partition_by = ("source",)
            graph = label
            nodes = (Node(label, key="id", properties={"id": int, "name": str | None}),)
            relationships = (Relationship("KNOWS", label, label, properties={"since": int | None}),)

            def rows(self):
                yield from ((label if kind == "Person" else kind, row) for kind, row in given)

        for name, value in attributes.items():
            setattr(People, name, value)
        people.runs += 1
        return People(source=source, version=people.runs)

    people.runs = 0
    return people


@pytest.fixture
def graph(cypher, label):
    """Return what readers see: nodes with their relationships."""
    return lambda: cypher(GRAPH.format(label))


def person(id_, name=None):
    return "Person", {"id": id_, "name": name}


def knows(start, end):
    return "KNOWS", {"start": start, "end": end, "since": None}


def run(task):
    task.run()
    assert task.complete()


def test_mixed_rows_in_any_order_become_a_graph(people, graph):
    task = people([person(1, "Ann"), knows(1, 2), person(2, "Bob"), knows(2, 1), ("KNOWS", (1, 1, 2013))])
    assert not task.complete()
    assert luigi.build([task], local_scheduler=True, log_level="ERROR")
    assert task.complete()
    assert graph() == [(1, "Ann", "KNOWS", 1), (1, "Ann", "KNOWS", 2), (2, "Bob", "KNOWS", 1)]


def test_a_run_again_changes_values_takes_away_what_is_gone_and_keeps_identities(people, graph, cypher, label):
    run(people([person(1, "Ann"), person(2, "Bob"), person(3), knows(1, 2), knows(1, 3), knows(2, 3)]))
    ids = dict(cypher(f"MATCH (n:{label}) RETURN n.id, elementId(n)"))
    related = cypher(f"MATCH (:{label} {{id: 1}})-[r:KNOWS]->({{id: 2}}) RETURN elementId(r)")
    run(people([person(2, None), person(1, "Anna"), knows(1, 2)]))
    assert graph() == [(1, "Anna", "KNOWS", 2), (2, None, None, None)]
    assert dict(cypher(f"MATCH (n:{label}) RETURN n.id, elementId(n)")) == {1: ids[1], 2: ids[2]}
    assert cypher(f"MATCH (:{label} {{id: 1}})-[r:KNOWS]->({{id: 2}}) RETURN elementId(r)") == related


def test_what_another_source_gave_too_stays(people, graph):
    run(people([person(1, "Ann"), person(2), knows(1, 2)], "a"))
    run(people([person(1, "Ann"), person(2), person(3), knows(1, 2), knows(2, 3)], "b"))
    run(people([person(4)], "a"))
    assert graph() == [(1, "Ann", "KNOWS", 2), (2, None, "KNOWS", 3), (3, None, None, None), (4, None, None, None)]
    run(people([person(2)], "b"))
    assert graph() == [(2, None, None, None), (4, None, None, None)]


def test_what_was_there_before_stays_and_so_does_a_node_with_a_relationship_of_others(people, graph, cypher, label):
    cypher(f"CREATE (:{label} {{id: 1, name: 'Old'}})-[:LIKES]->(:{label} {{id: 5}})")
    run(people([person(1, "Ann"), person(2), person(3), knows(1, 2)]))
    cypher(f"MATCH (a:{label} {{id: 5}}), (b:{label} {{id: 3}}) CREATE (a)-[:LIKES]->(b)")
    run(people([person(4)]))
    assert graph() == [(1, "Ann", "LIKES", 5), (3, None, None, None), (4, None, None, None), (5, None, "LIKES", 3)]
    cypher(f"MATCH (:{label} {{id: 5}})-[r:LIKES]->({{id: 3}}) DELETE r")
    run(people([person(4)], "b"))
    assert 3 not in {row[0] for row in graph()}


def test_a_kind_that_is_no_longer_declared_is_taken_away(people, graph):
    run(people([person(1), person(2), knows(1, 2)]))
    run(people([person(1), person(2)], relationships=()))
    assert graph() == [(1, None, None, None), (2, None, None, None)]


def test_a_relationship_without_its_nodes_is_refused_and_nothing_is_taken_away(people, graph):
    run(people([person(1)]))
    with pytest.raises(BadRow, match=r"row 2, field 'start, end': no .* has the key 2, or no .* has 3; give"):
        people([person(2), knows(2, 3)]).run()
    assert [row[0] for row in graph()] == [1, 2]
    run(people([person(3)], "b"))
    run(people([person(2), knows(2, 3)]))
    assert graph() == [(2, None, "KNOWS", 3), (3, None, None, None)]


def test_a_run_that_ended_in_an_error_is_completed_by_the_next(people, graph, monkeypatch):
    monkeypatch.setitem(get_config()["luigi_sinks.neo4j"], "rows_per_transaction", "2")
    broken = people([person(1), person(2), person(3), ("Person", {"id": "x", "name": None})])
    with pytest.raises(BadRow, match="row 4, field 'id'"):
        broken.run()
    assert not broken.complete()
    assert [row[0] for row in graph()] == [1, 2]
    run(people([person(3)]))
    assert [row[0] for row in graph()] == [3]


def test_a_batch_whose_answer_was_lost_is_written_once_and_its_waiting_rows_are_not_lost(people, graph, monkeypatch):
    transact, lost = connection.transact, []

    def lose_each_first_answer(settings, work, *args, version):
        result = transact(settings, work, *args, version=version)
        if len(args) == 3 and args[0] not in lost:
            lost.append(args[0])
            raise Unavailable("the answer was lost")
        return result

    monkeypatch.setattr(connection, "transact", lose_each_first_answer)
    run(people([person(1), knows(1, 2), person(2)]))
    assert lost == [1]
    assert graph() == [(1, None, "KNOWS", 2), (2, None, None, None)]


def test_a_run_that_is_overtaken_stops_and_takes_nothing_away(settings, people, graph, label):
    task = people([person(2)])
    declared = parse_schema(label, task.nodes, task.relationships)

    def overtaken():
        yield label, (1, None)
        run(task)

    with pytest.raises(Conflict, match=r"another run for .* began meanwhile"):
        Merge(settings, label, declared, task._source(), "an older run").rows(overtaken())
    assert [row[0] for row in graph()] == [2]


def test_what_an_owner_makes_first_is_what_a_run_needs(settings, people, cypher, label):
    task = people([person(1)])
    SharedGraph(settings, label, parse_schema(label, task.nodes, task.relationships)).create()
    made = constraints(cypher, label)
    assert made == {f"{label} by id", "_SinkRun", "_SinkMark"}
    run(task)
    assert constraints(cypher, label) == made


def constraints(cypher, label):
    """Return the names of constraints on the label, and on ours; other tests have others at the same time."""
    query = "SHOW CONSTRAINTS YIELD name, labelsOrTypes AS labels RETURN name, labels"
    return {name for name, labels in cypher(query) if set(labels) & {label, "_SinkRun", "_SinkMark"}}


def test_no_rows_are_refused_unless_they_are_allowed(people, graph):
    run(people([person(1)]))
    with pytest.raises(CheckFailed, match=r"returned no rows, by which all that .*/a has .* may_be_empty = True"):
        people([]).run()
    assert [row[0] for row in graph()] == [1]
    run(people([], may_be_empty=True))
    assert graph() == []


def test_nodes_that_share_a_key_are_refused(people, cypher, label):
    cypher(f"CREATE (:{label} {{id: 1}}), (:{label} {{id: 1}})")
    with pytest.raises(Exception, match="cannot be created"):
        people([person(1)]).run()


def test_what_only_versions_have_is_refused(people):
    with pytest.raises(ParameterException, match=r"checks, keep: remove it: the task changes the graph in place"):
        people([], checks=(), keep=3)
    with pytest.raises(ParameterException, match="copy: remove it"):
        people([], copy=lambda self: None)
    with pytest.raises(ParameterException, match="no partition_by, so it is unclear"):
        people([], partition_by=None)
