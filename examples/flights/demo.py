"""Loads the flights, and shows that readers only see whole versions: `make demo`, or `make demo SINKS=memory`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import luigi
import luigi.configuration
from rich.console import Console
from rich.table import Table

import source
from luigi_sinks import CopyTask, Record, audit, recording
from luigi_sinks.cli.app import app
from luigi_sinks.lineage import lookup
from luigi_sinks.lineage.ask import asking, connection_settings
from luigi_sinks.lineage.questions import job_runs
from luigi_sinks.recording import settings
from luigi_sinks.testing import servers
from luigi_sinks.versions import roll_back
from pipeline import Airlines, Airports, FlightFiles, Flights, FlightSearch, Network, Planes, Weather, flights
from polling import polling
from report import Report

JANUARY = source.MONTHS[0]
LABEL = "corrected"
CONFIG = "luigi.cfg"
AUDIT = "audit.log"
LINEAGE = "lineage"
console = Console(width=None if sys.stdout.isatty() else 120)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sinks", choices=["servers", "memory"], default="servers")
    sinks = parser.parse_args().sinks
    start = time.monotonic()
    configure(sinks)
    before = versions()
    load_the_year()
    correct_january()
    show_heads()
    show_january()
    show_audit()
    show_lineage(sinks)
    console.print(f"{versions() - before} versions were published in {time.monotonic() - start:.0f} s.")
    if sinks == "servers":
        console.print("The servers keep running. make down stops them; make purge also removes their data.")


def configure(sinks: str) -> None:
    """Start the servers if needed, and write luigi.cfg."""
    folder = Path("var") / f"flights-{sinks}"
    folder.mkdir(parents=True, exist_ok=True)
    if sinks == "servers":
        servers.up(servers.PASSWORDLESS)
        os.environ.update(servers.env())  # the AWS identity of this machine, as on an EC2 instance
    where = servers.passwordless_config() if sinks == "servers" else f"[luigi_sinks]\nlocal = {folder / 'sinks'}\n"
    common = (
        f"[flights]\nfolder = {folder}\n[luigi_sinks.audit]\npath = {folder / AUDIT}\nrequired = true\n"
        f"[luigi_sinks.lineage]\nspool = {folder / LINEAGE}\n"
        "[core]\nno_configure_logging = true\nautoload_range = false\n"
    )
    (folder / CONFIG).write_text(where + common)
    luigi.configuration.add_config_path(str(folder / CONFIG))
    recording.switch_on()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("luigi_sinks").setLevel(logging.INFO)
    logging.getLogger("luigi_sinks.audit").setLevel(logging.WARNING)


def load_the_year() -> None:
    """Load everything that is missing."""
    console.rule("The year 2013: five tables, an index and a graph, then a report that compares them")
    run(Report())


def correct_january() -> None:
    """Load January again without the cancelled flights, then publish its first version again, while readers poll."""
    console.rule("January corrected and rolled back, while readers poll the stores")
    month: list[CopyTask] = [Flights(month=JANUARY, rerun=LABEL), FlightSearch(month=JANUARY, rerun=LABEL)]
    network = Network(rerun=LABEL)
    if all(task.complete() for task in [*month, network]):
        console.print("Done in an earlier run: nothing to load.")
        return
    run(FlightFiles())
    with without_cancelled_flights(JANUARY), polling(flights().folder / CONFIG) as seen:
        seen.settled()
        run(*month)
        run(network)
        run(Report(about="January corrected"))
        seen.settled()
        for task in [*month, network]:
            publish_first(task)
        run(Report(about="January rolled back"))
        seen.settled()
    for line in seen.summary():
        console.print(line)


@contextmanager
def without_cancelled_flights(month: date) -> Iterator[None]:
    """Change the input within the block; without polars, whose threads do not survive the fork of a worker."""
    path = flights().folder / f"{month:%Y-%m}.csv"
    original = path.read_text()
    header, *lines = original.splitlines(keepends=True)
    departure = header.split(",").index("dep_time")
    path.write_text("".join([header, *(line for line in lines if line.split(",")[departure] != "NA")]))
    try:
        yield
    finally:
        path.write_text(original)


def publish_first(task: CopyTask) -> None:
    """Publish the first version of the task's partition again."""
    target = task.output()
    sink = target.sink()
    first = next(record for record in sink.records(partition=target.partition) if record.is_complete)
    roll_back(sink, first.version)
    console.print(f"published again: {first.version}")


