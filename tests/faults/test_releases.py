"""After kill -9 at any request of a release over three stores, the next look leaves all of its versions heads, or none.

The suite kills at a few random requests; with LUIGI_SINKS_KILLS=every at a hundred, half of them in the last third.
"""

import logging
import os
import random
import secrets
import signal
from collections import Counter

import pytest

from luigi_sinks import settling, versions
from luigi_sinks.version import WHOLE
from tests.faults.kills import AFTER, ALL, BEFORE, STORES, Kill, run, unlike_the_registry

EVERY = os.environ.get("LUIGI_SINKS_KILLS") == "every"
KILLS = 100 if EVERY else 6

_log = logging.getLogger("tests")

LOOKS = {
    "the records of an output": lambda sink: settling.records_of(sink, {"Nightly_1"}),
    "a sweep": versions.sweep,
    "a pin": lambda sink: versions.pin(sink, sink.head(WHOLE).version),
}


@pytest.mark.timeout(7_200 if EVERY else 300)
def test_after_a_kill_the_next_look_leaves_all_versions_of_a_release_heads_or_none():
    dataset, seed = f"release_{secrets.token_hex(4)}", secrets.randbelow(2**32)
    _log.info("seed %d", seed)  # to kill at the same moments again
    chance, ends = random.Random(seed), Counter()
    for kill in (None, Kill(80, BEFORE), None):  # what follows a kill also clears what that left
        whole = run("all", dataset, "release", kill=kill)
        assert (whole.exitcode == 0) == (kill is None), whole.error
    requests = len(whole.requests)
    for number in range(KILLS):
        first = 1 if EVERY and number % 2 else requests * 2 // 3  # where it publishes
        kill = Kill(chance.randint(first, requests), chance.choice((BEFORE, AFTER)))
        ends[killed_at(dataset, kill, chance)] += 1
    _log.info("%d kills at random ones of %d requests: %s", KILLS, requests, dict(ends))
    whole = run("all", dataset, "release")
    assert whole.exitcode == 0, whole.error
    for store, sink in zip(STORES, ALL.open(dataset), strict=True):
        versions.sweep(sink)
        assert unlike_the_registry(store, sink) == []


def killed_at(dataset, kill, chance):
    """Kill a release, look at one of its datasets, and say how it ended."""
    sinks = ALL.open(dataset)
    before = [sink.head(WHOLE).version for sink in sinks]
    ended = run("all", dataset, "release", kill=kill)
    assert ended.exitcode in {0, -signal.SIGKILL}, (kill, ended.error)
    at_once = [sink.head(WHOLE).version != old for sink, old in zip(sinks, before, strict=True)]
    name, where = chance.choice(list(LOOKS)), chance.randrange(len(sinks))
    LOOKS[name](sinks[where])
    heads = [sink.head(WHOLE) for sink in sinks]
    moved = {head.version != old for head, old in zip(heads, before, strict=True)}
    assert len(moved) == 1, (kill, name, list(STORES)[where], heads)
    if moved == {True}:
        assert len({head.record.release.members for head in heads}) == 1
        assert all(is_complete(sink, head.version) for sink, head in zip(sinks, heads, strict=True))
    between = "between two publications, " if len(set(at_once)) > 1 else ""
    return f"{between}{'all' if moved == {True} else 'none'}"


def is_complete(sink, version):
    """Tell whether the version completes its output, as `exists()` finds."""
    return any(each.is_complete for each in settling.records_of(sink, {"Nightly_1"}) if each.version == version)
