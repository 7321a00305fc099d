"""What is known of a run becomes its facets."""

import pytest

from luigi_sinks.lineage.facets.run_id import run_id
from luigi_sinks.recording.events import Ended, Job, Task
from tests.unit.lineage.one_run import RUN, end, facet, last, sent, start


def test_the_parent_keeps_the_name_that_openlineage_gave_it():
    parent = facet(sent(start(parent=f"airflow/nightly.load/{RUN}"))[0]["run"], "parent")
    assert (parent["job"]["namespace"], parent["job"]["name"]) == ("airflow", "nightly.load")
    assert parent["run"]["runId"] == RUN


def test_a_parent_by_any_other_name_is_a_run_of_what_stands_before_its_last_slash():
    parent = facet(sent(start(parent="nightly/2013-01-01", orchestrator="airflow"))[0]["run"], "parent")
    assert (parent["job"]["namespace"], parent["job"]["name"]) == ("luigi", "nightly")
    assert parent["run"]["runId"] == run_id("luigi/nightly/2013-01-01")


def test_a_build_is_a_run_of_its_orchestrator():
    parent = facet(sent(start(parent="build", orchestrator="luigi"))[0]["run"], "parent")
    assert parent["job"]["name"] == "luigi"


@pytest.mark.parametrize(
    ("period", "begins", "ends"),
    [
        ("2013-01-31", "2013-01-31T00:00:00Z", None),
        ("2013-01", "2013-01-01T00:00:00Z", "2013-02-01T00:00:00Z"),
        ("2013", "2013-01-01T00:00:00Z", "2014-01-01T00:00:00Z"),
        ("2013-W05", "2013-01-28T00:00:00Z", "2013-02-04T00:00:00Z"),
        ("2013-01-31-2013-02-07", "2013-01-31T00:00:00Z", "2013-02-07T00:00:00Z"),
        ("2013-01-31T05:00:00", "2013-01-31T05:00:00Z", None),
        ("2013-01-31T05:00:00+02:00", "2013-01-31T03:00:00Z", None),
    ],
)
def test_the_nominal_time_is_the_period_in_utc(period, begins, ends):
    time = facet(sent(start(period=period))[0]["run"], "nominalTime")
    assert (time["nominalStartTime"], time.get("nominalEndTime")) == (begins, ends)


@pytest.mark.parametrize("period", ["", "winter", "9999", "2013-99", "0001-01-01T00:00:00+02:00"])
def test_a_period_that_is_no_time_has_no_nominal_time(period):
    assert "nominalTime" not in sent(start(period=period))[0]["run"]["facets"]


def test_the_engine_is_the_orchestrator_with_its_version():
    engine = facet(sent(start(orchestrator="luigi", orchestrator_version="3.8.1"))[0]["run"], "processing_engine")
    assert (engine["name"], engine["version"]) == ("luigi", "3.8.1")


def test_jobs_that_a_run_depends_on_are_named_once_whenever_they_were_found():
    required = (
        Task(Job("luigi", "Csv"), "Csv_1"),
        Task(Job("luigi", "Csv"), "Csv_2"),
        Task(Job("luigi", "Plan"), "Plan"),
    )
    event = last(start(requires=required[:2]), end(requires=required[1:]))
    upstream = facet(event["run"], "jobDependencies")["upstream"]
    assert [each["job"]["name"] for each in upstream] == ["Csv", "Plan"]


def test_public_parameters_are_the_executions():
    given = facet(sent(start(params={"month": "2013-01"}))[0]["run"], "executionParameters")
    assert given == {"parameters": [{"key": "month", "value": "2013-01"}]}


@pytest.mark.parametrize(("message", "said"), [("", "BadRow"), ("flights: row 3", "BadRow: flights: row 3")])
def test_a_failure_says_the_errors_class_and_the_message_if_it_is_known(message, said):
    event = last(start(), end(Ended.FAILED, error="BadRow", message=message))
    assert facet(event["run"], "errorMessage") == {"message": said, "programmingLanguage": "python"}
