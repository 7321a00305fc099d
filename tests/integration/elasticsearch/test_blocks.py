"""What an operator, a full disk or another process does to the indices of a load, and how the errors read."""

import logging
from dataclasses import replace

import pytest

from luigi_sinks import BadRow, Conflict, State, Unavailable
from luigi_sinks.record import Head

BLOCKS = {
    "read_only_allow_delete": "its disk is full, so it takes no writes",
    "read_only": "a block that somebody set forbids this",
}


@pytest.fixture
def block(cluster, dataset):
    """Return a function that sets a block on indices of the dataset; take it off in the end."""

    def block(name, indices, value=True):
        settings = {f"index.blocks.{name}": value}
        path = f"/{dataset}~{indices}/_settings?expand_wildcards=all"
        assert cluster("PUT", path, settings).get("acknowledged") or not value, "only a block may be for no index"

    yield block
    for name in BLOCKS:
        block(name, "*", None)


@pytest.fixture(scope="session")
def settings(settings):
    """Wait for little: what is blocked stays so."""
    return replace(settings, patience=0.5)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("indices", ["_all~*", "registry"])
def test_a_block_is_named_and_the_next_load_succeeds_without_it(
    name, indices, sink, block, load_rows, cluster, dataset
):
    def rows():
        yield {"id": 1}
        block(name, indices)

    with pytest.raises(Unavailable, match=BLOCKS[name]):
        load_rows(sink, rows())
    assert sink.head("_all") == Head()
    block(name, indices, None)
    load_rows(sink, [{"id": 2}])
    assert cluster.documents(dataset) == {"2": {"id": 2}}


def test_rows_for_an_index_that_was_closed_meanwhile_are_a_conflict(sink, load_rows, cluster, dataset):
    def rows():
        yield {"id": 1}
        cluster("POST", f"/{cluster.indices(f'{dataset}~_all')[0]}/_close")

    with pytest.raises(Conflict, match="its index is closed to writes or deleted; load again"):
        load_rows(sink, rows())


@pytest.mark.parametrize("path", ["/_block/write", "/_settings", "/_cluster/health", "/_refresh"])
def test_an_index_that_goes_while_it_is_sealed_is_a_conflict(path, proxy, make_sink, load_rows, cluster, dataset):
    method = {"/_cluster/health": "GET", "/_refresh": "POST"}.get(path, "PUT")
    proxy.before(method, path, lambda: cluster("DELETE", f"/{cluster.indices(f'{dataset}~_all')[0]}"))
    with pytest.raises(Conflict, match="its index is deleted; load again"):
        load_rows(make_sink(settings=replace(proxy.settings, patience=0.5)), [{"id": 1}])


def test_a_replica_that_is_slow_does_not_fail_a_load(proxy, make_sink, load_rows, caplog):
    proxy.refuse(408, lambda method, path, _: "wait_for_status=green" in path, body={"timed_out": True})
    sink = make_sink(settings=replace(proxy.settings, patience=0.5), number_of_replicas=0)
    with caplog.at_level(logging.WARNING, "luigi_sinks"):
        load_rows(sink, [{"id": 1}])
    assert [record.state for record in sink.records()] == [State.PUBLISHED]
    assert "its replicas are still being copied" in caplog.text


def test_shards_that_do_not_start_are_named(proxy, make_sink, load_rows):
    proxy.refuse(408, lambda method, path, _: "/_cluster/health" in path, body={"timed_out": True})
    sink = make_sink(settings=replace(proxy.settings, patience=0.5))
    with pytest.raises(Unavailable, match="its shards do not start; see GET _cluster/allocation/explain"):
        load_rows(sink, [{"id": 1}])


ROOM = {
    "type": "es_rejected_execution_exception",
    "reason": "[coordinating_operation_bytes=3, max_coordinating_bytes=2]",
}
TOO_LARGE = {
    "for a proxy": (413, None),
    "for the memory of the node that is asked": (429, {"error": ROOM}),
    "for the memory of the shard's node": (
        200,
        {"errors": True, "items": [{"create": {"status": 429, "error": ROOM}}]},
    ),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_a_document_that_is_too_large_is_refused_by_its_largest_field(what, proxy, make_sink, load_rows):
    status, body = TOO_LARGE[what]
    several = {"errors": True, "items": 2 * body["items"]} if status == 200 else body
    proxy.refuse(status, lambda method, path, sent: sent.count(b"create") == 2, body=several)
    proxy.refuse(status, lambda method, path, sent: b"create" in sent and len(sent) > 20_000, body=body)
    mapping = {"id": {"type": "integer"}, "text": {"type": "text"}}
    sink = make_sink(settings=replace(proxy.settings, patience=0.5), mapping=mapping)
    with pytest.raises(BadRow, match=r"row 2, field 'text': makes the document of 30,\d+ bytes larger than the server"):
        load_rows(sink, [{"id": 1, "text": "short"}, {"id": 2, "text": "x" * 30_000}])


def test_what_the_cluster_has_no_room_for_is_said_in_its_words(proxy, make_sink, load_rows):
    reason = "rejected execution of primary operation"
    error = {"type": "es_rejected_execution_exception", "reason": reason}
    body = {"errors": True, "items": [{"create": {"status": 429, "error": error}}]}
    proxy.refuse(200, lambda method, path, _: "_bulk" in path and "staged" in path, body=body)
    with pytest.raises(Unavailable, match=f"the cluster has no room for documents: {reason}; try again later"):
        load_rows(make_sink(settings=replace(proxy.settings, patience=0.5)), [{"id": 1}])


def test_an_index_that_goes_before_a_repeated_part_is_compared_is_a_conflict(
    proxy, make_sink, load_rows, cluster, dataset
):
    proxy.lose_answers("PUT", "_bulk")
    proxy.before("POST", "_mget", lambda: cluster("DELETE", f"/{cluster.indices(f'{dataset}~_all')[0]}"))
    with pytest.raises(Conflict, match="its index is closed to writes or deleted; load again"):
        load_rows(make_sink(settings=replace(proxy.settings, patience=0.5)), [{"id": 1}])


def test_the_note_of_a_part_that_another_process_has_cleared_is_a_conflict(
    proxy, make_sink, load_rows, cluster, dataset
):
    def clear():
        cluster("POST", f"/{dataset}~registry/_refresh")
        (note,) = cluster("GET", f"/{dataset}~registry/_search?q=part_of:*")["hits"]["hits"]
        cluster("DELETE", f"/{dataset}~registry/_doc/{note['_id']}")

    proxy.lose_answers("PUT", "_bulk")
    proxy.before("GET", f"/{dataset}~registry/_doc/", clear)
    with pytest.raises(Conflict, match="its index is closed to writes or deleted; load again"):
        load_rows(make_sink(settings=replace(proxy.settings, patience=0.5)), [{"id": 1}])
