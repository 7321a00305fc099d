"""Answers that are lost, requests that are refused: each document is there once, or the load ends in an error."""

from contextlib import contextmanager

import pytest

from luigi_sinks import BadRow, State, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.errors import Conflict, Unavailable
from luigi_sinks.record import Origin
from luigi_sinks.sink import Part
from luigi_sinks.version import new_version


def documents(count, start=0):
    return [{"id": i, "name": f"name {i}", "amount": i / 4} for i in range(start, start + count)]


def failing_after_a_part():
    """Yield more documents than a load's first part takes, then fail."""
    yield from documents(8_000)
    raise ZeroDivisionError


STEPS = [
    ("GET", "_alias"),
    ("GET", "registry?"),
    ("GET", "~v"),
    ("POST", "registry/_search"),
    ("PUT", "registry/_create/2"),
    ("PUT", "registry/_create/v"),
    ("PUT", "registry/_doc"),
    ("PUT", "registry/_bulk"),
    ("PUT", "~v"),
    ("PUT", "_bulk"),
    ("PUT", "_block"),
    ("PUT", "_settings"),
    ("GET", "_cluster/health"),
    ("POST", "_refresh"),
    ("POST", "_count"),
    ("POST", "_aliases"),
]


@pytest.mark.parametrize(("method", "path"), STEPS)
def test_a_lost_answer_doubles_nothing(make_sink, dataset, cluster, proxy, load_rows, method, path):
    sink = make_sink(settings=proxy.settings)
    load_rows(sink, documents(10))
    proxy.lose_answers(method, path)
    version = load_rows(sink, documents(2_500))
    assert not proxy.faults[0].times, "the step was never taken"
    assert cluster.count(dataset) == 2_500
    assert [(r.version == version, r.state, r.rows) for r in sink.records()] == [
        (False, State.RETIRED, 10),
        (True, State.PUBLISHED, 2_500),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "registry/_doc"),
        ("POST", "_aliases"),
        ("DELETE", "~v"),
        ("POST", "registry/_refresh"),
        ("PUT", "registry/_bulk"),
    ],
)
def test_an_answer_that_is_lost_while_a_load_is_abandoned_leaves_nothing(
    make_sink, dataset, cluster, proxy, load_rows, method, path
):
    sink = make_sink(settings=proxy.settings)
    proxy.lose_answers(method, path)
    with pytest.raises(ZeroDivisionError):
        load_rows(sink, failing_after_a_part())
    assert not proxy.faults[0].times, "the step was never taken"
    assert [record.state for record in sink.records()] == [State.FAILED]
    cluster("POST", f"/{dataset}~registry/_refresh")
    assert cluster.indices(dataset) == [f"{dataset}~registry"]
    assert cluster.count(f"{dataset}~registry") == 1


def test_documents_without_a_key_are_not_doubled_either(make_sink, dataset, cluster, proxy, load_rows):
    proxy.lose_answers("PUT", "_bulk", times=2)
    load_rows(make_sink(settings=proxy.settings, id_field=""), documents(2_500))
    assert cluster.count(dataset) == 2_500


@pytest.mark.parametrize("id_field", ["id", ""])
def test_requests_that_never_arrive_are_sent_again(make_sink, dataset, cluster, proxy, load_rows, id_field):
    sink = make_sink(settings=proxy.settings, id_field=id_field)
    proxy.lose_requests("PUT", "_bulk", times=3)
    load_rows(sink, documents(2_500))
    assert cluster.count(dataset) == 2_500


def test_an_overloaded_server_is_asked_again(sink, make_sink, dataset, cluster, proxy, load_rows):
    sink = make_sink(settings=proxy.settings)
    proxy.refuse(429, lambda _method, path, _body: "_bulk" in path, times=2)
    load_rows(sink, documents(2_500))
    assert cluster.count(dataset) == 2_500


