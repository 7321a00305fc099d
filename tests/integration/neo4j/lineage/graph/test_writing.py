"""What the lineage in Neo4j is does not depend on the order in which events come, nor on how often."""

import random
import secrets

import msgspec
import neo4j
import pytest

from luigi_sinks.lineage.destinations import Part
from luigi_sinks.lineage.graph import keys, schema, statements
from luigi_sinks.lineage.graph.destination import ToNeo4j
from luigi_sinks.neo4j import errors
from luigi_sinks.recording.events import Dataset, End, Ended, Job, Lost, Publication, Read, Start, Task, Write
from luigi_sinks.recording.settings import LineageSettings
from tests.lineage_graph import dump, forget
from tests.lineage_history import DAY, History
from tests.lineage_model import Model, version_key
from tests.lineage_shuffles import SIZES, WRITERS, shuffled, write

SHUFFLES = 10
WEEK = 7 * DAY


@pytest.fixture
def name(ask):
    name = f"graph_{secrets.token_hex(4)}"
    yield name
    forget(ask, name)


@pytest.fixture
def history(name):
    return History(days=2, jobs=16, failing=0.3, name=name, skew=1.0).make()


@pytest.fixture
def graph_of(ask, settings, name):
    """Return a function that writes events into an empty graph, and returns what is there then."""

    def graph_of(events, writers=1, size=400):
        forget(ask, name)
        write(settings, events, writers, size)
        return dump(ask, name)

    return graph_of


@pytest.fixture
def deadlocks(monkeypatch):
    """Return the errors for which the driver's calls were tried once more."""
    seen, known = [], errors.is_retryable

    def note(error):
        if isinstance(error, neo4j.exceptions.TransientError):
            seen.append(error)
        return known(error)

    monkeypatch.setattr(errors, "is_retryable", note)
    return seen


def test_any_order_and_any_repetition_by_any_number_of_writers_make_the_same_graph(graph_of, history, deadlocks):
    expected = graph_of(history.events)
    assert len(expected["nodes"]) > 150
    for seed in range(SHUFFLES):
        writers, size = WRITERS[seed % len(WRITERS)], random.Random(seed).choice(SIZES)
        assert graph_of(shuffled(history.events, seed), writers, size) == expected, (seed, writers, size)
    assert deadlocks == []


@pytest.mark.parametrize("statement", ["ENDS", "JOB_FACTS", "DATASET_FACTS", "RUNS"])
def test_a_fact_that_is_set_only_when_its_node_is_made_depends_on_the_order(graph_of, history, statement, monkeypatch):
    """So the test above sees what it is there to see."""
    expected = graph_of(history.events)
    wrong = getattr(statements, statement)._replace(cypher=_on_create(getattr(statements, statement).cypher))
    order = tuple(wrong if each is getattr(statements, statement) else each for each in statements.ORDER)
    monkeypatch.setattr(statements, statement, wrong)
    monkeypatch.setattr(statements, "ORDER", order)
    assert any(graph_of(shuffled(history.events, seed), size=20) != expected for seed in range(3))


def _on_create(cypher):
    """Return a statement as one writes it who does not know: the facts are set when the node is made."""
    if "WHERE" not in cypher:
        return cypher.replace("SET", "ON CREATE SET", 1)
    merge, facts = cypher.split("\n    WITH", 1)
    return f"{merge} ON CREATE {facts[facts.index('SET') :]}"


def test_events_that_come_a_week_late_make_the_graph_that_they_would_have_made_in_time(graph_of, name):
    history = History(days=12, jobs=10, name=name).make()
    until = history.epoch + 3 * DAY
    late = [event for event in history.events if until <= event.at < until + DAY]
    others = [event for event in history.events if event not in late]
    assert max(event.at for event in others) - max(event.at for event in late) > WEEK
    assert graph_of([*others, *late]) == graph_of(history.events)


def test_the_graph_holds_each_event_once(graph_of, ask, history, name):
    found = graph_of([*history.events, *history.events])
    model = Model(history.events)
    count = {kind: sum(node[0] == kind for node in found["nodes"]) for kind in schema.LABELS}
    assert count["LineageRun"] == len(model.starts)
    assert count["LineageTask"] == len(model.tasks)
    assert count["LineageVersion"] == len(model.writes)
    assert sum(edge[0] == "READ" for edge in found["edges"]) == sum(map(len, model.reads.values())) + sum(
        map(len, model.unversioned.values())
    )
    assert sum(edge[0] == "REQUIRES" and "#" not in edge[1] for edge in found["edges"]) >= sum(
        map(len, model.requires.values())
    )


