import logging
from dataclasses import replace

import pytest

from luigi_sinks import listen, not_empty, stop_listening
from luigi_sinks.checks import CheckResult
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import BadSetting, CheckFailed, Conflict, Unavailable
from luigi_sinks.events import Outcome
from luigi_sinks.load import load, loading
from luigi_sinks.record import Head, Origin
from luigi_sinks.sqlite import SQLiteSink, SQLiteStage
from luigi_sinks.version import State

JANUARY = Origin("Load_1", family="Load", period="2013-01-31")


@pytest.fixture
def sink(tmp_path):
    return SQLiteSink(tmp_path, "memory", "d", Contract("d", {"": TupleShape((Field("id", int),))}))


@pytest.fixture
def hasty(sink, monkeypatch):
    monkeypatch.setattr(SQLiteSink, "patience", 0.3)
    return sink


def steps(events):
    return [f"{event.action} {event.outcome}" for event in events]


def test_an_event_of_each_step_of_the_load_goes_to_the_listeners(sink):
    events = []
    load(sink, "_all", JANUARY, [(i,) for i in range(5_000)], listeners=[events.append])
    assert steps(events) == ["load begun", "load success", "publish success"]
    assert [event.rows for event in events] == [0, 5_000, 5_000]
    event = events[-1]
    assert (event.store, event.version, event.rows) == ("memory", sink.head("_all").version, 5_000)
    assert 0 < max(event.part_seconds) <= event.seconds
    assert event.rows_per_second == pytest.approx(5_000 / event.seconds)


def test_a_load_is_logged_in_one_line(sink, caplog):
    with caplog.at_level(logging.INFO, "luigi_sinks"):
        load(sink, "_all", JANUARY, [(1,)])
    lines = [record.message for record in caplog.records if record.name == "luigi_sinks"]
    assert [line.split(":")[0] for line in lines] == ["memory"]
    assert f"published {sink.head('_all').version}: 1 rows in" in caplog.text


def test_a_listener_gets_the_error_that_ended_a_load(sink):
    events = []
    with (
        pytest.raises(ValueError, match="no more") as raised,
        loading(sink, "_all", JANUARY, listeners=[events.append]),
    ):
        raise ValueError("no more")
    assert steps(events) == ["load begun", "load failure"]
    assert events[-1].error is raised.value


def full_disk(event):
    if event.is_past:
        raise OSError("the disk is full")


def test_a_listener_that_fails_on_a_failure_event_does_not_hide_the_first_error(sink, caplog):
    with pytest.raises(ValueError, match="no more"), loading(sink, "_all", JANUARY, listeners=[full_disk]):
        raise ValueError("no more")
    assert "a listener failed when told of the load: the disk is full" in caplog.text


def test_a_listener_that_fails_after_the_publication_does_not_fail_the_load(sink, caplog):
    load(sink, "_all", JANUARY, [(1,)], listeners=[full_disk])
    assert sink.head("_all").record.is_complete
    assert "a listener failed when told of the publish: the disk is full" in caplog.text


def test_a_global_listener_gets_the_events_of_each_load_until_it_stops(sink):
    events = []
    listen(events.append)  # a bound method equals itself, though each look makes another
    try:
        load(sink, "_all", JANUARY, [(1,)])
    finally:
        stop_listening(events.append)
    load(sink, "_all", JANUARY, [(2,)])
    assert steps(events) == ["load begun", "load success", "publish success"]


def test_check_results_are_in_the_event_and_in_the_record(sink):
    def few(version, counts):
        raise CheckFailed("too many")

    events = []
    with pytest.raises(CheckFailed):
        load(sink, "_all", JANUARY, [(1,)], checks=[not_empty, few], listeners=[events.append])
    passed, also_passed, failed = events[-1].checks
    assert (passed.name, also_passed.name, failed) == ("complete", "not_empty", CheckResult("few", False, "too many"))
    load(sink, "_all", JANUARY, [(1,)], checks=[not_empty])
    assert [check.name for check in sink.head("_all").record.checks] == ["complete", "not_empty"]


def test_a_listener_can_stop_a_load_before_it_is_published(sink):
    def refuse(event):
        if event.outcome is Outcome.SUCCESS:
            raise PermissionError("not today")

    with pytest.raises(PermissionError, match="not today"):
        load(sink, "_all", JANUARY, [(1,)], listeners=[refuse])
    assert sink.head("_all") == Head()
    assert [record.state for record in sink.records()] == [State.FAILED]


def test_a_user_defined_check_can_refuse_a_version(sink):
    def few(version, counts):
        if counts.rows > 2:
            raise CheckFailed(f"{version}: too many")

    with pytest.raises(CheckFailed, match="too many"):
        load(sink, "_all", JANUARY, [(1,), (2,), (3,)], checks=[few])
    assert sink.head("_all") == Head()
    assert [record.state for record in sink.records()] == [State.FAILED]


