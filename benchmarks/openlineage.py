"""Measures how fast recorded runs reach an OpenLineage endpoint: `python benchmarks/openlineage.py [RUNS]`.

The endpoint is a process of its own on this machine, which reads each event and answers 201.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose openlineage.py is not the client

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from luigi_sinks.lineage.flush import flush_once
from luigi_sinks.recording.events import (
    Certainty,
    Check,
    Column,
    Dataset,
    End,
    Ended,
    Event,
    Job,
    Read,
    Start,
    Task,
    Write,
)
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.recording.spool import Spool

RUNS = 2_000
BAR = 200
"""Events a second that are to be reached."""

_COLUMNS = tuple(Column(f"column_{number}", "VARCHAR(30)") for number in range(8))


class Handler(BaseHTTPRequestHandler):
    """Reads events."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read one."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: Connection) -> None:
    """Run the endpoint."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    port.send(server.server_port)
    server.serve_forever()


def history(runs: int) -> Iterator[Event]:
    """Yield the events of runs that each read two datasets and write one."""
    file, carriers = Dataset("file", "/data/flights.csv"), Dataset("mysql://db:3306", "flights.carriers")
    said, seen = Certainty.DECLARED, Certainty.OBSERVED
    for number in range(runs):
        run, job, at = f"00000000-0000-7000-8000-{number:012x}", Job("luigi", f"Job{number % 200}"), number * 1_000_000
        known = {"run": run, "job": job, "at": at}
        task, params = Task(job, f"{job.name}_{number}"), {"day": "2026-11-20"}
        yield Start(at=at, run=run, task=task, params=params, owner="flight_ops", orchestrator="luigi")
        yield Read(**known, dataset=file, certainty=said, version="m1s2")
        yield Read(**known, dataset=carriers, certainty=seen, version="v1", rows=9)
        yield Write(
            **known,
            dataset=Dataset("mysql://db:3306", f"flights.{job.name}"),
            certainty=seen,
            version=f"v{number}",
            rows=1000,
            columns=_COLUMNS,
            checks=(Check("not_empty", passed=True),),
        )
        yield End(at=at + 1, run=run, outcome=Ended.COMPLETE)


def main() -> None:
    """Print events a second, from the spool to the endpoint."""
    runs = int(sys.argv[1]) if sys.argv[1:] else RUNS
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        for event in history(runs):
            spool.append(event)
        settings = LineageSettings(spool.folder, openlineage_url=f"http://127.0.0.1:{ours.recv()}")
        import_module("luigi_sinks.lineage.openlineage")
        began, spent = time.perf_counter(), time.process_time()
        report = flush_once(settings)
        took, cpu = time.perf_counter() - began, time.process_time() - spent
        spool.leave()
    server.terminate()
    sent = 2 * runs
    assert report.is_complete, report
    assert not report.deliveries[0].refused, report
    print(f"{sent / took:,.0f} events/s (bar {BAR}), {cpu / sent * 1e6:,.0f} us CPU an event, {sent:,} events")


if __name__ == "__main__":
    main()
