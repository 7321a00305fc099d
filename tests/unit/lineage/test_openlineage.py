"""What was recorded of a run becomes events that OpenLineage's client and its specification accept."""

import json
import os
import subprocess
import sys
from importlib.resources import files
from itertools import chain
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openlineage.client.serde import Serde
from referencing import Registry, Resource

from luigi_sinks.lineage import facets
from luigi_sinks.lineage.openlineage import Runs, to_openlineage
from luigi_sinks.recording.events import (
    Certainty,
    Check,
    Column,
    Dataset,
    End,
    Ended,
    Job,
    Lost,
    Publication,
    Read,
    Start,
    Task,
    Write,
)
from tests.unit.lineage import client_classes

SPEC = os.environ.get("LUIGI_SINKS_OPENLINEAGE_SPEC")
"""The folder `spec` of a checkout of OpenLineage. If it is named, its JSON schemas are tested against as well."""

RUN = "019c3f5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f"
JOB = Job("luigi", "Flights")
TASK = Task(JOB, "Flights_2013_01_1d3f")
COMMIT = "5d41402abc4b2a76b9719d911017c592ae1f0a3c"
SECOND = 1_000_000
BEGAN = 1_764_270_000 * SECOND
TABLE = Dataset("mysql://db.internal:3306", "flights.departures")
FILE = Dataset("file", "/data/2013-01.csv")


def start(**facts):
    return Start(at=BEGAN, run=RUN, task=TASK, **facts)


def end(outcome=Ended.COMPLETE, **facts):
    return End(at=BEGAN + 9 * SECOND, run=RUN, outcome=outcome, **facts)


def read(dataset=FILE, certainty=Certainty.DECLARED, **facts):
    return Read(at=BEGAN + SECOND, run=RUN, job=JOB, dataset=dataset, certainty=certainty, **facts)


def write(dataset=TABLE, certainty=Certainty.OBSERVED, **facts):
    return Write(at=BEGAN + 8 * SECOND, run=RUN, job=JOB, dataset=dataset, certainty=certainty, **facts)


def sent(*events):
    """Return what is sent of these events, as JSON says it."""
    return [json.loads(Serde.to_json(event)) for event in to_openlineage(events)]


def last(*events):
    return sent(*events)[-1]


def facet(found, name):
    """Return the fields of a facet, without those of every facet."""
    return {key: value for key, value in found["facets"][name].items() if not key.startswith("_")}


# Events


def test_a_run_is_sent_when_it_starts_and_when_it_ends():
    first, second = sent(start(), end())
    assert (first["eventType"], first["eventTime"]) == ("START", "2025-11-27T19:00:00Z")
    assert (second["eventType"], second["eventTime"]) == ("COMPLETE", "2025-11-27T19:00:09Z")
    assert first["run"]["runId"] == second["run"]["runId"] == RUN
    assert (first["job"]["namespace"], first["job"]["name"]) == ("luigi", "Flights")


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Ended.COMPLETE, "COMPLETE"),
        (Ended.FAILED, "FAIL"),
        (Ended.ABORTED, "ABORT"),
        (Ended.SUSPENDED, "COMPLETE"),
    ],
)
def test_an_outcome_is_sent_in_openlineages_terms_and_in_ours(outcome, kind):
    event = last(start(), end(outcome))
    assert event["eventType"] == kind
    assert facet(event["run"], facets.EXECUTION)["outcome"] == outcome


def test_a_suspended_run_has_no_outputs_but_those_that_our_target_saw():
    declared = write(FILE, Certainty.DECLARED)
    assert last(start(), declared, end(Ended.SUSPENDED))["outputs"] == []
    (output,) = last(start(), declared, write(), end(Ended.SUSPENDED))["outputs"]
    assert output["name"] == TABLE.name


def test_what_is_recorded_twice_and_in_disorder_is_sent_as_if_once_in_order():
    events = [start(), read(rows=5), write(rows=3), end()]
    assert sent(*reversed(events), *events) == sent(*events)


def test_a_run_that_goes_on_has_started_only():
    assert [event["eventType"] for event in sent(start(), read())] == ["START"]


def test_a_run_whose_start_was_lost_ends_under_the_job_that_its_reads_name():
    (event,) = sent(read(), end())
    assert (event["eventType"], event["job"]["name"]) == ("COMPLETE", "Flights")


