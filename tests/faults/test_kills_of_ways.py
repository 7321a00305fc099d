"""After kill -9 before or after any request, a rerun of a task of another kind than a load leaves exactly its rows.

The suite kills at a few of the requests; `make faults` at each of them.
"""

import secrets

import pytest

from luigi_sinks.neo4j.connection import query
from luigi_sinks.version import WHOLE
from tests.faults.kills import AFTER, BEFORE, STORES, Kill, rows, run
from tests.faults.test_kills import EVERY, dies, ends_well, is_right, swept


def new_dataset():
    return f"Kill{secrets.token_hex(4)}"


def change(dataset, kill):
    ends_well(run("mariadb", dataset, "load"), kill)
    died = run("mariadb", dataset, "change", kill=kill)
    ends_well(run("mariadb", dataset, "change"), kill)
    sink = swept("mariadb", dataset, died, kill)
    expected = {row["id"]: row["name"] for row in rows("", 25) if row["id"] != 4} | {3: "changed"}
    assert {row["id"]: row["name"] for row in sink.read(sink.head(WHOLE).version)} == expected
    is_right("mariadb", sink)


def merge(dataset, kill):
    ends_well(run("neo4j", dataset, "merge", count=27), kill)
    dies(run("neo4j", dataset, "merge", kill=kill), kill)
    ends_well(run("neo4j", dataset, "merge"), kill)
    assert nodes(dataset) == list(range(25))
    asked = f"MATCH (a:{dataset})-[:NEXT]->(b) RETURN a.id AS start, b.id AS end ORDER BY start"
    found = query(STORES["neo4j"].open(dataset).settings, asked)
    assert [(row["start"], row["end"]) for row in found] == [(number, number + 1) for number in range(24)]


def run_cypher(dataset, kill):
    dies(run("neo4j", dataset, "run_cypher", kill=kill), kill)
    ends_well(run("neo4j", dataset, "run_cypher"), kill)
    assert nodes(dataset) == list(range(25))


def nodes(label):
    found = query(STORES["neo4j"].open(label).settings, f"MATCH (n:{label}) RETURN n.id AS id ORDER BY id")
    return [row["id"] for row in found]


WAYS = {"change": (change, "mariadb"), "merge": (merge, "neo4j"), "run_cypher": (run_cypher, "neo4j")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.timeout(7_200 if EVERY else 300)
def test_after_a_kill_a_rerun_leaves_exactly_its_rows(way):
    kill_and_rerun, store = WAYS[way]
    dataset = new_dataset()
    if way == "change":
        ends_well(run(store, dataset, "load"), None)
    count = len(run(store, dataset, way).requests)
    numbers = range(1, count + 1) if EVERY else (count // 3, count // 2, count - 3, count)
    for number in numbers:
        for when in (BEFORE, AFTER):
            kill_and_rerun(new_dataset(), Kill(number, when))
