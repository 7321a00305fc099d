"""A first load that failed freezes nothing: the corrected graph loads."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from luigi_sinks import BadRow, BadSetting, load, versions
from luigi_sinks.neo4j import Graph, Neo4jSink, Node, Relationship
from luigi_sinks.testing.suite import ORIGIN, WHOLE


@pytest.fixture
def label():
    return f"First{secrets.token_hex(4)}"


@pytest.fixture
def of_key(settings, dataset, label):
    """Return a function that gives a sink whose nodes have this key."""

    def sink(key, name=dataset, **properties):
        node = Node(label, key=key, properties={"id": int, "name": str, **properties})
        return Neo4jSink(settings, name, Graph([node], [Relationship("NEXT", label, label)]))

    return sink


@pytest.fixture
def keys(cypher, label):
    """Return a function that names the keys of which a constraint is there."""
    query = "SHOW CONSTRAINTS YIELD labelsOrTypes, properties WHERE labelsOrTypes = [$label] RETURN properties[1]"
    return lambda: sorted(key for (key,) in cypher(query, label=f"{label}__v"))


def rows(label, *pairs):
    return [(label, pair) for pair in pairs]


def test_another_key_than_that_of_a_load_that_failed_is_the_only_one(of_key, keys, label):
    twins = rows(label, (1, "twin"), (2, "twin"))
    with pytest.raises(BadRow, match="repeats the key 'twin'"):
        load(of_key("name"), WHOLE, ORIGIN, twins)
    assert keys() == ["name"]
    sink = of_key("id")
    load(sink, WHOLE, ORIGIN, [*twins, ("NEXT", (1, 2))])
    assert keys() == ["id"]
    assert [record.state for record in sink.records()] == ["failed", "published"]
    assert sink.head(WHOLE).record.rows == 3


def test_other_properties_and_types_are_taken_after_a_load_that_failed(of_key, label):
    with pytest.raises(BadRow):
        load(of_key("id", size=int), WHOLE, ORIGIN, rows(label, (1, "one", 1), (2, "two", "three")))
    sink = of_key("id", size=str, at=float)
    load(sink, WHOLE, ORIGIN, rows(label, (2, "two", "three", 0.5)))
    assert list(sink.read(sink.head(WHOLE).version)) == [(label, {"id": 2, "name": "two", "size": "three", "at": 0.5})]


def test_what_another_dataset_s_versions_need_stays_until_they_are_pruned(of_key, keys, label, dataset):
    other = of_key("name", name=f"{dataset}_other")
    load(other, WHOLE, ORIGIN, rows(label, (1, "one")))
    load(of_key("id"), WHOLE, ORIGIN, rows(label, (1, "one")))
    assert keys() == ["id", "name"]
    first = other.head(WHOLE).version
    load(of_key("id", name=other.dataset), WHOLE, ORIGIN, rows(label, (1, "one")))
    assert keys() == ["id", "name"]
    versions.prune(other, first, min_age=timedelta(0))
    load(of_key("id"), WHOLE, ORIGIN, rows(label, (1, "one")))
    assert keys() == ["id"]


@pytest.mark.parametrize("kind", ["INDEX {} FOR {} ON (n.other)", "CONSTRAINT {} FOR {} REQUIRE n.other IS UNIQUE"])
def test_an_index_or_constraint_of_the_same_name_on_other_properties_is_named(of_key, cypher, label, kind):
    cypher(f"CREATE {kind.format(f'`{label}__v by id`', f'(n:{label}__v)')}")
    sink = of_key("id")
    with pytest.raises(BadSetting, match=rf"is called '{label}__v by id', on {label}__v \('other',\); drop it"):
        load(sink, WHOLE, ORIGIN, rows(label, (1, "one")))
    cypher(f"DROP {kind.split()[0]} `{label}__v by id`")
    load(sink, WHOLE, ORIGIN, rows(label, (1, "one")))
    assert [record.state for record in sink.records()] == ["failed", "published"]


def test_a_plain_index_in_the_place_of_a_constraint_is_named(of_key, cypher, label):
    cypher(f"CREATE INDEX mine_{label} FOR (n:{label}__v) ON (n._version, n.id)")
    with pytest.raises(BadSetting, match=rf"'{label}__v by id' cannot be created: .*index"):
        load(of_key("id"), WHOLE, ORIGIN, rows(label, (1, "one")))
    cypher(f"DROP INDEX mine_{label}")
    load(of_key("id"), WHOLE, ORIGIN, rows(label, (1, "one")))


def test_rows_that_a_constraint_cannot_be_created_for_are_named(of_key, settings, dataset, label):
    other = of_key("name", name=f"{dataset}_other")
    load(other, WHOLE, ORIGIN, rows(label, (1, "one"), (1, "two")))
    with pytest.raises(BadSetting, match="cannot be created, as rows of another load or dataset are in the way"):
        load(of_key("id"), WHOLE, ORIGIN, rows(label, (1, "one")))


@pytest.mark.timeout(120)
def test_a_graph_and_a_constraint_of_others_that_are_made_at_once_do_not_wait_for_each_other(settings, cypher, label):
    big = f"{label}Big"
    cypher(f"UNWIND range(1, 200000) AS n CREATE (:{big} {{id: n}})")
    state = f"SHOW INDEXES YIELD state, labelsOrTypes AS labels WHERE labels = ['{big}'] RETURN state"
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(cypher, f"CREATE CONSTRAINT FOR (n:{big}) REQUIRE n.id IS UNIQUE")
        while not (states := cypher(state)):
            assert not other.done()
        assert states == [("POPULATING",)]
        Neo4jSink(settings, label.lower(), Graph([Node(label, key="id", properties={"id": int})])).create()
        other.result(60)
    assert cypher(state) == [("ONLINE",)]
    cypher(f"MATCH (n:{big}) DELETE n")
