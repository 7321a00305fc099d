"""A registry that cannot be read or changed is an error, never an empty history."""

import json

import pytest

from luigi_sinks.elasticsearch.connection import Rejected
from luigi_sinks.errors import Unavailable
from luigi_sinks.version import new_version


def test_a_dataset_that_was_never_loaded_has_no_history(sink):
    assert list(sink.records()) == []


def test_a_closed_registry_is_an_error(sink, dataset, cluster, load_rows):
    load_rows(sink, [{"id": 1}])
    cluster("POST", f"/{dataset}~registry/_close")
    with pytest.raises(Rejected, match="closed"):
        list(sink.records())


def test_more_notes_than_are_looked_for_at_once_are_all_deleted(sink, dataset, cluster, load_rows):
    load_rows(sink, [{"id": 1}])
    version = new_version(dataset, "_all")
    notes = [line for part in range(2_000) for line in ({"create": {}}, {"part_of": version.id, "rows": part})]
    cluster("POST", f"/{dataset}~registry/_bulk", b"".join(json.dumps(line).encode() + b"\n" for line in notes))
    sink.registry.forget_parts(version)
    cluster("POST", f"/{dataset}~registry/_refresh")
    assert cluster.count(f"{dataset}~registry") == 1


def test_notes_that_cannot_be_deleted_are_an_error(sink, dataset, cluster, load_rows):
    load_rows(sink, [{"id": 1}])
    version = new_version(dataset, "_all")
    sink.registry.begin_part(version, 0, 1)
    cluster("PUT", f"/{dataset}~registry/_block/write")
    with pytest.raises(Unavailable, match="allows no change"):
        sink.registry.forget_parts(version)


def test_notes_in_a_closed_registry_are_an_error_and_in_one_that_was_never_made_there_are_none(
    sink, dataset, cluster, load_rows
):
    version = new_version(dataset, "_all")
    sink.registry.forget_parts(version)
    load_rows(sink, [{"id": 1}])
    cluster("POST", f"/{dataset}~registry/_close")
    with pytest.raises(Rejected, match="closed"):
        sink.registry.forget_parts(version)
