"""Readers in another process see whole versions while many are published, rolled back and pruned by the verbs."""

import json
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from luigi.configuration import get_config
from typer.testing import CliRunner

from luigi_sinks import Origin, State, load, versions
from luigi_sinks.cli.app import app
from luigi_sinks.version import WHOLE
from tests.faults.kills import _PROCESSES, STORES, rows

MOVES = int(os.environ.get("LUIGI_SINKS_MOVES", "12"))
"""How often the head moves; 200 is what the package promises."""

SIZES = (7, 31)
ORIGIN = Origin("verbs", family="Load")


@pytest.fixture
def dataset():
    return f"verbs_{secrets.token_hex(4)}"


def command(*words):
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def read(sections, store, dataset, ready, stop, found):
    """Read the head by its catalog until told to stop; send what was seen: sizes, errors, mixtures."""
    get_config().read_dict(sections)
    sink, seen = STORES[store].open(dataset), set()
    while not stop.is_set():
        try:
            version = sink.head(WHOLE).version
            shown = sorted(json.dumps(sink.contract.split(row)[1]) for row in versions.read(sink, version))
            whole = [sorted(json.dumps(row) for row in rows("", size)) for size in SIZES]
            seen.add(len(shown) if shown in whole else f"a mixture: {shown}")
        except Exception as error:  # noqa: BLE001 - whatever it is, a reader may not see it
            seen.add(f"{type(error).__name__}: {error}")
        ready.set()
    found.send(seen)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.timeout(1_800)
def test_readers_see_no_error_and_no_mixture(store, dataset):
    sink = STORES[store].open(dataset)
    loaded = []
    for size in SIZES:
        load(sink, WHOLE, ORIGIN, rows(STORES[store].kind, size))
        loaded.append(sink.head(WHOLE).version)
    sections = {name: dict(get_config().items(name)) for name in get_config().sections() if "luigi_sinks" in name}
    ready, stop = _PROCESSES.Event(), _PROCESSES.Event()
    ours, theirs = _PROCESSES.Pipe(duplex=False)
    reader = _PROCESSES.Process(target=read, args=(sections, store, dataset, ready, stop, theirs))
    reader.start()
    assert ready.wait(60)
    for number in range(MOVES):
        if number % 4 == 3:
            load(sink, WHOLE, ORIGIN, rows(STORES[store].kind, SIZES[number % 2]))
        else:
            command("rollback", f"{store}:{loaded[number % 2]}")
    stop.set()
    seen = ours.recv()
    reader.join()
    assert seen == set(SIZES)
    assert sink.head(WHOLE).epoch >= MOVES


def load_others(store, dataset, stop):
    sink = STORES[store].open(dataset)
    while not stop.is_set():
        load(sink, "others", ORIGIN, rows(STORES[store].kind, 7))


def read_heads(store, dataset, stop):
    sink = STORES[store].open(dataset)
    while not stop.is_set():
        for partition in "ab":
            assert len(list(versions.read(sink, sink.head(partition).version))) == 7


def pruned(store, dataset, partition, *options):
    of = (f"{store}:{dataset}", "--partition", partition, "--keep", "2", "--min-age", "0s", "--json")
    return json.loads(command("prune", *of, *options))["deleted"]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.timeout(900)
def test_a_dry_run_of_prune_names_what_the_real_one_removes_while_others_load_and_read(store, dataset):
    sink, stop = STORES[store].open(dataset), threading.Event()
    for partition in ("a", "b", "a", "b", "a", "a"):
        load(sink, partition, ORIGIN, rows(STORES[store].kind, 7))
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(act, store, dataset, stop) for act in (load_others, read_heads)]
        try:
            for partition, count in (("a", 2), ("b", 0)):
                planned = pruned(store, dataset, partition, "--dry-run")
                assert pruned(store, dataset, partition) == planned
                gone = [each.version for each in sink.records(partition=partition) if each.state is State.DROPPED]
                assert sorted(map(str, gone)) == sorted(planned)
                assert len(planned) == count
        finally:
            stop.set()
    for other in others:
        other.result()