def run(*tasks: luigi.Task) -> None:
    """Run tasks with two workers; exit if one fails."""
    if not luigi.build(tasks, local_scheduler=True, workers=2):
        sys.exit("a task failed; see its error above")


def tasks() -> list[CopyTask]:
    """Return all tasks of the year."""
    by_month: list[CopyTask] = [task(month=month) for task in (Flights, FlightSearch) for month in source.MONTHS]
    return [Airlines(), Airports(), Planes(), Weather(), *by_month, Network()]


def versions() -> int:
    """Return the number of versions that were ever published."""
    return sum(record.is_complete for task in tasks() for record in history(task))


def history(task: CopyTask) -> list[Record]:
    """Return all records of the task's partition."""
    return list(task.output().sink().records(partition=task.output().partition))


def show_heads() -> None:
    """Print what readers see now, and how fast it was loaded."""
    table = Table("store", "dataset", "partition", "version", "rows", "seconds", "rows/s", title="What readers see")
    for task in tasks():
        target = task.output()
        head = target.sink().head(target.partition).record
        if head and head.rows and head.seconds:
            name = (target.store, head.version.dataset, head.version.partition, head.version.id)
            table.add_row(*name, f"{head.rows:,}", f"{head.seconds:.2f}", f"{head.rows / head.seconds:,.0f}")
    console.print(table)


def show_january() -> None:
    """Print all versions of January and of the network."""
    table = Table(
        "store", "dataset", "version", "state", "rerun", "rows", title="Versions of January and of the network"
    )
    for task in (Flights(month=JANUARY), FlightSearch(month=JANUARY), Network()):
        for record in history(task):
            name = (task.output().store, record.version.dataset, record.version.id)
            table.add_row(*name, record.state, record.origin.rerun, f"{record.rows or 0:,}")
    console.print(table)


def show_audit() -> None:
    """Print the logins in the audit log, and whether the log is unchanged."""
    path = flights().folder / AUDIT
    counts = Counter[tuple[str, str, str, str]]()
    for line in map(json.loads, path.read_text().splitlines()):
        counts[line.get("source", ""), line.get("principal", ""), line.get("audience", ""), line["action"]] += 1
    table = Table("source", "principal", "audience", "exchanges", "logins", title="Tokens and their use")
    for who in sorted({key[:3] for key in counts if key[0]}):
        table.add_row(*who, str(counts[*who, "exchange"]), str(counts[*who, "connection"]))
    if table.row_count:
        console.print(table)
    verdict = audit.verify(path)
    state = "it is unchanged" if verdict.is_good else f"it was changed: {verdict.faults[0]}"
    console.print(f"The audit log, {path}, has {verdict.records:,} lines; {state}.")


def show_lineage(sinks: str) -> None:
    """Print what fed the network and what it waited for, and write the page."""
    console.rule("Lineage: what fed the network, and what it waited for")
    folder = flights().folder
    if sinks == "memory":
        console.print(f"What ran is recorded in {folder / LINEAGE}. It can be asked about in Neo4j: make demo")
        return
    command("lineage flush")
    command("lineage upstream network")
    run_id = first_run("Network")
    command(f"lineage why-late {run_id}")
    command(f"lineage page -o {folder / 'lineage.html'} --run {run_id}")


def first_run(job: str) -> str:
    """Return the id of the first run of a job: the last one only loaded once more."""
    with asking(connection_settings(settings.read())) as ask:
        return job_runs.runs(ask, lookup.job(ask, job))[-1].run


def command(line: str) -> None:
    """Run a command as from a shell."""
    console.print(f"$ luigi-sinks {line}", style="bold")
    app(line.split(), standalone_mode=False)


if __name__ == "__main__":
    main()