def test_a_version_with_another_row_count_than_was_written_is_refused(sink, monkeypatch):
    seal = SQLiteStage.seal
    monkeypatch.setattr(SQLiteStage, "seal", lambda stage: replace(seal(stage), rows=2))
    with pytest.raises(CheckFailed, match="counts 2 rows, but 3 were written"):
        load(sink, "_all", JANUARY, [(1,), (2,), (3,)])


@pytest.mark.parametrize("leave", [GeneratorExit, SystemExit, KeyboardInterrupt, ZeroDivisionError])
def test_any_exception_that_leaves_the_block_abandons_the_stage(sink, leave):
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


def test_a_store_that_fails_while_a_load_is_abandoned_does_not_hide_the_first_error(hasty, monkeypatch):
    def no_answer(sink, version):
        raise Unavailable("no answer")

    monkeypatch.setattr(SQLiteSink, "delete_rows", no_answer)
    with pytest.raises(ZeroDivisionError) as caught, loading(hasty, "_all", JANUARY):
        raise ZeroDivisionError
    assert "still there (no answer; retried for 0.3 s" in caught.value.__notes__[0]


CALLS = ["head", "example", "unfinished", "begin", "change", "publish"]


@pytest.mark.parametrize("call", CALLS)
def test_each_step_of_a_load_is_retried_whose_first_answers_are_lost(sink, monkeypatch, call):
    answer, lost = getattr(SQLiteSink, call), ["once", "twice"]

    def lossy(self, *args, **kwargs):
        answered = answer(self, *args, **kwargs)
        if lost:
            raise Unavailable(f"the answer was lost {lost.pop()}")
        return answered

    monkeypatch.setattr(SQLiteSink, call, lossy)
    load(sink, "_all", JANUARY, [(1,)])
    assert not lost
    assert [record.state for record in sink.records()] == [State.PUBLISHED]


def test_a_store_that_stays_away_fails_a_load_after_its_patience_and_the_message_says_so(hasty, monkeypatch):
    monkeypatch.setattr(SQLiteSink, "begin", lambda *_: (_ for _ in ()).throw(Unavailable("no answer")))
    with pytest.raises(Unavailable, match=r"no answer; retried for 0\.3 s, the patience of the store's section"):
        load(hasty, "_all", JANUARY, [(1,)])


def test_a_publication_whose_response_is_lost_is_retried(sink, monkeypatch):
    publish, answers = SQLiteSink.publish, ["lost", "lost", "arrives"]

    def lossy(self, version, *, replacing):
        record = publish(self, version, replacing=replacing)
        if answers.pop(0) == "lost":
            raise Unavailable("the answer was lost")
        return record

    monkeypatch.setattr(SQLiteSink, "publish", lossy)
    load(sink, "_all", JANUARY, [(1,)])
    assert answers == []
    assert sink.head("_all").epoch == 1


def test_a_publication_without_any_response_is_found_by_the_next_read(hasty, monkeypatch):
    publish = SQLiteSink.publish

    def lost(self, version, *, replacing):
        publish(self, version, replacing=replacing)
        raise Unavailable("the answer was lost")

    monkeypatch.setattr(SQLiteSink, "publish", lost)
    with pytest.raises(Unavailable):
        load(hasty, "_all", JANUARY, [(1,)])
    (record,) = hasty.records()
    assert record.is_complete
    assert list(hasty.read(record.version)) == [{"id": 1}]


def test_a_version_that_was_never_published_is_removed_by_the_load_that_failed(hasty, monkeypatch):
    with monkeypatch.context() as broken, pytest.raises(Unavailable):
        broken.setattr(SQLiteSink, "publish", lambda *_, **__: (_ for _ in ()).throw(Unavailable("no answer")))
        load(hasty, "_all", JANUARY, [(1,)])
    assert [record.state for record in hasty.records()] == [State.FAILED]
    load(hasty, "_all", JANUARY, [(1,)])
    assert [record.state for record in hasty.records()] == [State.FAILED, State.PUBLISHED]


def test_a_version_is_retired_in_the_step_that_publishes_the_next(sink):
    load(sink, "_all", JANUARY, [(1,)])
    load(sink, "_all", JANUARY, [(2,)])
    first, second = sink.records()
    assert (first.state, second.state) == (State.RETIRED, State.PUBLISHED)
    assert second.published_at <= first.retired_at


def test_a_load_that_was_never_registered_raises_only_its_own_error(sink, monkeypatch):
    def refuse(sink, record):
        raise BadSetting("no such database")

    monkeypatch.setattr(SQLiteSink, "begin", refuse)
    with pytest.raises(BadSetting) as caught:
        load(sink, "_all", JANUARY, [(1,)])
    assert not hasattr(caught.value, "__notes__")
