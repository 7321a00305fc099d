"""After kill -9 before or after any request, a rerun and a sweep leave the store as its registry says.

Also if the last request arrives after the rerun, as a slow network may deliver it.

The suite kills at a few of the requests; `make faults` at each of them.
"""

import os
import secrets
import signal

import pytest

from luigi_sinks import Head, State, versions
from luigi_sinks.dropping import drop_dataset
from luigi_sinks.version import WHOLE
from tests.faults.kills import AFTER, BEFORE, LATE, STORES, Kill, rows, run, unlike_the_registry

EVERY = os.environ.get("LUIGI_SINKS_KILLS") == "every"


def first_load(store, kill):
    load(store, new_dataset(), kill)


def later_load(store, kill):
    dataset, _ = prepared(store)
    load(store, dataset, kill)


def load_over_a_dead_one(store, kill):
    dataset, _ = prepared(store)
    earlier = Kill(kill.number * 2 // 3 + 1, BEFORE)
    dies(run(store, dataset, "load", kill=earlier), earlier)
    load(store, dataset, kill)


def load(store, dataset, kill):
    died = run(store, dataset, "load", kill=kill)
    ends_well(run(store, dataset, "load", count=31), kill)
    sink = swept(store, dataset, died, kill)
    assert rows_of(sink, sink.head(WHOLE).version) == sorted(rows(STORES[store].kind, 31), key=str)
    is_right(store, sink)


def roll_back(store, kill):
    dataset, version = prepared(store)
    died = run(store, dataset, "roll_back", version=version, kill=kill)
    ends_well(run(store, dataset, "roll_back", version=version), kill)
    sink = swept(store, dataset, died, kill)
    assert sink.head(WHOLE).version == version
    is_right(store, sink)


def prune(store, kill):
    dataset, version = prepared(store)
    died = run(store, dataset, "prune", version=version, kill=kill)
    ends_well(run(store, dataset, "prune", version=version), kill)
    sink = swept(store, dataset, died, kill)
    assert sink.record(version).state is State.DROPPED
    is_right(store, sink)


def withdraw(store, kill):
    dataset, version = one_version(store)
    died = run(store, dataset, "withdraw", version=version, kill=kill)
    ends_well(run(store, dataset, "withdraw", version=version), kill)
    sink = swept(store, dataset, died, kill)
    assert (sink.head(WHOLE), sink.record(version).is_complete) == (Head(None, 2), False)
    assert unlike_the_registry(store, sink) == []
    ends_well(run(store, dataset, "load"), kill)
    versions.sweep(sink)
    assert sink.head(WHOLE).epoch == 3
    assert unlike_the_registry(store, sink) == []


VERBS = {verb.__name__: verb for verb in (first_load, later_load, load_over_a_dead_one, roll_back, prune, withdraw)}
SAMPLE = {
    "later_load": (Kill(8, LATE), Kill(9, AFTER), Kill(-2, BEFORE)),
    "roll_back": (Kill(-2, AFTER),),
    "prune": (Kill(-2, BEFORE),),
    "withdraw": (Kill(-1, BEFORE), Kill(-2, AFTER)),
}
"""Which kills a short run makes; a negative number counts from the end."""

FEWER = 20
"""By how many requests two runs of a verb may differ: Neo4j is asked until the indexes of a first load serve."""


@pytest.mark.parametrize("verb", VERBS if EVERY else SAMPLE)
@pytest.mark.parametrize("store", STORES)
@pytest.mark.timeout(7_200 if EVERY else 300)
def test_after_a_kill_a_rerun_leaves_the_store_as_its_registry_says(store, verb):
    count = requests_of(store, verb)
    ways = (BEFORE, AFTER, LATE) if STORES[store].resend else (BEFORE, AFTER)
    every = [Kill(number, when) for number in range(1, count + 1) for when in ways]
    for kill in every if EVERY else [kill for kill in SAMPLE[verb] if kill.when in ways]:
        VERBS[verb](store, Kill(kill.number % (count + 1), kill.when))
        forget(store)


def requests_of(store, verb):
    """Return how many requests the verb sends, where nothing kills it."""
    if verb == "first_load":
        return len(run(store, new_dataset(), "load").requests)
    dataset, version = one_version(store) if verb == "withdraw" else prepared(store)
    is_by_hand = verb in {"prune", "roll_back", "withdraw"}
    return len(run(store, dataset, verb if is_by_hand else "load", version=version).requests)


def new_dataset():
    made.append(f"kill_{secrets.token_hex(4)}")
    return made[-1]


def forget(store):
    """Drop what a kill has left: a server takes no more than so many indices."""
    if store in ready:
        records = STORES[store].open(ready[store]).records()
        if sum(record.state.has_rows for record in records) > MOST:
            del ready[store]
    for dataset in {*made} - {*ready.values()}:
        drop_dataset(STORES[store].open(dataset), really=dataset)
        made.remove(dataset)


def one_version(store):
    """Load a dataset once; return it, and its version."""
    dataset = new_dataset()
    ends_well(run(store, dataset, "load"), None)
    return dataset, STORES[store].open(dataset).head(WHOLE).version


made, ready = [], {}
MOST = 12
"""How many versions a dataset may have that is used again."""


def prepared(store):
    """Load until there are two older versions; return the dataset, which is used again, and the oldest version."""
    dataset = ready.setdefault(store, new_dataset())
    while len(kept := [each for each in STORES[store].open(dataset).records() if each.state.has_rows]) < 3:
        ends_well(run(store, dataset, "load"), None)
    return dataset, next(each.version for each in kept if each.state is State.RETIRED)


def swept(store, dataset, died, kill):
    """Let the late request arrive, if there is one, and sweep; return the sink."""
    dies(died, kill)
    sink = STORES[store].open(dataset)
    if died.late:
        STORES[store].resend(sink, died.late)
    versions.sweep(sink)
    return sink


def dies(ended, kill):
    """Check that the kill happened, unless the process sent a few requests fewer than the one that was counted."""
    is_over = ended.exitcode == 0 and 0 < kill.number - len(ended.requests) <= FEWER
    assert is_over or ended.exitcode == -signal.SIGKILL, (kill, ended.error)


def ends_well(ended, kill):
    assert (ended.exitcode, ended.error) == (0, ""), kill


def rows_of(sink, version):
    return sorted(sink.read(version), key=str)


def is_right(store, sink):
    """Check that records, head and rows agree, and that an older version can be published and the head again."""
    assert unlike_the_registry(store, sink) == []
    older = [record.version for record in sink.records() if record.state is State.RETIRED]
    for version in (*older[-1:], sink.head(WHOLE).version):
        versions.roll_back(sink, version)
        assert sink.head(WHOLE).version == version
    assert unlike_the_registry(store, sink) == []