def test_nothing_is_sent_of_a_run_whose_job_nothing_names():
    assert sent(end()) == []


def test_what_a_run_said_of_its_end_counts_more_than_that_its_process_died_later():
    died = End(at=BEGAN + 60 * SECOND, run=RUN, outcome=Ended.ABORTED)
    assert last(died, start(), end())["eventType"] == "COMPLETE"


@pytest.mark.parametrize("text", ["nightly", "dag/2013-01-01", "{019c3f5e7a1b7c2d8e3f4a5b6c7d8e9f}", ""])
def test_each_run_has_a_uuid_that_its_name_alone_decides(text):
    assert facets.run_id(text) == str(UUID(facets.run_id(text))) == facets.run_id(text)
    assert facets.run_id(text) != facets.run_id(text + "1")


def test_a_missing_client_is_named_with_its_extra():
    program = """
import sys
sys.modules["openlineage"] = None
import luigi_sinks.lineage
try:
    import luigi_sinks.lineage.openlineage
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'luigi-sinks[openlineage]'" in done.stdout


# Events as they come


def taken(runs, *events):
    """Return the kinds of what is due with each event, None where nothing is."""
    return [due and due.eventType.value for due in map(runs.take, events)]


def test_each_event_tells_what_is_due_with_it():
    assert taken(Runs(), start(), read(), write(), end()) == ["START", None, None, "COMPLETE"]


def test_the_last_event_has_all_that_came_before():
    runs = Runs()
    *_, last = map(runs.take, [start(parent="build"), read(), write(), end()])
    assert (last.inputs[0].name, last.outputs[0].name) == (FILE.name, TABLE.name)
    assert "parent" in last.run.facets


def test_runs_that_go_on_at_the_same_time_are_kept_apart():
    another = "019c3f5e-7a1b-7c2d-8e3f-000000000002"
    runs = Runs()
    taken(
        runs,
        start(),
        msgspec.structs.replace(start(), run=another),
        read(),
        msgspec.structs.replace(write(), run=another),
    )
    last = runs.take(end())
    assert (len(last.inputs), len(last.outputs)) == (1, 0)


def test_what_comes_again_is_due_once():
    runs = Runs()
    assert taken(runs, start(), start(), end(), end()) == ["START", None, "COMPLETE", None]


def test_what_comes_after_a_run_has_ended_or_of_another_process_is_sent_by_itself():
    runs = Runs()
    assert taken(runs, write(), start(), end(), read()) == ["OTHER", "START", "COMPLETE", "OTHER"]


def test_what_is_of_no_run_is_not_for_openlineage():
    publication = Publication(at=1, dataset=TABLE, partition="_all", version="v1", epoch=1)
    assert taken(Runs(), publication, Lost(at=1, spool="a", count=1)) == [None, None]


# Facets of runs and jobs


def test_the_parent_keeps_the_name_that_openlineage_gave_it():
    parent = facet(sent(start(parent=f"airflow/nightly.load/{RUN}"))[0]["run"], "parent")
    assert (parent["job"]["namespace"], parent["job"]["name"]) == ("airflow", "nightly.load")
    assert parent["run"]["runId"] == RUN


def test_a_parent_by_any_other_name_is_a_run_of_what_stands_before_its_last_slash():
    parent = facet(sent(start(parent="nightly/2013-01-01", orchestrator="airflow"))[0]["run"], "parent")
    assert (parent["job"]["namespace"], parent["job"]["name"]) == ("luigi", "nightly")
    assert parent["run"]["runId"] == facets.run_id("luigi/nightly/2013-01-01")


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


def test_a_job_is_a_batch_task_of_its_orchestrator_with_an_owner():
    job = sent(start(orchestrator="luigi", owner="flight_ops"))[0]["job"]
    assert facet(job, "jobType") == {"processingType": "BATCH", "integration": "LUIGI", "jobType": "TASK"}
    assert facet(job, "ownership") == {"owners": [{"name": "team:flight_ops"}]}


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("/srv/my tasks.py", "file:///srv/my%20tasks.py"),
        ("my tasks.py", f"swh:1:rev:{COMMIT};path=/my%20tasks.py"),
        ("https://git.example/tasks.py", "https://git.example/tasks.py"),
    ],
    ids=["no checkout", "in a checkout", "a URL"],
)
def test_the_source_is_the_file_at_its_commit(source, url):
    job = sent(start(source=source, commit=COMMIT))[0]["job"]
    assert facet(job, "sourceCodeLocation") == {"type": "git", "url": url, "path": source, "version": COMMIT}


def test_a_path_in_a_checkout_whose_commit_is_unknown_has_no_url_and_so_no_facet():
    assert "sourceCodeLocation" not in sent(start(source="tasks.py"))[0]["job"]["facets"]


# Facets of datasets


@pytest.mark.parametrize(
    ("dataset", "uri"),
    [
        (TABLE, "mysql://db.internal:3306"),
        (Dataset("elasticsearch://es:9200", "delays"), "elasticsearch://es:9200"),
        (Dataset("neo4j://graph:7687", "neo4j.routes"), "neo4j://graph:7687"),
        (FILE, "file:///data/2013-01.csv"),
    ],
)
def test_a_dataset_keeps_its_name_and_says_its_source(dataset, uri):
    (output,) = last(start(), write(dataset), end())["outputs"]
    assert (output["namespace"], output["name"]) == (dataset.namespace, dataset.name)
    assert facet(output, "dataSource") == {"name": dataset.namespace, "uri": uri}


def test_a_dataset_that_is_read_in_parts_is_one_input_with_all_its_versions():
    parts = [
        read(TABLE, Certainty.OBSERVED, partition=month, version=f"v{month}", rows=3) for month in ("201301", "201302")
    ]
    (source,) = last(start(), *parts, end())["inputs"]
    assert "version" not in source["facets"]
    assert facet(source, facets.VERSIONS)["versions"] == [
        {"certainty": "observed", "partition": "201301", "version": "v201301", "rows": 3},
        {"certainty": "observed", "partition": "201302", "version": "v201302", "rows": 3},
    ]
    assert source["inputFacets"]["inputStatistics"]["rowCount"] == 6


@pytest.mark.parametrize(
    ("partition", "version"), [("_all", "v1"), ("", "v1"), ("201301", "201301#v1")], ids=["whole", "plain", "month"]
)
def test_one_version_is_openlineages_version_too(partition, version):
    (output,) = last(start(), write(partition=partition, version="v1"), end())["outputs"]
    assert facet(output, "version") == {"datasetVersion": version}


def test_an_output_says_columns_checks_owner_and_figures():
    loaded = write(
        rows=3,
        bytes=120,
        owner="flight_ops",
        checks=(Check("complete", passed=True), Check("not_empty", passed=False)),
        columns=(Column("id", "INTEGER"), Column("carrier", "VARCHAR(2)")),
    )
    (output,) = last(start(), loaded, end())["outputs"]
    assert facet(output, "schema")["fields"] == [
        {"name": "id", "type": "INTEGER", "ordinal_position": 1},
        {"name": "carrier", "type": "VARCHAR(2)", "ordinal_position": 2},
    ]
    said = facet(output, "dataQualityAssertions")["assertions"]
    assert [(each["assertion"], each["success"]) for each in said] == [("complete", True), ("not_empty", False)]
    assert facet(output, "ownership") == {"owners": [{"name": "team:flight_ops"}]}
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (3, 120)


def test_columns_come_from_where_the_task_declares_it_and_the_run_has_read():
    declared = {
        "delay": {"departures": ("dep_delay", "arr_delay"), "weather": ("wind",)},
        "dropped": {"departures": ("id",)},
        "carrier": {"carriers": ("code",)},
    }
    columns = (Column("delay", "FLOAT"), Column("carrier", "TEXT"))
    made = write(Dataset("elasticsearch://es:9200", "delays"), columns=columns)
    (output,) = last(start(column_lineage=declared), read(TABLE), made, end())["outputs"]
    fields = facet(output, "columnLineage")["fields"]
    assert fields.keys() == {"delay"}
    assert [(each["namespace"], each["name"], each["field"]) for each in fields["delay"]["inputFields"]] == [
        (TABLE.namespace, TABLE.name, "dep_delay"),
        (TABLE.namespace, TABLE.name, "arr_delay"),
    ]


def test_without_a_declaration_nothing_is_said_of_where_columns_come_from():
    (output,) = last(start(), read(TABLE), write(columns=(Column("id", "INTEGER"),)), end())["outputs"]
    assert "columnLineage" not in output["facets"]


def test_what_was_not_counted_has_no_figures():
    event = last(start(), read(), write(), end())
    assert event["inputs"][0].get("inputFacets") == event["outputs"][0].get("outputFacets") == {}


# Whatever is recorded is accepted

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
moments = st.integers(0, 4_000_000_000 * SECOND)
counts = st.integers(0, 2**53)
jobs = st.builds(Job, texts, texts)
tasks = st.builds(Task, jobs, texts)
datasets = st.builds(Dataset, st.one_of(st.sampled_from(["file", "mysql://db:3306", "s3://bucket"]), texts), texts)
known = {
    "at": moments,
    "job": jobs,
    "dataset": datasets,
    "certainty": st.sampled_from(Certainty),
    "partition": texts,
    "version": texts,
    "rows": counts,
}
starts = st.builds(
    Start,
    at=moments,
    run=st.just(RUN),
    task=tasks,
    params=st.dictionaries(texts, texts, max_size=3),
    requires=st.lists(tasks, max_size=3).map(tuple),
    owner=texts,
    orchestrator=st.one_of(st.just("luigi"), texts),
    orchestrator_version=texts,
    parent=st.one_of(st.uuids().map(str), texts, st.just(f"a/b/{RUN}")),
    period=st.one_of(st.dates().map(str), st.datetimes().map(str), texts),
    host=texts,
    pid=counts,
    worker=texts,
    commit=st.one_of(texts, st.just(COMMIT)),
    column_lineage=st.dictionaries(texts, st.dictionaries(texts, st.lists(texts, max_size=2).map(tuple), max_size=2)),
    source=st.one_of(texts, texts.map(lambda text: f"/{text}"), texts.map(lambda text: f"https://host/{text}")),
)
ends = st.builds(
    End,
    at=moments,
    run=st.just(RUN),
    outcome=st.sampled_from(Ended),
    requires=st.lists(tasks, max_size=3).map(tuple),
    error=texts,
    message=texts,
)
reads = st.builds(Read, run=st.just(RUN), **known)
writes = st.builds(
    Write,
    run=st.just(RUN),
    **known,
    owner=texts,
    bytes=counts,
    checks=st.lists(st.builds(Check, texts, st.booleans()), max_size=3).map(tuple),
    columns=st.lists(st.builds(Column, texts, texts), max_size=3).map(tuple),
)
recorded = st.lists(st.one_of(starts, ends, reads, writes), max_size=8)


@settings(deadline=None)
@given(recorded)
def test_whatever_is_recorded_loads_in_the_clients_classes(events):
    for event in sent(*events):
        client_classes.read(event)


OURS = {
    schema["$id"]: Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for schema in (
        json.loads(path.read_text()) for path in files("luigi_sinks.lineage").joinpath("schemas/1-0-0").iterdir()
    )
}


@settings(deadline=None)
@given(recorded)
def test_facets_of_our_own_are_as_their_schemas_say(events):
    for event in sent(*events):
        for found in (event["run"], *event["inputs"], *event["outputs"]):
            for name, each in found["facets"].items():
                if name.startswith("luigiSinks_"):
                    OURS[each["_schemaURL"]].validate(each)


def test_every_facet_of_our_own_has_a_schema():
    classes = {facets.ExecutionRunFacet._get_schema(), facets.VersionsDatasetFacet._get_schema()}
    assert OURS.keys() == classes


def validate(url, value):
    """Validate an event, or a facet by the URL of its schema, against the specification's schemas."""
    folder = Path(SPEC)
    found = [json.loads(path.read_text()) for path in (folder / "OpenLineage.json", *folder.glob("facets/*.json"))]
    schemas = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in found)
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator({"$ref": url}, registry=schemas, format_checker=checker).validate(value)


if SPEC:

    @settings(deadline=None, max_examples=500)
    @given(recorded)
    def test_whatever_is_recorded_validates_against_the_specifications_schemas(events):
        for event in sent(*events):
            validate(event["schemaURL"], event)
            for found in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
                kinds = found["facets"], found.get("inputFacets", {}), found.get("outputFacets", {})
                for name, each in chain.from_iterable(kind.items() for kind in kinds):
                    if not name.startswith("luigiSinks_"):
                        validate(each["_schemaURL"], each)
