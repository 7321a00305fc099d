"""What readers of the alias see, by plain HTTP."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from luigi_sinks import State
from luigi_sinks.elasticsearch import names
from luigi_sinks.errors import Unavailable
from luigi_sinks.record import Pointer


def documents(count, start=0):
    return [{"id": i, "name": f"name {i}", "amount": i / 4} for i in range(start, start + count)]


def test_readers_find_the_documents_under_the_dataset_and_their_ids(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(3))
    assert cluster.documents(dataset) == {str(d["id"]): d for d in documents(3)}


def test_readers_see_all_partitions_in_one_alias(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(3), "201301")
    load_rows(sink, documents(4, start=100), "201302")
    load_rows(sink, documents(5), "201301")
    assert cluster.count(dataset) == 9


def test_a_readers_wildcard_finds_each_document_once(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(3))
    load_rows(sink, documents(5))
    assert cluster.count(f"{dataset}*") == 5


def test_an_empty_version_is_an_alias_with_nothing_behind_it_and_no_error(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(3))
    load_rows(sink, [], checks=())
    assert cluster.count(dataset) == 0


def test_a_reader_that_polls_during_thirty_publications_sees_only_whole_versions(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(100))
    whole = {100 + number for number in range(31)}
    seen, stop = [], threading.Event()

    def poll():
        while not stop.wait(0.02):  # without a pause it would take the machine from the loads
            answer = cluster("GET", f"/{dataset}/_search?size=0&track_total_hits=true")
            assert "hits" in answer, answer
            seen.append((answer["_shards"]["failed"], answer["hits"]["total"]["value"]))
            seen.append((0, cluster.count(dataset)))

    with ThreadPoolExecutor(1) as readers:
        reading = readers.submit(poll)
        try:
            for number in range(1, 31):
                load_rows(sink, documents(100 + number))
        finally:
            stop.set()
        reading.result()
    assert {count for _, count in seen} <= whole
    assert {failed for failed, _ in seen} == {0}
    assert [count for _, count in seen] == sorted(count for _, count in seen)
    assert len(set(seen)) > 3
    assert [record.state for record in sink.records()] == [State.RETIRED] * 30 + [State.PUBLISHED]


def test_nothing_can_be_written_through_the_alias(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(3))
    answer = cluster("PUT", f"/{dataset}/_doc/9", {"id": 9})
    assert answer["error"]["type"] in {"cluster_block_exception", "illegal_argument_exception"}
    assert cluster.count(dataset) == 3


def test_an_old_version_is_read_whole_while_others_are_published(sink, load_rows):
    first = load_rows(sink, documents(5_000))
    reading = sink.read(first)
    begun = [next(reading)]
    load_rows(sink, documents(10))
    assert sorted(d["id"] for d in (*begun, *reading)) == list(range(5_000))


def test_a_reader_that_the_cluster_gave_up_is_told_so_and_not_that_the_rows_are_gone(sink, cluster, load_rows):
    version = load_rows(sink, documents(5_000))
    reading = sink.read(version)
    next(reading)
    point = reading.gi_yieldfrom.gi_frame.f_locals["point"]
    assert cluster("DELETE", "/_pit", {"id": point})["succeeded"]
    with pytest.raises(Unavailable, match=r"no longer keeps the point in time.*read it again"):
        list(reading)
    assert len(list(sink.read(version))) == 5_000


def test_documents_read_back_as_they_were_given(make_sink, load_rows):
    mapping = {
        "at": {"type": "date"},
        "where": {"type": "geo_point"},
        "tags": {"type": "keyword"},
        "leg": {"properties": {"from": {"type": "keyword"}, "miles": {"type": "float"}}},
        "vector": {"type": "dense_vector", "dims": 2},
    }
    given = [
        {"at": "2013-01-31", "where": {"lat": 1.5, "lon": 2}, "tags": ["a", "b"], "leg": {"from": "EWR", "miles": 7}},
        {"at": 1_359_590_400_000, "tags": None, "leg": [{"from": "JFK"}, {"miles": 1.5}], "vector": [0.5, 1]},
        {},
    ]
    sink = make_sink(mapping=mapping, id_field="")
    version = load_rows(sink, given)
    assert sorted(sink.read(version), key=str) == sorted(given, key=str)


def test_a_look_at_a_head_that_moves_finds_a_version_and_its_epoch(sink, load_rows):
    versions = [load_rows(sink, documents(count)) for count in (1, 2)]
    pointers = [Pointer(versions[epoch % 2 - 1], epoch) for epoch in range(2, 42)]
    has_ended = threading.Event()

    def look():
        seen = set()
        while not has_ended.is_set():
            sights = (sink.aliases.look(version).head for version in versions)
            seen |= {sink.aliases.pointer("_all"), *sink.aliases.pointers().values(), *sights}
        return seen

    with ThreadPoolExecutor(3) as lookers:
        looks = [lookers.submit(look) for _ in range(3)]
        try:
            moved = [sink.aliases.move(then.version, names.RETIRED, now) for now, then in itertools.pairwise(pointers)]
        finally:
            has_ended.set()
    assert all(moved)
    assert set().union(*(each.result() for each in looks)) <= {*pointers}


def test_no_look_at_the_heads_fails_for_an_alias_of_others_that_goes_meanwhile(make_sink, proxy, load_rows):
    load_rows(make_sink(settings=proxy.settings), documents(3))
    looks = [path for method, path, _ in proxy.requests if method == "GET" and "_alias" in path]
    assert looks
    assert all("ignore_unavailable=true" in path for path in looks)
