"""Tasks of luigi_sinks switch recording on by themselves, and are recorded with the exact versions that they touch."""

import os
import subprocess
import sys

import pytest

from luigi_sinks import config, stores
from luigi_sinks.recording.events import End, Publication, Read, Start, Write
from tests.integration.recording.conftest import ROOT, run_luigi

TASKS = """
from pathlib import Path

import luigi
from luigi_sinks import elasticsearch, mariadb
from sqlalchemy import Column, Integer


class Flights(mariadb.CopyToTable):
    month = luigi.IntParameter()
    table = "flights"
    partition_by = ("month",)
    owner = "flight_ops"
    max_age = 3600
    columns = [Column("id", Integer, primary_key=True)]

    def rows(self):
        return ({"id": number} for number in range(self.month))


class Delays(elasticsearch.CopyToIndex):
    index = "delays"
    mapping = {"id": {"type": "integer"}}
    partition_by = ()

    def requires(self):
        return [Flights(month=1), Flights(month=2)]

    def docs(self):
        for target in self.input():
            yield from target.open()


class Sql(luigi.Task):
    "Reads a table of ours by its own means, so that only the declaration tells."

    def requires(self):
        return Flights(month=1)

    def complete(self):
        return Path("out/done").exists()

    def run(self):
        Path("out/done").touch()


class All(luigi.WrapperTask):
    def requires(self):
        return [Delays(), Sql()]
"""

IN_THREADS = """
import sys, threading
from pathlib import Path

import luigi

sys.path.insert(0, str(Path(__file__).parent))
import tasks

if __name__ == "__main__":
    builds = [
        threading.Thread(
            target=luigi.build,
            args=([tasks.Flights(month=number)],),
            kwargs={"local_scheduler": True},
        )
        for number in range(1, 9)
    ]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
"""


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def outcome(request, tmp_path):
    folder = tmp_path / "run"
    sections = f"[luigi_sinks.lineage]\nspool = {folder}/spool\n[luigi_sinks]\nlocal = {folder}/sinks\n"
    return run_luigi(folder, TASKS, lineage="by the sinks", workers=request.param, sections=sections)


def published(folder, store, dataset):
    """Return the versions that the registry says were published, by partition."""
    config.use({"luigi_sinks": {"local": str(folder / "sinks")}})
    try:
        return {record.version.partition: record.version.id for record in stores.find(store).catalog(dataset).records()}
    finally:
        config.use(None)


def test_importing_a_sink_is_enough_and_versions_are_those_of_the_registry(outcome):
    flights, delays = (
        published(outcome.folder, *each) for each in (("mariadb", "flights"), ("elasticsearch", "delays"))
    )
    runs = {start.run: start.task.job.name for start in outcome.events(Start)}

    written = {(runs[write.run], write.partition, write.version) for write in outcome.events(Write)}
    assert written == {("Flights", *each) for each in flights.items()} | {("Delays", *each) for each in delays.items()}
    heads = {(event.partition, event.version): event.epoch for event in outcome.events(Publication)}
    assert heads == dict.fromkeys([*flights.items(), *delays.items()], 1)
    read = {(runs[event.run], event.partition, event.version) for event in outcome.events(Read) if event.version}
    assert read == {("Delays", *each) for each in flights.items()}
    assert {end.outcome for end in outcome.events(End)} == {"complete"}


def test_the_facts_of_a_load_are_with_its_version(outcome):
    write = next(write for write in outcome.events(Write) if write.rows == 2)
    assert (write.owner, write.max_age, write.certainty) == ("flight_ops", 3600.0, "observed")
    assert [(column.name, column.type) for column in write.columns] == [("id", "int")]
    assert write.dataset.name.endswith("/mariadb.sqlite/flights")


def test_a_table_of_ours_that_is_read_by_other_means_is_declared_without_a_version(outcome):
    runs = {start.run: start.task.job.name for start in outcome.events(Start)}
    (read,) = [read for read in outcome.events(Read) if runs[read.run] == "Sql"]
    assert (read.certainty, read.version) == ("declared", "")
    assert read.dataset == next(write.dataset for write in outcome.events(Write) if write.owner == "flight_ops")


def test_of_several_builds_in_threads_each_load_is_of_its_own_run(tmp_path):
    folder = tmp_path / "run"
    sections = f"[luigi_sinks.lineage]\nspool = {folder}/spool\n[luigi_sinks]\nlocal = {folder}/sinks\n"
    outcome = run_luigi(folder, TASKS, "Flights", lineage="by the sinks", sections=sections)
    assert outcome.events() == [], "a month is missing, so nothing ran"
    (folder / "threads.py").write_text(IN_THREADS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, folder / "threads.py"], cwd=folder, env=environment, check=True, timeout=120)
    months = {start.run: start.params["month"] for start in outcome.events(Start)}
    assert sorted(months.values()) == [str(number) for number in range(1, 9)]
    assert {months[write.run]: str(write.rows) for write in outcome.events(Write)} == {
        month: month for month in months.values()
    }
