"""What a task run uses ends with it."""

import pytest

from luigi_sinks import closing, running
from luigi_sinks.airflow.identity import TaskRun
from luigi_sinks.airflow.lifetime import lifetime

RUN = TaskRun("flights", "load", "manual__1")


@pytest.fixture
def closed(monkeypatch):
    """Return a list that grows whenever everything is closed."""
    found = []
    monkeypatch.setattr(closing, "_closers", [lambda: found.append(running.here().task_id)])
    return found


def test_tokens_are_fetched_for_the_run_and_connections_are_closed_before_it_ends(closed):
    with lifetime(RUN, "flight_ops"):
        here = running.here()
        assert (here.task_id, here.family, here.owner) == ("flights.load manual__1", "flights.load", "flight_ops")
        assert not closed
    assert closed == [RUN.id]
    assert not running.here().task_id


def test_a_block_within_another_one_ends_nothing(closed):
    with lifetime(RUN, "flight_ops"):
        with lifetime(RUN, "flight_ops"):
            pass
        assert not closed
        assert running.here().task_id
    assert closed == [RUN.id]


def test_it_ends_with_an_error_too(closed):
    with pytest.raises(ValueError, match="planted"), lifetime(RUN, ""):
        raise ValueError("planted")
    assert closed == [RUN.id]


def test_a_connection_that_cannot_be_closed_does_not_fail_what_was_published(monkeypatch, caplog):
    def fail():
        raise OSError("planted")

    monkeypatch.setattr(closing, "_closers", [fail])
    with lifetime(RUN, ""):
        pass
    assert "could not be closed at the end of the task: planted" in caplog.text
    assert not running.here().task_id
