"""Pruning forgets what is old, a few nodes at a time, and nothing that a head or a newer run is made of."""

import secrets

import pytest

from luigi_sinks.lineage import pruning
from luigi_sinks.lineage.graph import schema, writing
from luigi_sinks.lineage.questions import heads, job_runs, relations, writers
from luigi_sinks.neo4j.connection import alone
from tests.lineage_graph import dump, forget
from tests.lineage_history import DAY, History
from tests.lineage_model import Model, dataset_key, job_key

LONG_AGO = 300_000_000_000_000 // DAY * DAY
"""Before any other test's lineage, which may be in the same database now."""
DAYS = 10


@pytest.fixture
def history(settings):
    ask = alone(settings)
    schema.prepare(ask)
    history = History(days=DAYS, jobs=20, name=f"prune_{secrets.token_hex(4)}", epoch=LONG_AGO).make()
    writing.write(settings, history.events)
    yield history
    forget(ask, history.name)


@pytest.fixture
def ask(settings):
    return alone(settings)


@pytest.fixture
def pruned(settings, history, monkeypatch):
    """Return a function that prunes all days but the last few."""
    monkeypatch.setattr(pruning, "MOST", 50)
    return lambda: pruning.prune(settings, LONG_AGO + 7 * DAY)


def counted(found):
    return {label: sum(node[0] == label for node in found["nodes"]) for label in schema.LABELS}


def test_old_runs_versions_and_tasks_go_and_later_ones_stay(ask, settings, history, pruned):
    before, model = counted(dump(ask, history.name)), Model(history.events)
    expected = pruning.count(settings, LONG_AGO + 7 * DAY)
    deleted, after = pruned(), counted(dump(ask, history.name))
    assert deleted["versions"] == expected["versions"] == before["LineageVersion"] - after["LineageVersion"] > 50
    assert deleted["runs"] == before["LineageRun"] - after["LineageRun"] > 50
    assert after["LineageJob"] == before["LineageJob"]
    later = [run for run, start in model.starts.items() if start.at >= LONG_AGO + 7 * DAY]
    for run in later:
        assert ask("MATCH (r:LineageRun {key: $key})-[:OF]->(t)-[:OF]->(j) RETURN r.key", key=run)


def test_heads_and_who_wrote_them_stay(ask, history, pruned):
    before = {key: heads.head(ask, key) for key in (dataset_key(made.dataset) for made in history.made)}
    parts = {key: Model(history.events).publications[key] for key in before}
    pruned()
    for key, head in before.items():
        assert heads.head(ask, key) == head
        assert writers.who_wrote(ask, head).run
        assert all(heads.head(ask, key, partition=partition) for partition in parts[key])


def test_pruning_twice_deletes_nothing_more(settings, history, pruned):
    pruned()
    assert set(pruned().values()) == {0}


def test_questions_about_what_stays_are_answered(ask, history, pruned):
    pruned()
    model = Model(history.events)
    runs = model.runs(job_key(history.made[-1].job))
    assert [run.run for run in job_runs.runs(ask, job_key(history.made[-1].job))][:3] == runs[:3]
    assert relations.upstream_of(ask, runs[0]).datasets


def test_what_comes_later_is_written_as_before(ask, settings, history, pruned):
    pruned()
    writing.write(settings, [event for event in history.events if event.at >= LONG_AGO + 9 * DAY])
    writing.write(settings, history.events)
    assert counted(dump(ask, history.name))["LineageRun"] == len(Model(history.events).starts)
