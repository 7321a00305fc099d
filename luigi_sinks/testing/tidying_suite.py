"""The contract tests of what keeps a dataset tidy: pruning by a policy, verifying, and comparing versions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from luigi_sinks import pruning, versions
from luigi_sinks import record as rules
from luigi_sinks.comparison import Diff, Difference
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.events import Action, Outcome
from luigi_sinks.load import load, loading
from luigi_sinks.retention import Retention
from luigi_sinks.sink import Sink
from luigi_sinks.testing.transitions import ORIGIN, WHOLE, begin
from luigi_sinks.testing.whole_suite import Suite, rows
from luigi_sinks.verification import Finding, verify
from luigi_sinks.version import State, Version

_NOW = timedelta(0)
_COUNTED = "the server counts {} rows where {} were published; its rows were changed or deleted"
_LEFT = "failed, was dropped or has no record, and something of it is left"


class Tidying:
    """Tests of what is done to many versions at once, and of what only looks."""

    # Pruning by a policy

    def test_a_plan_names_what_is_deleted_and_nothing_else_is(self: Suite, sink: Sink) -> None:
        loaded = [self.load(sink, rows(count)) for count in (3, 4, 5, 6)]
        left = self.left(sink, rules.abandon, rules.leave)
        pruner = self.pruner(self.catalog(sink))
        plan = pruning.plan_prune(pruner, Retention(2, _NOW))
        assert plan.versions == [*loaded[:2], left]
        assert [each.state for each in sink.records()][:2] == [State.RETIRED] * 2, "a plan changes nothing"
        assert pruning.prune_all(pruner, plan) == plan.versions
        assert [each.state for each in sink.records()] == [
            *(State.DROPPED, State.DROPPED, State.RETIRED, State.PUBLISHED),
            State.FAILED,
        ]
        assert pruning.plan_prune(pruner, Retention(2, _NOW)).versions == []
        assert [self.read(sink, version) for version in loaded[2:]] == [rows(5), rows(6)]

    def test_partitions_keep_their_own_versions(self: Suite, sink: Sink) -> None:
        first = self.load(sink, rows(3), "a")
        for partition, count in (("a", 4), ("b", 2), ("a", 5), ("b", 3)):
            self.load(sink, rows(count, start=10 * (partition == "b")), partition)
        assert pruning.plan_prune(sink, Retention(2, _NOW)).versions == [first]
        assert pruning.plan_prune(sink, Retention(2, _NOW), partition="b").versions == []

    def test_what_is_pinned_young_a_base_or_the_head_is_not_planned(self: Suite, sink: Sink) -> None:
        pinned, old, head, newer, _ = (self.load(sink, rows(count)) for count in (3, 4, 5, 6, 7))
        versions.pin(sink, pinned)
        versions.roll_back(sink, head)
        assert pruning.plan_prune(sink, Retention(2)).versions == []
        assert pruning.plan_prune(sink, Retention(2, _NOW)).versions == [old, newer]
        with loading(sink, WHOLE, ORIGIN) as writer:
            writer.write(next(self.given(sink, rows(1))))
            assert pruning.plan_prune(sink, Retention(2, _NOW)).versions == [old, newer]

    def test_a_withdrawn_version_is_not_among_those_that_are_kept(self: Suite, sink: Sink) -> None:
        first, second, third = (self.load(sink, rows(count)) for count in (3, 4, 5))
        versions.withdraw(sink, second)
        assert pruning.plan_prune(sink, Retention(2, _NOW)).versions == [second]
        assert {first, third} == {each.version for each in sink.records() if each.is_publishable or each.is_complete}

    def test_what_became_the_head_since_it_was_planned_is_kept(self: Suite, sink: Sink) -> None:
        first, second, _ = (self.load(sink, rows(count)) for count in (3, 4, 5))
        pruner = self.pruner(self.catalog(sink))
        plan = pruning.plan_prune(pruner, Retention(2, _NOW))
        assert plan.versions == [first]
        versions.roll_back(sink, first)
        assert pruning.prune_all(pruner, plan) == []
        assert self.read(sink, first) == rows(3)
        assert sink.record(second).state is State.RETIRED

    def test_a_load_prunes_its_own_one_of_several_partitions(self: Suite, sink: Sink) -> None:
        kept = Retention(2, _NOW)
        elsewhere = [self.load(sink, rows(2, start=100), "other") for _ in range(3)]
        for count in (3, 4, 5):
            load(sink, "mine", ORIGIN, self.given(sink, rows(count)), retention=kept)
        states = [each.state for each in sink.records(partition="mine")]
        assert states in (
            [State.DROPPED, State.RETIRED, State.PUBLISHED],
            [State.RETIRED, State.RETIRED, State.PUBLISHED],  # this login may not delete
        )
        assert all(sink.record(version).state is not State.DROPPED for version in elsewhere)

    def test_a_policy_keeps_at_least_two(self: Suite, sink: Sink) -> None:
        del sink
        for keep in (1, 0, -1, True, "3"):
            with pytest.raises(BadSetting, match="must be a number from 2 on: the head, and one to go back to"):
                Retention(keep)  # type: ignore[arg-type]  # which is refused

    # Verifying

    def test_a_dataset_in_order_has_no_findings(self: Suite, sink: Sink) -> None:
        for count in (3, 4):
            self.load(sink, rows(count))
        versions.withdraw(sink, self.load(sink, rows(5)))
        with self.staged(sink, rows(2)) as stage:
            sink.change(stage.version, rules.abandon)
            self.sweep(sink)
        assert list(verify(self.catalog(sink))) == []

    def test_rows_that_are_missing_are_found(self: Suite, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(4))
        self.delete_rows(sink, first)
        (found,) = verify(sink)
        assert (found.version, found.is_healed) == (first, False)
        assert found.problem.startswith(_COUNTED.format(0, 3))

    def test_what_dead_processes_left_is_found_and_healed(self: Suite, sink: Sink) -> None:
        self.load(sink, rows(3))
        left, dead = self.left(sink, rules.abandon, rules.fail), begin(sink)
        pruner = self.pruner(self.catalog(sink))
        wrong = [(dead, "is staged, and its load is gone without clearing it"), (left, _LEFT)]
        assert sorted(map(_told, verify(pruner, heal=False)), key=str) == sorted(
            ((version, problem, False) for version, problem in wrong), key=str
        )
        assert sink.record(dead).state is State.STAGED
        assert Counter(map(_told, verify(pruner))) == Counter((version, problem, True) for version, problem in wrong)
        assert list(verify(pruner)) == []
        assert sink.record(dead).state is State.FAILED

    def test_a_withdrawn_head_is_found(self: Suite, sink: Sink) -> None:
        version = self.load(sink, rows(3))
        withdrawn = versions.withdraw(sink, self.load(sink, rows(4))).withdrawn
        sink.change(version, lambda record, _: replace(record, withdrawn=withdrawn))
        (found,) = verify(sink)
        assert (found.version, found.problem) == (version, "is withdrawn, and readers still see it: withdraw it again")

    # Comparing

    def test_versions_are_compared_by_key(self: Suite, sink: Sink) -> None:
        changed = {"id": 2, "name": "other", "amount": None}
        first = self.load(sink, rows(5))
        second = self.load(sink, [*rows(2), changed, *rows(3, start=4)])
        found = versions.diff(self.catalog(sink), first, second)
        assert (found.added, found.removed, found.changed) == (2, 1, 1)
        assert Counter(_shown(each.before, each.after) for each in found.examples) == Counter(
            _shown(before, after)
            for before, after in (
                (None, rows(1, start=5)[0]),
                (None, rows(1, start=6)[0]),
                (rows(1, start=3)[0], None),
                (rows(1, start=2)[0], changed),
            )
        )

    def test_equal_versions_do_not_differ(self: Suite, sink: Sink) -> None:
        first, second = self.load(sink, rows(2_000)), self.load(sink, rows(2_000))
        assert versions.diff(sink, first, second) == Diff()
        assert versions.diff(sink, first, first).is_empty

    def test_each_value_counts_also_none_and_the_case_of_letters(self: Suite, sink: Sink) -> None:
        before = [{"id": n, "name": name, "amount": amount} for n, (name, amount) in enumerate(_BEFORE)]
        after = [{"id": n, "name": name, "amount": amount} for n, (name, amount) in enumerate(_AFTER)]
        first, second = self.load(sink, before), self.load(sink, after)
        assert versions.diff(sink, first, second).changed == len(_BEFORE) - 1

    def test_only_the_first_examples_are_kept(self: Suite, sink: Sink) -> None:
        first, second = self.load(sink, rows(50)), self.load(sink, rows(50, start=30))
        found = versions.diff(sink, first, second, examples=3)
        assert (found.added, found.removed, found.changed) == (30, 30, 0)
        assert Counter(_side(each) for each in found.examples) == {"added": 3, "removed": 3}

    def test_what_has_no_rows_is_not_compared(self: Suite, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(4))
        self.prune(sink, first)
        with pytest.raises(Conflict, match=f"{first} is dropped; it has no rows to read"):
            versions.diff(sink, first, second)

    def test_listeners_are_told_that_both_versions_were_read(self: Suite, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(4))
        told = self.told(lambda: versions.diff(sink, first, second))
        assert [(event.action, event.outcome, event.version, event.rows) for event in told] == [
            (Action.READ, Outcome.BEGUN, first, 0),
            (Action.READ, Outcome.BEGUN, second, 0),
            (Action.READ, Outcome.SUCCESS, second, 4),
            (Action.READ, Outcome.SUCCESS, first, 3),
        ]


_BEFORE: tuple[tuple[str, float | None], ...] = (("a", 1.0), ("a", None), ("a", 0.0), ("a", 1.5), ("a ", 1.0))
_AFTER: tuple[tuple[str, float | None], ...] = (("A", 1.0), ("a", 0.0), ("a", None), ("a", 1.5), ("a", 1.0))


def _told(found: Finding) -> tuple[Version, str, bool]:
    return found.version, found.problem, found.is_healed


def _side(each: Difference) -> str:
    return "added" if each.before is None else "removed" if each.after is None else "changed"


def _shown(*rows_of: Any) -> str:
    return str([row and sorted(row.items()) for row in rows_of])