def test_a_body_that_is_too_large_is_sent_in_halves(make_sink, dataset, cluster, proxy, load_rows):
    sink = make_sink(settings=proxy.settings)
    proxy.refuse(413, lambda _method, _path, body: len(body) > 20_000)
    load_rows(sink, documents(2_500))
    assert cluster.count(dataset) == 2_500
    assert max(size for _, path, size in proxy.requests if "_bulk" in path) > 20_000


def test_a_document_that_is_too_large_by_itself_is_named(make_sink, proxy, load_rows):
    sink = make_sink(settings=proxy.settings)
    proxy.refuse(413, lambda _method, _path, body: len(body) > 20_000)
    with pytest.raises(BadRow, match=r"row 31, field 'name': .*larger than the server takes"):
        load_rows(sink, [*documents(30), {"id": 99, "name": "x" * 30_000}])


def test_a_key_that_comes_twice_is_found_though_the_answer_was_lost(make_sink, proxy, load_rows):
    sink = make_sink(settings=proxy.settings)
    proxy.lose_answers("PUT", "_bulk")
    with pytest.raises(BadRow, match="row 91, field 'id': repeats the key 7") as caught:
        load_rows(sink, [*documents(90), {"id": 7, "name": "again"}])
    assert (caught.value.row, caught.value.field) == (91, "id")


def test_a_key_that_comes_twice_is_found_though_the_rows_are_the_same(sink, load_rows):
    with pytest.raises(BadRow, match="row 91, field 'id': repeats the key 7"):
        load_rows(sink, [*documents(90), *documents(1, start=7)])


def test_a_key_of_another_part_is_found_though_the_rows_are_the_same(sink):
    with staged(sink) as stage:
        stage.write(part(sink, 0, documents(20)))
        with pytest.raises(BadRow, match="row 25, field 'id': repeats the key 7"):
            stage.write(part(sink, 1, [*documents(4, start=100), *documents(1, start=7)], first_row=21))


def test_a_second_client_settles_what_the_first_left_half_written(make_sink, proxy):
    sink = make_sink(settings=proxy.settings)
    with staged(sink) as stage:
        proxy.lose_answers("PUT", "_bulk")
        with pytest.raises(Unavailable):
            stage.write(part(sink, 0, documents(500)))
        other = make_sink().attach(stage.version)
        other.write(part(sink, 0, documents(500)))
        assert other.seal().rows == 500


def test_an_attempt_at_a_part_does_not_take_the_documents_of_another_at_once_for_repeated_keys(make_sink, proxy):
    with staged(make_sink(settings=proxy.settings)) as stage:
        same = part(stage.sink, 0, documents(500))
        other = make_sink().attach(stage.version)
        wrote = []
        proxy.before("PUT", "_bulk", lambda: wrote.append(other.write(same)))
        stage.write(same)
        assert len(wrote) == 1
        assert stage.seal().rows == 500


def test_rows_without_a_key_may_repeat(make_sink, dataset, cluster, load_rows):
    load_rows(make_sink(id_field=""), documents(3) * 2)
    assert cluster.count(dataset) == 6


def test_a_late_write_to_an_abandoned_version_makes_no_index(sink, dataset, cluster):
    with staged(sink) as stage:
        versions.abandon(sink, stage.version)
        with pytest.raises(Conflict, match="is failed; it takes no more rows"):
            stage.write(part(sink, 0, documents(5)))
    assert cluster.indices(dataset) == [f"{dataset}~registry"]


def test_the_notes_about_parts_are_gone_after_the_load(sink, dataset, cluster, load_rows):
    load_rows(sink, documents(2_500))
    with pytest.raises(ZeroDivisionError):
        load_rows(sink, failing_after_a_part())
    cluster("POST", f"/{dataset}~registry/_refresh")
    assert cluster.count(f"{dataset}~registry") == 2


@contextmanager
def staged(sink):
    version = new_version(sink.dataset, "_all")
    with held(version.id) as claim:
        stage = sink.begin(rules.staged(version, Origin("Load_1"), claim, schema=sink.declared))
    yield stage
    versions.abandon(sink, version)


def part(sink, number, rows, first_row=1):
    return Part(number, "", first_row, *sink.contract.accept("", rows, first_row))
