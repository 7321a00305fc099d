"""The contract tests of withdrawals: which version readers see instead, and what becomes of the task."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest

from luigi_sinks import dropping, versions
from luigi_sinks import record as rules
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.events import Action, Outcome
from luigi_sinks.load import load, loading
from luigi_sinks.record import Head, Record, Withdrawal
from luigi_sinks.sink import Sink
from luigi_sinks.testing.transitions import ORIGIN, WHOLE
from luigi_sinks.testing.whole_suite import Suite, rows
from luigi_sinks.version import State


class TakingBack:
    """Tests of what is taken back from readers."""

    def test_a_withdrawn_head_gives_way_to_the_newest_sound_version(self: Suite, sink: Sink) -> None:
        first, second, third = (self.load(sink, rows(count)) for count in (3, 5, 7))
        versions.withdraw(sink, second)
        assert sink.head(WHOLE).version == third
        record = versions.withdraw(sink, third, why="of the wrong month")
        assert (record.withdrawn and record.withdrawn.why, record.is_complete) == ("of the wrong month", False)
        assert record.withdrawn
        assert record.withdrawn.by == sink.publisher.principal != ""
        assert sink.head(WHOLE) == Head(sink.record(first), 4)
        assert self.head_record(sink).publications[-1].why == f"{third.id} is withdrawn: of the wrong month"
        assert self.shown(sink) == 3
        assert [each.state for each in sink.records()] == [State.PUBLISHED, State.RETIRED, State.RETIRED]

    def test_a_version_whose_rows_were_deleted_does_not_take_the_place_of_a_withdrawn_one(
        self: Suite, sink: Sink
    ) -> None:
        first, second, third = (self.load(sink, rows(count)) for count in (3, 5, 7))
        self.delete_rows(sink, second)
        versions.withdraw(sink, third)
        assert sink.head(WHOLE).version == first

    def test_of_the_only_version_that_is_withdrawn_readers_see_nothing_and_no_error(self: Suite, sink: Sink) -> None:
        only = self.load(sink, rows(3))
        record = versions.withdraw(sink, only, why="wrong")
        assert (record.state, record.is_complete, record.retired_at is None) == (State.RETIRED, False, False)
        assert sink.head(WHOLE) == Head(None, 2)
        assert dict(sink.heads()) == {}
        assert self.shown(sink) == 0
        assert self.read(sink, only) == rows(3)
        assert [each for each in sink.records(update_ids={ORIGIN.update_id}) if each.answers(ORIGIN)] == []

    def test_after_nothing_the_next_publication_counts_on(self: Suite, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        versions.withdraw(sink, first)
        second = self.load(sink, rows(5))
        assert sink.head(WHOLE) == Head(sink.record(second), 3)
        assert [each.epoch for each in self.head_record(sink).publications] == [3]
        assert self.shown(sink) == 5
        versions.withdraw(sink, second)
        assert sink.head(WHOLE) == Head(None, 4)
        assert self.shown(sink) == 0
        self.load(sink, rows(2))
        assert self.shown(sink) == 2
        self.sweep(sink)
        assert list(sink.remains()) == []

    def test_readers_see_a_whole_version_or_nothing_while_versions_are_withdrawn(self: Suite, sink: Sink) -> None:
        version, seen = self.load(sink, rows(3)), set[int]()
        with ThreadPoolExecutor(1) as pool:
            is_over = threading.Event()
            reader = pool.submit(_polling, lambda: seen.add(self.shown(self.make_sink(sink.dataset))), is_over)
            try:
                for count in (5, 3, 5, 3):
                    versions.withdraw(sink, version)
                    version = self.load(sink, rows(count))
            finally:
                is_over.set()
            assert reader.result() > 0
        assert seen <= {0, 3, 5}

    def test_other_partitions_are_shown_as_before(self: Suite, sink: Sink) -> None:
        january, february = self.load(sink, rows(3), "201301"), self.load(sink, rows(2, start=100), "201302")
        versions.withdraw(sink, january)
        assert [head.version for head in sink.heads().values()] == [february]
        assert self.shown(sink) == 2
        march = self.load(sink, rows(4, start=200), "201303")
        again = self.load(sink, rows(5), "201301")
        assert [head.version for head in sink.heads().values()] == [again, february, march]
        with pytest.raises(BadSetting, match="would show readers the same rows twice"):
            self.load(sink, rows(3))

    def test_a_withdrawn_version_stays_incomplete_when_it_is_pruned_and_after_it_was(self: Suite, sink: Sink) -> None:
        first, second, _ = (self.load(sink, rows(count)) for count in (3, 5, 7))
        versions.withdraw(sink, first)
        self.prune(sink, first)
        self.prune(sink, second)
        assert versions.withdraw(sink, second).state is State.DROPPED
        assert [(each.state, each.is_complete) for each in sink.records()] == [
            (State.DROPPED, False),
            (State.DROPPED, False),
            (State.PUBLISHED, True),
        ]

    def test_the_only_version_can_be_pruned_once_it_is_withdrawn(self: Suite, sink: Sink) -> None:
        only = self.load(sink, rows(3))
        versions.withdraw(sink, only)
        self.prune(sink, only)
        assert (sink.count(only), sink.head(WHOLE), self.shown(sink)) == (0, Head(None, 2), 0)
        self.load(sink, rows(4))
        assert self.shown(sink) == 4

    def test_withdrawing_twice_is_as_good_as_once(self: Suite, sink: Sink) -> None:
        only = self.load(sink, rows(3))
        record = versions.withdraw(sink, only, why="first")
        assert versions.withdraw(sink, only, why="second") == record
        assert sink.head(WHOLE) == Head(None, 2)

    def test_a_withdrawal_that_ended_before_the_head_moved_is_finished_by_the_next_one(self: Suite, sink: Sink) -> None:
        only = self.load(sink, rows(3))
        sink.change(only, lambda record, _: replace(record, withdrawn=_mark(record)))
        assert (sink.head(WHOLE).version, self.head_record(sink).is_complete) == (only, False)
        versions.withdraw(sink, only)
        assert sink.head(WHOLE) == Head(None, 2)

    def test_only_the_withdrawn_head_that_was_seen_leaves_nothing(self: Suite, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        seen = sink.head(WHOLE)
        with pytest.raises(Conflict, match=f"{first} is not withdrawn; readers keep it until it is"):
            sink.unpublish(first, replacing=seen)
        assert sink.head(WHOLE) == seen
        sink.change(first, lambda record, _: replace(record, withdrawn=_mark(record)))
        second = self.load(sink, rows(5))
        with pytest.raises(Conflict, match=f"{first}: the head moved on to {second} meanwhile"):
            sink.unpublish(first, replacing=seen)
        assert sink.head(WHOLE).version == second

    def test_a_call_whose_answer_was_lost_may_be_repeated(self: Suite, sink: Sink) -> None:
        only = self.load(sink, rows(3))
        sink.change(only, lambda record, _: replace(record, withdrawn=_mark(record)))
        seen = sink.head(WHOLE)
        record = sink.unpublish(only, replacing=seen)
        assert sink.unpublish(only, replacing=seen) == record == sink.record(only)
        assert sink.head(WHOLE) == Head(None, 2)

    def test_a_publisher_that_saw_the_withdrawn_head_gets_a_conflict(self: Suite, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        seen = sink.head(WHOLE)
        versions.withdraw(sink, first)
        with self.staged(sink, rows(2)) as stage:
            stage.seal()
            sink.change(stage.version, rules.approve)
            with pytest.raises(Conflict, match="the head moved on to None meanwhile; nothing was published"):
                sink.publish(stage.version, replacing=seen)
        assert sink.head(WHOLE) == Head(None, 2)

    def test_what_was_never_published_cannot_be_withdrawn(self: Suite, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage, pytest.raises(Conflict, match="is staged; it was never published"):
            versions.withdraw(sink, stage.version)

    @pytest.mark.parametrize("verb", [versions.roll_back, versions.withdraw])
    def test_a_reason_that_is_no_text_is_refused_before_anything_is_done(
        self: Suite, sink: Sink, verb: Callable[..., Record]
    ) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        before = list(sink.records())
        with pytest.raises(TypeError, match="takes why as text and was given a NoneType"):
            verb(sink, first, why=None)
        assert list(sink.records()) == before
        assert sink.head(WHOLE).version == second

    def test_a_record_that_could_not_be_read_back_is_not_written(self: Suite, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        odd = replace(ORIGIN, rerun=cast("str", 5))
        with pytest.raises(BadSetting, match=r"its record could not be read back .* give that as text"):
            load(sink, WHOLE, odd, rows(2))
        assert [record.version for record in sink.records()] == [first]

    def test_listeners_are_told_of_a_withdrawal_and_of_what_follows_it(self: Suite, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        told = self.told(lambda: versions.withdraw(sink, second))
        assert [(event.action, event.outcome, event.version, event.epoch) for event in told] == [
            (Action.WITHDRAW, Outcome.BEGUN, second, 0),
            (Action.ROLLBACK, Outcome.BEGUN, first, 0),
            (Action.ROLLBACK, Outcome.SUCCESS, first, 3),
            (Action.WITHDRAW, Outcome.SUCCESS, second, 0),
        ]
        *_, success = self.told(lambda: versions.withdraw(sink, first))
        assert (success.action, success.outcome, success.epoch) == (Action.WITHDRAW, Outcome.SUCCESS, 4)

    def test_another_task_may_load_what_was_taken_back(self: Suite, sink: Sink) -> None:
        versions.withdraw(sink, self.load(sink, rows(3)))
        other = replace(ORIGIN, family="Other", update_id="Other_1")
        load(sink, WHOLE, other, self.given(sink, rows(4)))
        assert self.head_record(sink).origin == other

    def test_a_dropped_dataset_is_gone_and_may_be_loaded_again(self: Suite, sink: Sink) -> None:
        self.load(sink, rows(3), "201301")
        head = self.load(sink, rows(5), "201301")
        told = self.told(lambda: self.drop(sink))
        assert [(event.action, event.outcome, event.version, event.epoch) for event in told] == [
            (Action.DROP_DATASET, Outcome.BEGUN, head, 0),
            (Action.DROP_DATASET, Outcome.SUCCESS, head, 3),
        ]
        assert sink.dataset not in self.datasets(sink)
        assert (list(sink.records()), sink.head("201301")) == ([], Head())
        self.load(sink, rows(4))
        assert (sink.head(WHOLE).epoch, self.shown(sink)) == (1, 4)

    def test_a_dataset_is_not_dropped_by_another_name_nor_while_it_is_used(self: Suite, sink: Sink) -> None:
        version = self.load(sink, rows(3))
        with pytest.raises(BadSetting, match="'other' is not the name of"):
            dropping.drop_dataset(sink, really="other")
        versions.pin(sink, version)
        with pytest.raises(Conflict, match=f"{version} is pinned, so {sink.dataset} is not deleted; unpin it"):
            dropping.drop_dataset(sink, really=sink.dataset)
        versions.unpin(sink, version)
        with loading(sink, WHOLE, ORIGIN) as writer:
            writer.write(next(self.given(sink, rows(1))))
            with pytest.raises(Conflict, match="is being loaded by pid"):
                dropping.drop_dataset(sink, really=sink.dataset)
        assert self.read(sink, version) == rows(3)


def _polling(look: Callable[[], object], is_over: threading.Event) -> int:
    """Look again and again, and return how often."""
    times = 0
    while not is_over.is_set():
        look()
        times += 1
    return times


def _mark(record: Record) -> Withdrawal:
    return Withdrawal(record.staged_at, "tests", "wrong")
