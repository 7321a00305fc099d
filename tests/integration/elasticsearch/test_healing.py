"""What a crash left between alias and record, and calls that arrive late, made by hand."""

from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import partial

import pytest

from luigi_sinks import State, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.elasticsearch import names
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Head, Origin
from luigi_sinks.version import new_version
from tests.parts import part


def documents(count):
    return [{"id": i, "name": f"name {i}", "amount": None} for i in range(count)]


def test_a_version_that_the_alias_names_is_published_though_its_record_is_not(sink, dataset, cluster):
    with approved(sink, 4) as stage:
        sink.aliases.move(stage.version, names.STAGED, sink.aliases.pointer("_all"))
        assert stored_states(cluster, dataset) == ["validated"]
        (record,) = sink.records(update_ids={"Load_1"})
        assert (record.state, record.is_complete) == (State.PUBLISHED, True)
        assert stored_states(cluster, dataset) == ["published"]


def test_the_head_is_published_though_its_record_is_not(sink):
    with approved(sink, 4) as stage:
        sink.aliases.move(stage.version, names.STAGED, sink.aliases.pointer("_all"))
        head = sink.head("_all")
        assert (head.version, head.epoch, head.record.state) == (stage.version, 1, State.PUBLISHED)


def test_what_the_alias_left_is_retired_though_its_record_says_published(sink, dataset, cluster, load_rows):
    first = load_rows(sink, documents(3))
    with approved(sink, 4) as stage:
        sink.aliases.move(stage.version, names.STAGED, sink.aliases.pointer("_all"))
        assert stored_states(cluster, dataset) == ["published", "validated"]
        states = {record.version: record.state for record in sink.records()}
        assert states == {first: State.RETIRED, stage.version: State.PUBLISHED}


def test_a_load_after_such_a_crash_keeps_both_versions(sink, dataset, cluster, load_rows):
    with approved(sink, 4) as stage:
        sink.aliases.move(stage.version, names.STAGED, sink.aliases.pointer("_all"))
    third = load_rows(sink, documents(6))
    assert [record.state for record in sink.records()] == [State.RETIRED, State.PUBLISHED]
    assert cluster.count(dataset) == 6
    assert len(list(sink.read(stage.version))) == 4
    assert sink.head("_all").version == third


def test_abandoning_what_the_alias_names_keeps_it(sink, dataset, cluster):
    with approved(sink, 4) as stage:
        sink.aliases.move(stage.version, names.STAGED, sink.aliases.pointer("_all"))
        versions.abandon(sink, stage.version)
        assert cluster.count(dataset) == 4
        assert sink.head("_all").record.state is State.PUBLISHED


def test_a_publication_that_arrives_after_the_version_was_abandoned_does_nothing(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(3))
    before = sink.aliases.pointer("_all")
    with approved(sink, 4) as stage:
        assert sink.aliases.take(stage.version, names.STAGED)  # as delete_rows() does before it deletes the index
        assert not sink.aliases.move(stage.version, names.STAGED, before)
    assert sink.aliases.pointer("_all") == before
    assert cluster.count(dataset) == 3


def test_a_version_whose_deletion_was_cut_short_is_abandoned_again(sink, dataset, cluster):
    with approved(sink, 4) as stage:
        sink.aliases.take(stage.version, names.STAGED)
        versions.abandon(sink, stage.version)
        assert [record.state for record in sink.records()] == [State.FAILED]
        assert cluster.indices(dataset) == [f"{dataset}~registry"]


def test_a_version_that_is_being_dropped_cannot_be_published_again(sink, load_rows):
    first = load_rows(sink, documents(3))
    load_rows(sink, documents(5))
    sink.aliases.take(first, names.RETIRED)  # as delete_rows() does before it deletes the index
    with pytest.raises(Conflict):
        sink.publish(first, replacing=sink.head("_all"))
    versions.prune(sink, first, min_age=timedelta(0))
    assert next(sink.records()).state is State.DROPPED


def test_a_dropped_version_has_no_index_and_reading_it_says_so(sink, dataset, cluster, load_rows):
    first = load_rows(sink, documents(3))
    load_rows(sink, documents(5))
    versions.prune(sink, first, min_age=timedelta(0))
    assert names.index(first) not in cluster.indices(dataset)
    with pytest.raises(Conflict, match="is dropped; it has no rows to read"):
        next(sink.read(first))


