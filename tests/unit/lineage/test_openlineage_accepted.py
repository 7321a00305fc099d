"""Whatever is recorded becomes events that OpenLineage's client and its specification accept."""

import json
from functools import reduce
from importlib.resources import files
from itertools import chain
from operator import getitem
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from luigi_sinks.lineage.facets import own
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Certainty, Check, Column, Dataset, End, Ended, Job, Read, Start, Task, Write
from tests.unit.lineage import client_classes
from tests.unit.lineage.one_run import COMMIT, RUN, sent

SPEC = Path(__file__).parent.parent / "data" / "openlineage"
"""The schemas of OpenLineage's specification; its README says where they are from."""

SCHEMAS = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema))
    for schema in (json.loads(path.read_text()) for path in SPEC.rglob("*.json"))
)

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
    classes = {own.ExecutionRunFacet._get_schema(), own.VersionsDatasetFacet._get_schema()}
    assert OURS.keys() == classes


def validate(url, value):
    """Validate an event, or a facet by the URL of its schema, against the specification's schemas."""
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator({"$ref": url}, registry=SCHEMAS, format_checker=checker).validate(value)


def facets(event):
    """Yield the facets of an event that the specification has."""
    for found in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        kinds = found["facets"], found.get("inputFacets", {}), found.get("outputFacets", {})
        for name, each in chain.from_iterable(kind.items() for kind in kinds):
            if not name.startswith("luigiSinks_"):
                yield each


@settings(deadline=None, max_examples=200)
@given(recorded)
def test_whatever_is_recorded_validates_against_the_specifications_schemas(events):
    for event in sent(*events):
        validate(event["schemaURL"], event)
        for each in facets(event):
            validate(each["_schemaURL"], each)


def test_an_event_that_the_specification_does_not_allow_is_found():
    event = sent(Start(at=0, run=RUN, task=Task(Job("a", "b"), "c")))[0]
    validate(event["schemaURL"], event)
    for path, value in ((("eventTime",), "yesterday"), (("run", "runId"), "no UUID"), (("job", "name"), 1)):
        wrong = json.loads(json.dumps(event))
        *outer, last = path
        reduce(getitem, outer, wrong)[last] = value
        with pytest.raises(ValidationError):
            validate(event["schemaURL"], wrong)
