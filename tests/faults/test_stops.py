"""A loader of Neo4j that stops, or whose machine does, delays others for no longer than its lease."""

import itertools
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from luigi_sinks import Conflict, Origin, config, load
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node
from tests.faults.kills import LONGEST

EVERY = os.environ.get("LUIGI_SINKS_KILLS") == "every"
LEASE = 3
THINGS = Graph([Node("Thing", key="id", properties={"id": int})])
MOMENTS = {"begin": "d.seq + 1", "part": "CREATE (:`Thing__v`", "seal": "RETURN count(n)", "publish": "SET h.version"}
"""Which query of the loader says that it is at this step."""

SAMPLE = [("begin", "after"), ("part", "after"), ("seal", "before"), ("publish", "before")]

LOADER = """
import os, signal, sys
from dataclasses import replace
import neo4j
from luigi_sinks import Origin, config, load
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node

dataset, lease, text, when = sys.argv[1:]
stops = iter([lambda: os.kill(os.getpid(), signal.SIGSTOP)])

def stopping(send):
    def run(self, query, *args, **options):
        is_it = text in getattr(query, "text", query)
        if is_it and when == "before":
            next(stops, int)()
        answer = send(self, query, *args, **options)
        if is_it and when == "after":
            next(stops, int)()
        return answer
    return run

for place in (neo4j.Session, neo4j.Transaction):
    place.run = stopping(place.run)
settings = replace(config.read_connection(Neo4jSettings, "neo4j"), lease=float(lease))
graph = Graph([Node("Thing", key="id", properties={"id": int})])
origin = Origin("stopped", family="Load", partition_by=("p",))
load(Neo4jSink(settings, dataset, graph), "p1", origin, [("Thing", (i,)) for i in range(100)])
"""


@pytest.mark.parametrize(("moment", "when"), itertools.product(MOMENTS, ("before", "after")) if EVERY else SAMPLE)
def test_a_loader_that_stops_delays_its_partition_by_its_lease_and_others_not_at_all(luigi_config, moment, when):
    settings = replace(config.read_connection(Neo4jSettings, "neo4j"), lease=LEASE)
    sink = Neo4jSink(settings, f"stop_{secrets.token_hex(4)}", THINGS)
    load_other(sink)
    loader = start(luigi_config, sink.dataset, MOMENTS[moment], when)
    try:
        began = time.monotonic()
        load_other(sink)
        rerun(sink)
        assert time.monotonic() - began < LEASE + LONGEST
        loader.send_signal(signal.SIGCONT)
        _, said = loader.communicate(timeout=LONGEST)
    finally:
        loader.kill()
    assert loader.returncode == 0 if (moment, when) == ("publish", "after") else "Conflict: " in said
    assert [row["id"] for _, row in sink.read(sink.head("p1").version)] == [1]
    assert sink.remains() == []
    assert not [record for record in sink.records() if record.is_unfinished]


def start(luigi_config, dataset, text, when):
    """Start a loader; return it when it has stopped."""
    loader = subprocess.Popen(
        [sys.executable, "-c", LOADER, dataset, str(LEASE), text, when],
        env={**os.environ, "LUIGI_CONFIG_PATH": str(luigi_config)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while Path(f"/proc/{loader.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert loader.poll() is None, loader.stderr.read()
        time.sleep(0.05)
    return loader


def load_other(sink):
    load(sink, "p2", Origin(secrets.token_hex(4), family="Load", partition_by=("p",)), [("Thing", (2,))])


def rerun(sink):
    """Load the partition as soon as the lease allows it."""
    while True:
        try:
            return load(sink, "p1", Origin("rerun", family="Load", partition_by=("p",)), [("Thing", (1,))])
        except Conflict:
            time.sleep(0.2)