def test_a_publication_whose_answers_are_all_lost_is_found_by_the_next_look(make_sink, proxy, load_rows):
    sink, honest = make_sink(settings=proxy.settings), make_sink()
    with approved(honest, 4) as stage:
        proxy.lose_answers("POST", "_aliases")
        sink.publish(stage.version, replacing=Head())
        assert honest.head("_all").version == stage.version


def test_a_publication_is_recorded_though_the_answer_to_that_is_lost(make_sink, dataset, cluster, proxy):
    sink, honest = make_sink(settings=proxy.settings), make_sink()
    with approved(honest, 4) as stage:
        proxy.lose_answers("PUT", "registry/_doc")
        sink.publish(stage.version, replacing=Head())
        assert not proxy.faults[0].times
        assert stored_states(cluster, dataset) == ["published"]


def test_what_changes_in_a_record_while_its_version_is_published_stays(make_sink, dataset, cluster, proxy):
    sink, honest = make_sink(settings=proxy.settings), make_sink()
    with approved(honest, 4) as stage:
        later = next(honest.records()).claim.given_up()
        proxy.before("POST", "_aliases", lambda: honest.change(stage.version, partial(rules.renew, claim=later)))
        sink.publish(stage.version, replacing=Head())
        assert stored_states(cluster, dataset) == ["published"]
        assert next(honest.records()).claim == later


def test_who_published_and_why_is_kept_though_a_reader_noted_the_publication_first(make_sink, proxy):
    sink, honest = make_sink(settings=proxy.settings), make_sink()
    with approved(honest, 4) as stage:
        proxy.before("PUT", "registry/_doc", lambda: list(honest.records()))
        sink.publish(stage.version, replacing=Head(), by="ops", why="it is right")
        (publication,) = honest.record(stage.version).publications
        assert (publication.epoch, publication.by, publication.why) == (1, "ops", "it is right")


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_publication_whose_records_cannot_be_written_is_one(make_sink, proxy, load_rows, caplog, status):
    sink, honest = make_sink(settings=proxy.settings), make_sink()
    first = load_rows(honest, documents(3))
    with approved(honest, 4) as stage:
        proxy.refuse(status, lambda method, path, _: method == "PUT" and "registry/_doc" in path)
        assert sink.publish(stage.version, replacing=honest.head("_all")).state is State.PUBLISHED
        assert f"{stage.version} is published; the next read corrects its record" in caplog.text
        assert {record.version: record.state for record in sink.records()} == {
            first: State.RETIRED,
            stage.version: State.PUBLISHED,
        }
        assert honest.head("_all").record.publications[0].epoch == 2


def test_a_version_is_not_recorded_as_left_by_who_saw_it_before_it_came_back(
    make_sink, dataset, cluster, proxy, load_rows
):
    sink, honest = make_sink(settings=proxy.settings), make_sink()
    first = load_rows(honest, documents(3))
    with approved(honest, 4) as stage:
        honest.aliases.move(stage.version, names.STAGED, honest.aliases.pointer("_all"))
        proxy.before("PUT", "registry/_doc", lambda: honest.publish(first, replacing=honest.head("_all")))
        states = [record.state for record in sink.records()]
        assert states == stored_states(cluster, dataset) == [State.PUBLISHED, State.RETIRED]


def test_a_load_that_died_before_its_index_was_made_is_cleared(sink, cluster, load_rows):
    version = new_version(sink.dataset, "_all")
    with approved(sink, 1) as stage:
        cluster("DELETE", f"/{names.index(stage.version)}")
        load_rows(sink, documents(3))
    assert sink.head("_all").version != version
    assert [record.state for record in sink.records()] == [State.FAILED, State.PUBLISHED]


CLOSING = {
    "closed to writes": lambda index: ("PUT", f"/{index}/_block/write"),
    "deleted": lambda index: ("DELETE", f"/{index}"),
}


@pytest.mark.parametrize("closing", CLOSING)
def test_rows_for_an_index_that_takes_none_are_a_conflict(sink, cluster, closing):
    version = new_version(sink.dataset, "_all")
    with held(version.id) as claim:
        stage = sink.begin(rules.staged(version, Origin("Load_1", family="Load"), claim, schema=sink.declared))
    assert cluster(*CLOSING[closing](names.index(version)))["acknowledged"]
    with pytest.raises(Conflict, match=f"{version}: its index is closed to writes or deleted; load again"):
        stage.write(part(stage, documents(1)))


