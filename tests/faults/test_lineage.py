"""Recorded runs come into Neo4j, each once, though recorders and flushers are killed at any time.

The suite kills a few; `make faults` a hundred, and shuffles a longer history among several flushers.
"""

import os
import random
import secrets
import time
import zlib

import pytest

from luigi_sinks import config
from luigi_sinks.lineage.flush import flush_once
from luigi_sinks.lineage.graph import schema, transactions
from luigi_sinks.neo4j import Neo4jSettings, errors
from luigi_sinks.neo4j.connection import alone
from luigi_sinks.recording.settings import LineageSettings
from tests.faults.lineage_processes import (
    DEADLOCK,
    flush_in_processes,
    notes,
    spooled,
    start_flusher,
    start_writer,
)
from tests.lineage_graph import alone_with_the_graph, dump, forget  # noqa: F401 - a fixture
from tests.lineage_history import History
from tests.lineage_shuffles import SIZES, WRITERS, shuffled, write

EVERY = os.environ.get("LUIGI_SINKS_KILLS") == "every"
KILLS = 100 if EVERY else 8
AT_ONCE = 3


@pytest.fixture(scope="module")
def settings(servers_config):
    return config.read_connection(Neo4jSettings, "neo4j")


@pytest.fixture
def ask(settings):
    schema.prepare(alone(settings))
    return alone(settings)


@pytest.fixture
def name(ask):
    name = f"faults_{secrets.token_hex(4)}"
    yield name
    forget(ask, name)


@pytest.mark.timeout(1_200)
def test_after_kills_of_recorders_and_flushers_each_run_is_there_once_and_none_is_open(ask, name, tmp_path):
    folder, chance = tmp_path / "spool", random.Random(1)
    writers = [start_writer(folder, name, number) for number in range(AT_ONCE)]
    flusher, count = start_flusher(folder), AT_ONCE
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.02, 0.4))
        killed = chance.choice([*writers, flusher])
        killed.kill()
        killed.join()
        if killed is flusher:
            flusher = start_flusher(folder, chance.choice(SIZES))
        else:
            writers[writers.index(killed)] = start_writer(folder, name, count)
            count += 1
    for process in (*writers, flusher):
        process.kill()
        process.join()
    report = flush_once(LineageSettings(folder))
    assert report.is_complete
    left = [path for path in folder.glob("*.spool*") if not path.name.endswith(".spool.new")]
    assert not left, "a file whose process died before it had its name is swept after a minute"

    intended, begun, ended = notes(tmp_path)
    query = "MATCH (r:LineageRun) WHERE r.key ENDS WITH $name RETURN r.key AS key, r.outcome AS outcome"
    found = [(row["key"], row["outcome"]) for row in ask(query, name=f".{name}")]
    assert len(ended) > 50
    assert begun <= {key for key, _ in found} <= intended
    assert len({key for key, _ in found}) == len(found)
    assert {key for key, outcome in found if outcome == "complete"} >= ended
    assert {outcome for _, outcome in found} <= {"complete", "aborted"}
    written = ask("MATCH (:LineageVersion)-[:BY]->(r) WHERE r.key ENDS WITH $name RETURN r.key AS key", name=f".{name}")
    assert ended <= {row["key"] for row in written} <= intended
    assert len(written) == len({row["key"] for row in written})


if EVERY:

    @pytest.fixture
    def history(name):
        return History(days=4, jobs=20, failing=0.3, name=name, skew=1.0).make()

    @pytest.mark.timeout(3_600)
    def test_thirty_shuffles_by_one_two_and_four_flushers_make_the_same_graph(settings, ask, name, history, tmp_path):
        write(settings, history.events, 1, 400)
        expected = dump(ask, name)
        for seed in range(30):
            forget(ask, name)
            flushers, size = WRITERS[seed % len(WRITERS)], random.Random(seed).choice(SIZES)
            events = shuffled(history.events, seed)
            folders = [tmp_path / f"{seed}" / f"{number}" for number in range(flushers)]
            for number, folder in enumerate(folders):
                spooled(folder, [event for event in events if _folder_of(event) % flushers == number])
            assert flush_in_processes(folders, size) == [0] * flushers, (seed, flushers, size, DEADLOCK)
            assert dump(ask, name) == expected, (seed, flushers, size)

    def _folder_of(event):
        """Return the same number for all events of a run, which are in one file."""
        run = getattr(event, "run", "")
        return zlib.crc32(run.encode()) if run else event.at

    @pytest.mark.timeout(1_200)
    def test_without_the_turn_flushers_at_once_are_deadlocks_or_make_another_graph(
        settings, ask, name, history, monkeypatch
    ):
        """So the test above sees what it is there to see."""
        seen, known = [], errors.is_retryable
        monkeypatch.setattr(errors, "is_retryable", lambda error: seen.append(error) or known(error))
        write(settings, history.events, 1, 400)
        expected = dump(ask, name)
        monkeypatch.setattr(transactions, "LOCK", "RETURN 1")
        for seed in range(30):
            forget(ask, name)
            try:
                write(settings, shuffled(history.events, seed), 4, 50)
            except Exception as error:  # noqa: BLE001 - a deadlock twice
                seen.append(error)
            if seen or dump(ask, name) != expected:
                break
        assert seen or dump(ask, name) != expected
