"""What no record accounts for in Elasticsearch, and how it goes."""

from datetime import timedelta

from luigi_sinks import Origin, load, record, versions
from luigi_sinks.claim import held
from luigi_sinks.elasticsearch import ElasticsearchSink
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.version import new_version
from tests.parts import part

MAPPING = {"id": {"type": "integer"}}


def sink_of(settings, dataset):
    return ElasticsearchSink(settings, dataset, parse_schema(dataset, MAPPING, {}, "id"))


def load_rows(sink):
    load(sink, "_all", Origin("first"), [{"id": 1}, {"id": 2}])
    return sink.head("_all").version


def test_an_index_that_is_created_after_its_load_failed_is_swept(settings, dataset, cluster):
    sink, version = sink_of(settings, dataset), new_version(dataset, "_all")
    sink.create()
    with held(version.id) as claim:
        sink.registry.add(record.staged(version, Origin("dies"), claim))
    head = load_rows(sink)  # which clears what the dead process left
    sink.attach(version).create_index()  # the dead process's request arrives
    assert versions.sweep(sink) == [version]
    assert cluster.indices(f"{dataset}~_all") == [f"{dataset}~_all~{head.id}"]
    assert versions.sweep(sink) == []


def test_an_index_that_another_process_deletes_at_the_same_moment_is_gone(settings, dataset, cluster, proxy):
    sink = sink_of(proxy.settings, dataset)
    old, head = load_rows(sink), load_rows(sink)
    index, missing = f"{dataset}~_all~{old.id}", {"type": "index_not_found_exception", "reason": "no such index"}
    proxy.before("DELETE", index, lambda: cluster.delete(index))
    proxy.refuse(404, lambda method, path, _: method == "DELETE" and index in path, body={"error": missing})
    assert versions.prune(sink, old, min_age=timedelta(0)).state == "dropped"
    assert cluster.indices(f"{dataset}~_all") == [f"{dataset}~_all~{head.id}"]


def test_an_index_that_no_record_knows_is_swept_unless_readers_see_it(settings, dataset, cluster):
    sink = sink_of(settings, dataset)
    retired, head = load_rows(sink), load_rows(sink)
    unknown = new_version(dataset, "_all")
    sink.attach(unknown).create_index()
    assert versions.sweep(sink) == [unknown]
    for version in (retired, head):
        cluster("DELETE", f"/{dataset}~registry/_doc/{sink.record(version).seq}?refresh=true")
    assert versions.sweep(sink) == []  # one is the head, the other carries the tag of one that was
    assert cluster.indices(f"{dataset}~_all") == sorted(f"{dataset}~_all~{each.id}" for each in (retired, head))


def test_notes_of_parts_are_swept_with_their_version(settings, dataset, cluster):
    sink, version = sink_of(settings, dataset), new_version(dataset, "_all")
    with held(version.id) as claim:
        stage = sink.begin(record.staged(version, Origin("dies"), claim, schema=sink.declared))
    versions.abandon(sink, version)
    sink.registry.begin_part(version, part(stage, [{"id": 1}], number=3))  # late
    cluster("POST", f"/{dataset}~registry/_refresh")
    assert versions.sweep(sink) == [version]
    assert cluster("GET", f"/{dataset}~registry/_count?q=part_of:*")["count"] == 0
    assert stage.version not in versions.sweep(sink)