@pytest.fixture
def forge(cluster, dataset):
    """Return a function that writes into a version's record, as a loader may, that a load of it has died."""

    def forge(version, **named):
        (hit,) = cluster("GET", f"/{dataset}~registry/_search?q=version:{version.id}")["hits"]["hits"]
        document = hit["_source"]
        document["record"].update(state="staged", publications=[], version={**asdict(version), **named})
        document["version"] = document["record"]["version"]["id"]
        assert cluster("PUT", f"/{dataset}~registry/_doc/{hit['_id']}?refresh=true", document)["result"] == "updated"

    return forge


def test_a_forged_record_has_no_retired_version_deleted_and_is_put_right(sink, load_rows, forge):
    first, second = load_rows(sink, documents(3)), load_rows(sink, documents(5))
    forge(first)
    third = load_rows(sink, documents(6))
    assert {record.version: record.state for record in sink.records()} == {
        first: State.RETIRED,
        second: State.RETIRED,
        third: State.PUBLISHED,
    }
    assert len(list(sink.read(first))) == 3
    sink.publish(first, replacing=sink.head("_all"))
    assert sink.head("_all").version == first


def test_rows_that_readers_saw_are_not_deleted_while_a_forged_record_tells_of_a_load(
    sink, load_rows, forge, cluster, dataset
):
    first, _ = load_rows(sink, documents(3)), load_rows(sink, documents(5))
    forge(first)
    before = cluster.indices(dataset)
    with pytest.raises(Conflict, match="its rows are not deleted"):
        sink.delete_rows(first)
    assert cluster.indices(dataset) == before
    assert sink.record(first).state is State.RETIRED
    sink.publish(first, replacing=sink.head("_all"))
    assert cluster.count(dataset) == 3


def test_a_second_record_of_a_version_is_not_believed(sink, load_rows, cluster, dataset):
    first = load_rows(sink, documents(3))
    document = cluster("GET", f"/{dataset}~registry/_doc/1")["_source"]
    document["record"]["rows"] = 99
    cluster("PUT", f"/{dataset}~registry/_doc/forged?refresh=true", {**document, "seq": 7})
    assert (sink.head("_all").version, sink.head("_all").record.rows) == (first, 3)


def test_a_forged_record_has_no_head_deleted(sink, load_rows, cluster, dataset, forge):
    first = load_rows(sink, documents(3))
    forge(first)
    versions.abandon(sink, first)
    assert cluster.count(dataset) == 3
    assert sink.head("_all").record.state is State.PUBLISHED


STRANGE = {
    "another dataset": lambda head: {"dataset": f"{head.dataset}_else"},
    "a pattern": lambda head: {"id": "v*"},
    "several indices": lambda head: {"id": f"none,{names.index(head)}"},
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_forged_record_has_no_index_deleted_that_it_does_not_name_rightly(
    sink, load_rows, cluster, dataset, forge, what
):
    first, head = load_rows(sink, documents(3)), load_rows(sink, documents(5))
    before = cluster.indices(dataset)
    forge(first, **STRANGE[what](head))
    forged = next(sink.records()).version
    for deleting in (lambda: load_rows(sink, documents(6)), lambda: versions.prune(sink, forged, min_age=timedelta(0))):
        with pytest.raises(Conflict, match=r"is not a version of .*; nothing was changed or deleted"):
            deleting()
    assert cluster.indices(dataset) == before
    assert cluster.count(dataset) == 5


@contextmanager
def approved(sink, count):
    version = new_version(sink.dataset, "_all")
    with held(version.id) as claim:
        stage = sink.begin(rules.staged(version, Origin("Load_1", family="Load"), claim, schema=sink.declared))
    stage.write(part(stage, documents(count)))
    stage.seal()
    sink.change(version, rules.approve)
    yield stage
    versions.abandon(sink, version)


def stored_states(cluster, dataset):
    hits = cluster("GET", f"/{dataset}~registry/_search?sort=seq")["hits"]["hits"]
    return [hit["_source"]["record"]["state"] for hit in hits]
