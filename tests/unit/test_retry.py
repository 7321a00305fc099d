import time

import pytest

from luigi_sinks.errors import Conflict, Unavailable
from luigi_sinks.retry import patient, retry_unavailable


class Store:
    """Is unavailable for some calls, then answers."""

    patience = 5.0
    dataset = "d"

    def __init__(self, away=0):
        self.away = away
        self.calls = 0

    def head(self, partition):
        self.calls += 1
        if self.calls <= self.away:
            raise Unavailable("no answer")
        return f"head of {partition}"

    def records(self, *, partition=None):
        yield 1
        yield self.head(partition)

    read = records


def test_a_call_is_retried_until_the_store_answers_and_its_first_failure_is_said_at_once(caplog):
    store = Store(away=3)
    assert patient(store, 20).head("a") == "head of a"
    assert store.calls == 4
    assert caplog.messages == ["no answer; retrying for 20 s"]


def test_retries_end_with_the_patience_and_not_after_a_number_of_them():
    store, start = Store(away=10_000), time.monotonic()
    with pytest.raises(Unavailable, match=r"no answer; retried for 0\.5 s, the patience of the store's section"):
        patient(store, 0.5).head("a")
    assert 0.4 < time.monotonic() - start < 5
    assert store.calls > 1


def test_no_patience_means_one_attempt_and_its_own_message():
    store = Store(away=1)
    with pytest.raises(Unavailable, match=r"^no answer$"):
        patient(store, 0).head("a")
    assert store.calls == 1


def test_another_error_is_raised_at_once():
    calls = []

    def refuse():
        calls.append(1)
        raise Conflict("no")

    with pytest.raises(Conflict):
        retry_unavailable(5, refuse)
    assert calls == [1]


def test_history_that_breaks_off_is_fetched_again_from_its_beginning():
    assert list(patient(Store(away=1)).records(partition="a")) == [1, "head of a"]


def test_a_reader_is_never_given_a_row_twice_when_reading_breaks_off():
    rows = patient(Store(away=1)).read()
    assert next(rows) == 1
    with pytest.raises(Unavailable):
        next(rows)


def test_what_is_no_call_to_the_store_is_passed_on_and_nothing_is_retried_twice():
    store = Store()
    assert patient(store).dataset == "d"
    assert patient(patient(store, 1), 9) is not store
    once = patient(store, 1)
    assert patient(once) is once
