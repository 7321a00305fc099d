"""A made-up history in Neo4j for each module of tests, and the plain Python model that answers are compared with."""

import random
import secrets

import pytest

from luigi_sinks.lineage.graph import schema, writing
from luigi_sinks.neo4j.connection import alone
from luigi_sinks.recording.events import Job, Task
from tests.lineage_graph import alone_with_the_graph, forget  # noqa: F401 - a fixture
from tests.lineage_history import History
from tests.lineage_model import Model

BATCH = 2_000


@pytest.fixture(scope="module")
def ask(settings):
    schema.prepare(alone(settings))
    return alone(settings)


@pytest.fixture(scope="module")
def written(ask, settings):
    """Return a function that makes a history, and writes it."""
    names = []

    def write(**how):
        names.append(f"lake_{secrets.token_hex(4)}")
        history = History(name=names[-1], **how).make()
        for start in range(0, len(history.events), BATCH):
            writing.write(settings, history.events[start : start + BATCH])
        return history

    yield write
    for name in names:
        forget(ask, name)


@pytest.fixture(scope="module")
def history(written):
    return written(days=20, jobs=40)


@pytest.fixture(scope="module")
def model(history):
    return Model(history.events)


@pytest.fixture
def some():
    """Return a function that picks some of many, always the same."""
    chance = random.Random(1)
    return lambda found, count=12: chance.sample(sorted(found), min(count, len(found)))


@pytest.fixture
def told(settings, ask):
    """Return a function that writes events of a job namespace, which are deleted at the end."""
    name = f"told_{secrets.token_hex(4)}"

    def told(*events):
        writing.write(settings, events)

    def task(family, number=0):
        return Task(Job(name, family), f"{family}_{number}_{name}")

    told.name, told.task = name, task
    yield told
    forget(ask, name)
