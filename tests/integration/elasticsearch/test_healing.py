"""What a crash left between alias and record, and calls that arrive late, made by hand."""

from contextlib import contextmanager

import pytest

from luigi_sinks import State, lease
from luigi_sinks.elasticsearch import names
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Head, Origin
from luigi_sinks.sink import Part
from luigi_sinks.version import new_version


def documents(count):
    return [{"id": i, "name": f"name {i}", "amount": None} for i in range(count)]


def test_a_version_that_the_alias_names_is_published_though_its_record_is_not(sink, dataset, cluster):
    with approved(sink, 4) as stage:
        sink.heads.move(stage.version, names.STAGED, sink.heads.pointer("_all"))
        assert stored_states(cluster, dataset) == ["validated"]
        (record,) = sink.records(update_ids={"Load_1"})
        assert (record.state, record.is_complete) == (State.PUBLISHED, True)
        assert stored_states(cluster, dataset) == ["published"]


def test_the_head_is_published_though_its_record_is_not(sink):
    with approved(sink, 4) as stage:
        sink.heads.move(stage.version, names.STAGED, sink.heads.pointer("_all"))
        head = sink.head("_all")
        assert (head.version, head.epoch, head.record.state) == (stage.version, 1, State.PUBLISHED)


def test_what_the_alias_left_is_retired_though_its_record_says_published(sink, dataset, cluster, load_rows):
    first = load_rows(sink, documents(3))
    with approved(sink, 4) as stage:
        sink.heads.move(stage.version, names.STAGED, sink.heads.pointer("_all"))
        assert stored_states(cluster, dataset) == ["published", "validated"]
        states = {record.version: record.state for record in sink.records()}
        assert states == {first: State.RETIRED, stage.version: State.PUBLISHED}


def test_a_load_after_such_a_crash_keeps_both_versions(sink, dataset, cluster, load_rows):
    with approved(sink, 4) as stage:
        sink.heads.move(stage.version, names.STAGED, sink.heads.pointer("_all"))
    third = load_rows(sink, documents(6))
    assert [record.state for record in sink.records()] == [State.RETIRED, State.PUBLISHED]
    assert cluster.count(dataset) == 6
    assert len(list(sink.read(stage.version))) == 4
    assert sink.head("_all").version == third


def test_abandoning_what_the_alias_names_keeps_it(sink, dataset, cluster):
    with approved(sink, 4) as stage:
        sink.heads.move(stage.version, names.STAGED, sink.heads.pointer("_all"))
        stage.abandon()
        assert cluster.count(dataset) == 4
        assert sink.head("_all").record.state is State.PUBLISHED


def test_a_publication_that_arrives_after_the_version_was_abandoned_does_nothing(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(3))
    before = sink.heads.pointer("_all")
    with approved(sink, 4) as stage:
        assert sink.heads.take(stage.version, names.STAGED)  # as abandon() does before it deletes the index
        assert not sink.heads.move(stage.version, names.STAGED, before)
    assert sink.heads.pointer("_all") == before
    assert cluster.count(dataset) == 3


def test_a_version_whose_deletion_was_cut_short_is_abandoned_again(sink, dataset, cluster):
    with approved(sink, 4) as stage:
        sink.heads.take(stage.version, names.STAGED)
        stage.abandon()
        assert [record.state for record in sink.records()] == [State.FAILED]
        assert cluster.indices(dataset) == [f"{dataset}~registry"]


def test_a_version_that_is_being_dropped_cannot_be_published_again(sink, load_rows):
    first = load_rows(sink, documents(3))
    load_rows(sink, documents(5))
    sink.heads.take(first, names.RETIRED)  # as drop() does before it deletes the index
    with pytest.raises(Conflict):
        sink.publish(first, replacing=sink.head("_all"))
    sink.drop(first)
    assert next(sink.records()).state is State.DROPPED


def test_a_dropped_version_has_no_index_and_reading_it_says_so(sink, dataset, cluster, load_rows):
    first = load_rows(sink, documents(3))
    load_rows(sink, documents(5))
    sink.drop(first)
    assert names.index(first) not in cluster.indices(dataset)
    with pytest.raises(Conflict, match="its index is deleted"):
        next(sink.read(first))


def test_a_publication_whose_answers_are_all_lost_is_found_by_the_next_look(make_sink, proxy, load_rows):
    sink, honest = make_sink(settings=proxy.settings), make_sink()
    with approved(honest, 4) as stage:
        proxy.lose_answers("POST", "_aliases")
        sink.publish(stage.version, replacing=Head())
        assert honest.head("_all").version == stage.version


def test_a_load_that_died_before_its_index_was_made_is_cleared(sink, load_rows):
    version = new_version(sink.dataset, "_all")
    with approved(sink, 1) as stage:
        sink.delete_index(stage.version)
        load_rows(sink, documents(3))
    assert sink.head("_all").version != version
    assert [record.state for record in sink.records()] == [State.FAILED, State.PUBLISHED]


@contextmanager
def approved(sink, count):
    version = new_version(sink.dataset, "_all")
    with lease.held(version.id) as claim:
        stage = sink.begin(version, Origin("Load_1", family="Load"), claim)
    accepted, _ = sink.contract.accept("", documents(count), 1)
    stage.write(Part(0, "", 1, accepted))
    stage.seal()
    stage.approve()
    yield stage
    stage.abandon()


def stored_states(cluster, dataset):
    hits = cluster("GET", f"/{dataset}~registry/_search?sort=seq")["hits"]["hits"]
    return [hit["_source"]["record"]["state"] for hit in hits]