def test_what_a_run_said_itself_holds_over_that_it_was_found_dead(graph_of, ask, name):
    run = f"r.{name}"
    aborted = End(at=9, run=run, outcome=Ended.ABORTED, error="the process ended without a word")
    complete = End(at=5, run=run, outcome=Ended.COMPLETE)
    for events in ([aborted, complete], [complete, aborted]):
        graph_of(events, size=1)
        (row,) = ask("MATCH (r:LineageRun {key: $key}) RETURN r.outcome AS outcome, r.ended AS ended", key=run)
        assert row == {"outcome": "complete", "ended": 5}


def test_what_an_end_requires_is_required_by_its_task_though_the_start_comes_later(graph_of, ask, name):
    job = Job(name, "Build")
    task, needed = Task(job, f"Build_{name}"), Task(Job(name, "Asked"), f"Asked_{name}")
    start = Start(at=1, run=f"r.{name}", task=task)
    end = End(at=2, run=f"r.{name}", outcome=Ended.SUSPENDED, requires=(needed,))
    for events in ([start, end], [end, start]):
        found = graph_of(events, size=1)
        assert ("REQUIRES", keys.task_key(task), keys.task_key(needed), []) in found["edges"]


def test_a_dataset_without_versions_is_read_itself(graph_of, name):
    by_hand = Dataset("file", f"/{name}/by_hand.xls")
    read = Read(at=1, run=f"r.{name}", job=Job(name, "Load"), dataset=by_hand, certainty="declared")
    found = graph_of([read])
    assert ("READ", f"r.{name}", f"file//{name}/by_hand.xls", [("observed", False), ("rows", 0)]) in found["edges"]


def test_lost_events_are_counted_by_spool_file_and_the_highest_count_holds(graph_of, ask, name):
    graph_of([Lost(at=1, spool=f"{name}.spool", count=7), Lost(at=2, spool=f"{name}.spool", count=3)], size=1)
    (row,) = ask("MATCH (s:LineageSpool {key: $key}) RETURN s.lost AS lost", key=f"{name}.spool")
    assert row["lost"] == 7


def test_of_two_runs_that_wrote_the_same_file_the_last_one_did(graph_of, ask, name):
    written = {
        run: Write(
            at=at,
            run=f"{run}.{name}",
            job=Job(name, "Load"),
            dataset=Dataset("file", f"/{name}/x.csv"),
            certainty="declared",
            version="m1s1",
        )
        for run, at in (("first", 1), ("last", 2))
    }
    for events in (list(written.values()), list(written.values())[::-1]):
        found = graph_of(events, size=1)
        (version,) = (dict(node[2]) for node in found["nodes"] if node[0] == "LineageVersion")
        assert version["run"] == f"last.{name}"
        assert sum(edge[0] == "BY" for edge in found["edges"]) == 2


def test_a_publication_that_is_told_again_later_keeps_its_time(graph_of, name):
    published = Publication(at=5, dataset=Dataset("file", name), partition="_all", version="v1", epoch=1)
    again = msgspec.structs.replace(published, at=9)
    assert graph_of([published, again], size=1) == graph_of([again, published], size=1) == graph_of([published])


def test_names_too_long_for_an_index_are_cut_and_stay_apart(graph_of, name):
    tasks = [Task(Job(name, "Long"), f"{name}{'é' * 10_000}{number}") for number in range(2)]
    found = graph_of([Start(at=1, run=f"{number}.{name}", task=task) for number, task in enumerate(tasks)])
    assert sum(node[0] == "LineageTask" for node in found["nodes"]) == 2


def test_an_event_that_the_database_refuses_is_left_out_and_the_others_are_written(ask, name, tmp_path):
    destination = ToNeo4j(LineageSettings(tmp_path))
    job = Job(name, "Load")
    starts = [Start(at=1, run=f"{number}.{name}", task=Task(job, f"{number}_{name}")) for number in range(20)]
    starts[7] = msgspec.structs.replace(starts[7], run="x" * 40_000 + name)  # longer than an index takes
    assert destination.deliver([Part(tmp_path, 0, 1, tuple(starts))]) == 1
    assert sum(node[0] == "LineageRun" for node in dump(ask, name)["nodes"]) == 19
    destination.close()


def test_versions_in_the_model_and_in_the_graph_have_the_same_keys(history):
    write = next(event for event in history.events if isinstance(event, Write))
    assert keys.version_key(write.dataset, write.partition, write.version) == version_key(write)
