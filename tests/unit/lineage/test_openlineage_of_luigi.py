"""What Luigi's tasks do, as OpenLineage is told of it: recorded, flushed, and read again by the client's classes."""

from datetime import date

import luigi
import pytest
from luigi.task_register import Register
from sqlalchemy import Column, Integer, String

from luigi_sinks import mariadb, recording
from luigi_sinks.lineage.facets import own
from luigi_sinks.lineage.flush import flush_once
from luigi_sinks.recording import recorder
from luigi_sinks.recording.settings import LineageSettings
from tests.unit.lineage import client_classes


@pytest.fixture
def told(luigi_cfg, tmp_path, receiver):
    """Return a function that runs tasks, and returns the events that the endpoint is sent of them, by job."""
    folder = tmp_path / "spool"
    luigi_cfg(
        f"[luigi_sinks]\nlocal = {tmp_path}/sinks\n[core]\nautoload_range = false\n"
        f"[luigi_sinks.lineage]\nspool = {folder}\nexit_seconds = 0\n"
    )
    recorder.active.cache_clear()
    Register.clear_instance_cache()

    def run(*tasks, expect=True):
        recording.switch_on()
        assert luigi.build(tasks, local_scheduler=True, log_level="CRITICAL") is expect
        (delivery,) = flush_once(LineageSettings(folder, openlineage_url=receiver.url)).deliveries
        assert delivery.error == ""
        found = {}
        for event in receiver.events:
            client_classes.read(event)
            found.setdefault(event["job"]["name"], []).append(event)
        return found

    yield run
    if recorder.active() is not None:
        recorder.active().spool.leave()
    recorder.active.cache_clear()


class Csv(luigi.Task):
    month = luigi.MonthParameter()
    folder = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(f"{self.folder}/{self.month:%Y-%m}.csv")

    def run(self):
        with self.output().open("w") as file:
            file.write("1 UA\n2 AA\n")


class Departures(mariadb.CopyToTable):
    month = luigi.MonthParameter()
    folder = luigi.Parameter(significant=False)
    table, partition_by, owner = "departures", "month", "flight_ops"
    columns = [Column("id", Integer, primary_key=True), Column("carrier", String(2))]
    column_lineage = {"carrier": {"2013-01.csv": ["carrier"]}}

    def requires(self):
        return Csv(self.month, self.folder)

    def rows(self):
        with self.input().open() as file:
            yield from ({"id": int(line.split()[0]), "carrier": line.split()[1]} for line in file)


class Dynamic(luigi.Task):
    folder = luigi.Parameter()

    def output(self):
        return luigi.LocalTarget(f"{self.folder}/dynamic")

    def run(self):
        yield Csv(date(2013, 2, 1), self.folder)
        self.output().open("w").close()


class Failing(luigi.Task):
    token = luigi.Parameter("secret-token", visibility=luigi.parameter.ParameterVisibility.PRIVATE)

    def run(self):
        raise ValueError(f"it fails with {self.token}")


def test_a_load_is_told_with_input_output_columns_checks_and_where_a_column_comes_from(told, tmp_path):
    found = told(Departures(date(2013, 1, 1), str(tmp_path)))
    start, end = found["Departures"]
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    (source,), (output,) = end["inputs"], end["outputs"]
    assert (source["namespace"], source["name"]) == ("file", f"{tmp_path}/2013-01.csv")
    assert output["facets"]["version"]["datasetVersion"].startswith("201301#v")
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["id", "carrier"]
    assert all(each["success"] for each in output["facets"]["dataQualityAssertions"]["assertions"])
    assert output["facets"]["columnLineage"]["fields"]["carrier"]["inputFields"][0]["field"] == "carrier"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert end["run"]["facets"]["jobDependencies"]["upstream"][0]["job"]["name"] == "Csv"
    assert end["run"]["facets"]["processing_engine"]["version"] == luigi.__version__
    assert end["job"]["facets"]["ownership"]["owners"][0]["name"] == "team:flight_ops"


def test_a_task_that_yields_another_is_told_as_suspended_and_then_complete(told, tmp_path):
    found = told(Dynamic(str(tmp_path)))
    ends = [event for event in found["Dynamic"] if event["eventType"] != "START"]
    assert [event["eventType"] for event in ends] == ["COMPLETE", "COMPLETE"]
    outcomes = [event["run"]["facets"][own.EXECUTION]["outcome"] for event in ends]
    assert outcomes == ["suspended", "complete"]
    assert [len(event["outputs"]) for event in ends] == [0, 1]
    assert len({event["run"]["runId"] for event in ends}) == 2


def test_a_failure_is_told_by_its_class_and_without_what_is_private(told, tmp_path):
    found = told(Failing(), expect=False)
    assert [event["eventType"] for event in found["Failing"]] == ["START", "FAIL"]
    assert found["Failing"][1]["run"]["facets"]["errorMessage"]["message"] == "ValueError"
    assert "secret-token" not in str(found)
