"""A registry that cannot be read or changed is an error, never an empty history."""

import json

import pytest

from luigi_sinks.elasticsearch.connection import Rejected
from luigi_sinks.errors import SinkError, Unavailable
from luigi_sinks.sink import Part
from luigi_sinks.version import new_version


def test_a_dataset_that_was_never_loaded_has_no_history(sink):
    assert list(sink.records()) == []


def test_a_closed_registry_is_an_error(sink, dataset, cluster, load_rows):
    load_rows(sink, [{"id": 1}])
    cluster("POST", f"/{dataset}~registry/_close")
    with pytest.raises(Rejected, match="closed"):
        list(sink.records())


UNREADABLE = {
    "no record": {"record": None},
    "text": {"record": "staged"},
    "a list": {"record": [1]},
    "no fields": {"record": {}},
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_document_without_a_record_is_named(sink, dataset, cluster, load_rows, what):
    version = load_rows(sink, [{"id": 1}])
    document = cluster("GET", f"/{dataset}~registry/_doc/1")["_source"] | UNREADABLE[what]
    del document["seq"]
    cluster("PUT", f"/{dataset}~registry/_doc/2?refresh=true", {"seq": 2, "partition": "_all", **UNREADABLE[what]})
    for look in (lambda: list(sink.records()), lambda: load_rows(sink, [{"id": 1}])):
        with pytest.raises(SinkError, match=f"^document 2 of {dataset}~registry: record 2 of the registry cannot be"):
            look()
    assert sink.head("_all").version == version
    cluster("PUT", f"/{dataset}~registry/_doc/1?refresh=true", document)
    with pytest.raises(SinkError, match=f"^document 1 of {dataset}~registry: record 1 of the registry cannot be read"):
        sink.head("_all")


@pytest.mark.parametrize("seq", [2**63 - 1, 2**40, "7", 7.5, [3, 5], None])
@pytest.mark.parametrize("key", ["forged", "1"])
def test_a_number_that_a_loader_wrote_does_not_stop_later_loads(sink, dataset, cluster, load_rows, seq, key):
    first = load_rows(sink, [{"id": 1}])
    document = cluster("GET", f"/{dataset}~registry/_doc/1")["_source"]
    cluster("PUT", f"/{dataset}~registry/_doc/{key}?refresh=true", {**document, "seq": seq})
    second, third = (load_rows(sink, [{"id": number}]) for number in (2, 3))
    assert sink.record(first).seq == 1
    assert [sink.record(version).seq for version in (second, third)] == [2, 3]
    assert sink.head("_all").version == third


def test_numbers_go_on_after_the_largest_that_they_are_counted_from(sink, dataset, cluster, load_rows):
    load_rows(sink, [{"id": 1}])
    document = cluster("GET", f"/{dataset}~registry/_doc/1")["_source"]
    cluster("PUT", f"/{dataset}~registry/_doc/{10**9}?refresh=true", {**document, "seq": 10**9})
    versions = [load_rows(sink, [{"id": number}]) for number in (2, 3)]
    assert [sink.record(version).seq for version in versions] == [10**9 + 1, 10**9 + 2]


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
    sink.registry.begin_part(version, Part(0, "", 1, [{}], b"{}\n"))
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


def test_more_outputs_than_one_clause_of_a_query_takes_are_found(sink, load_rows):
    load_rows(sink, [{"id": 1}])
    others = {f"Load_{number}" for number in range(2, 70_000)}
    assert list(sink.records(update_ids=others)) == []
    assert [record.origin.update_id for record in sink.records(update_ids=others | {"Load_1"})] == ["Load_1"]
    assert list(sink.records(update_ids=set())) == []
