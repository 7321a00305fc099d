"""What a run read and wrote becomes facets of datasets."""

import pytest

from luigi_sinks.lineage.facets import own
from luigi_sinks.recording.events import Certainty, Check, Column, Dataset
from tests.unit.lineage.one_run import FILE, TABLE, end, facet, last, read, start, write


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
    assert facet(source, own.VERSIONS)["versions"] == [
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


def test_what_was_not_counted_has_no_figures():
    event = last(start(), read(), write(), end())
    assert event["inputs"][0].get("inputFacets") == event["outputs"][0].get("outputFacets") == {}
