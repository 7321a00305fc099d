import logging
import time
from dataclasses import replace

import pytest

from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import CheckFailed, Conflict, Unavailable
from luigi_sinks.load import load, loading
from luigi_sinks.record import Head, Origin
from luigi_sinks.sqlite import SQLiteSink, SQLiteStage
from luigi_sinks.version import State

JANUARY = Origin("Load_1", family="Load", period="2013-01-31")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def sink(tmp_path):
    return SQLiteSink(tmp_path, "memory", "d", Contract("d", {"": TupleShape((Field("id", int),))}))


def test_a_report_of_each_step_of_the_load_goes_to_the_listeners(sink):
    reports = []
    load(sink, "_all", JANUARY, [(i,) for i in range(5_000)], listeners=[reports.append])
    assert [report.state for report in reports] == [State.STAGED, State.VALIDATED, State.PUBLISHED]
    assert [report.rows for report in reports] == [0, 5_000, 5_000]
    report = reports[-1]
    assert (report.store, report.version, report.rows) == ("memory", sink.head("_all").version, 5_000)
    assert 0 < max(report.part_seconds) <= report.seconds
    assert report.rows_per_second == pytest.approx(5_000 / report.seconds)


def test_a_load_is_logged_in_one_line(sink, caplog):
    with caplog.at_level(logging.INFO, "luigi_sinks"):
        load(sink, "_all", JANUARY, [(1,)])
    assert [record.message.split(":")[0] for record in caplog.records] == ["memory"]
    assert f"published {sink.head('_all').version}: 1 rows in" in caplog.text


def test_a_listener_is_told_what_ended_a_load(sink):
    reports = []
    with (
        pytest.raises(ValueError, match="no more") as raised,
        loading(sink, "_all", JANUARY, listeners=[reports.append]),
    ):
        raise ValueError("no more")
    assert [report.state for report in reports] == [State.STAGED, State.FAILED]
    assert reports[-1].error is raised.value


def test_a_listener_that_fails_when_told_of_a_failure_does_not_hide_it(sink):
    def full(report):
        if report.state is State.FAILED:
            raise OSError("the disk is full")

    with pytest.raises(ValueError, match="no more") as caught, loading(sink, "_all", JANUARY, listeners=[full]):
        raise ValueError("no more")
    assert caught.value.__notes__ == ["not every listener was told of this (the disk is full)"]


def test_a_listener_can_stop_a_load_before_it_is_published(sink):
    def refuse(report):
        if report.state is State.VALIDATED:
            raise PermissionError("not today")

    with pytest.raises(PermissionError, match="not today"):
        load(sink, "_all", JANUARY, [(1,)], listeners=[refuse])
    assert sink.head("_all") == Head()
    assert [record.state for record in sink.records()] == [State.FAILED]


def test_a_check_of_the_users_own_can_refuse_a_version(sink):
    def few(version, sealed):
        if sealed.rows > 2:
            raise CheckFailed(f"{version}: too many")

    with pytest.raises(CheckFailed, match="too many"):
        load(sink, "_all", JANUARY, [(1,), (2,), (3,)], checks=[few])
    assert sink.head("_all") == Head()
    assert [record.state for record in sink.records()] == [State.FAILED]


def test_a_server_that_counts_other_rows_than_were_written_is_not_believed(sink, monkeypatch):
    seal = SQLiteStage.seal
    monkeypatch.setattr(SQLiteStage, "seal", lambda stage: replace(seal(stage), rows=2))
    with pytest.raises(CheckFailed, match="counts 2 rows where 3 were written"):
        load(sink, "_all", JANUARY, [(1,), (2,), (3,)])


@pytest.mark.parametrize("leave", [GeneratorExit, SystemExit, KeyboardInterrupt, ZeroDivisionError])
def test_whatever_leaves_the_block_abandons_the_stage(sink, leave):
    with pytest.raises(leave), loading(sink, "_all", JANUARY) as writer:
        writer.write((1,))
        raise leave
    assert [record.state for record in sink.records()] == [State.FAILED]


def test_an_older_period_never_replaces_a_newer_one(sink):
    load(sink, "_all", JANUARY, [(1,)])
    newer = sink.head("_all")
    december = replace(JANUARY, update_id="Load_0", period="2012-12-31")
    with pytest.raises(Conflict, match="newer than 2012-12-31"):
        load(sink, "_all", december, [(2,)])
    assert sink.head("_all") == newer
    load(sink, "_all", replace(JANUARY, update_id="Load_2", period="2013-02-28"), [(3,)])
    assert sink.head("_all") != newer


def test_a_store_that_fails_while_a_load_is_abandoned_does_not_hide_the_first_error(sink, monkeypatch):
    def no_answer(stage):
        raise Unavailable("no answer")

    monkeypatch.setattr(SQLiteStage, "abandon", no_answer)
    with pytest.raises(ZeroDivisionError) as caught, loading(sink, "_all", JANUARY):
        raise ZeroDivisionError
    assert "still there (no answer)" in caught.value.__notes__[0]


def test_a_publication_whose_answer_is_lost_is_tried_again(sink, monkeypatch):
    publish, answers = SQLiteSink.publish, ["lost", "lost", "arrives"]

    def lossy(self, version, *, replacing):
        publish(self, version, replacing=replacing)
        if answers.pop(0) == "lost":
            raise Unavailable("the answer was lost")

    monkeypatch.setattr(SQLiteSink, "publish", lossy)
    load(sink, "_all", JANUARY, [(1,)])
    assert answers == []
    assert sink.head("_all").epoch == 1


def test_a_publication_whose_answer_never_comes_is_found_by_the_next_look(sink, monkeypatch):
    publish = SQLiteSink.publish

    def lost(self, version, *, replacing):
        publish(self, version, replacing=replacing)
        raise Unavailable("the answer was lost")

    monkeypatch.setattr(SQLiteSink, "publish", lost)
    with pytest.raises(Unavailable):
        load(sink, "_all", JANUARY, [(1,)])
    (record,) = sink.records()
    assert record.is_complete
    assert list(sink.read(record.version)) == [{"id": 1}]


def test_a_version_that_was_never_published_is_removed_by_the_next_load(sink, monkeypatch):
    with monkeypatch.context() as broken, pytest.raises(Unavailable):
        broken.setattr(SQLiteSink, "publish", lambda *_, **__: (_ for _ in ()).throw(Unavailable("no answer")))
        load(sink, "_all", JANUARY, [(1,)])
    load(sink, "_all", JANUARY, [(1,)])
    assert [record.state for record in sink.records()] == [State.FAILED, State.PUBLISHED]


def test_a_head_that_a_crash_left_published_is_retired_by_the_next_load(sink, monkeypatch):
    load(sink, "_all", JANUARY, [(1,)])
    with monkeypatch.context() as broken:
        broken.setattr(SQLiteSink, "retire", lambda *_: None)
        load(sink, "_all", JANUARY, [(2,)])
    assert [record.state for record in sink.records()] == [State.PUBLISHED, State.PUBLISHED]
    load(sink, "_all", JANUARY, [(3,)])
    assert [record.state for record in sink.records()] == [State.RETIRED, State.RETIRED, State.PUBLISHED]
