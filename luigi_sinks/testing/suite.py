"""Contract tests of a sink. To test your own sink, subclass `SinkSuite`.

    class TestMySink(SinkSuite):
        def make_sink(self, dataset):
            return MySink(dataset, ...)

The dataset has three fields: `id`, the key, a 32-bit integer; `name`, required text of at
most 20 characters; `amount`, a floating-point number or None.
"""

from __future__ import annotations

import math
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, cast

import pytest

from luigi_sinks import checks, dropping, exposing, removal, versions
from luigi_sinks import record as rules
from luigi_sinks.checks import CheckResult, StagedCounts
from luigi_sinks.claim import Claim, held
from luigi_sinks.errors import BadRow, BadSetting, CheckFailed, Conflict, Forbidden, Unavailable
from luigi_sinks.events import Action, Event, Outcome
from luigi_sinks.listeners import listen, stop_listening
from luigi_sinks.load import Load, load, loading, staging
from luigi_sinks.record import Head, Record, Transition
from luigi_sinks.sink import Catalog, Part, Sink, Stage
from luigi_sinks.staged import Written
from luigi_sinks.testing import transitions
from luigi_sinks.testing.release_suite import Releasing
from luigi_sinks.testing.tidying_suite import Tidying
from luigi_sinks.testing.transitions import CHANGES, ORIGIN, REFUSALS, RULES, STATES, WHOLE
from luigi_sinks.testing.whole_suite import rows
from luigi_sinks.testing.withdrawal_suite import TakingBack
from luigi_sinks.version import State, Version, new_version

_CHANGES = [(state, rule) for state, by_rule in CHANGES.items() for rule in by_rule]


NO_ROWS = set(STATES) - {"validated", "published", "retired", "superseded"}


class SinkSuite(TakingBack, Releasing, Tidying):
    """Tests the behaviour that the rest of the package relies on."""

    kind: ClassVar[str] = ""
    """The kind of the rows, for sinks with several kinds."""

    too_large: ClassVar[int] = 2**31
    too_long: ClassVar[str] = "x" * 21

    def make_sink(self, dataset: str) -> Sink:
        """Return a sink for a dataset without loads; called again for a second client of the same dataset."""
        raise NotImplementedError

    @pytest.fixture
    def sink(self) -> Sink:
        """Return a sink for a new dataset."""
        return self.make_sink(f"suite_{secrets.token_hex(4)}")

    # What readers see

    def test_a_dataset_never_loaded_has_no_head_and_no_history(self, sink: Sink) -> None:
        assert sink.head(WHOLE) == Head()
        assert list(sink.records()) == []

    def test_a_dataset_says_where_it_is(self, sink: Sink) -> None:
        assert sink.location.namespace
        assert sink.location.name.endswith(sink.dataset)
        events = list[Event]()
        load(sink, WHOLE, ORIGIN, self.given(sink, rows(1)), listeners=(events.append,))
        assert {event.location for event in events} == {sink.location}

    def test_a_load_tells_which_columns_it_has_and_their_types(self, sink: Sink) -> None:
        events = list[Event]()
        load(sink, WHOLE, ORIGIN, self.given(sink, rows(1)), listeners=(events.append,))
        assert "id" in {name.rpartition(".")[2] for name in sink.columns}
        assert {type(text) for column in sink.columns.items() for text in column} == {str}
        assert events[-1].columns == sink.columns

    def test_what_cannot_be_a_partition_is_refused_and_not_called_empty(self, sink: Sink) -> None:
        for partition in ("2013-01", "", "A", "x" * 31, "_all "):
            with pytest.raises(BadSetting, match="must consist of 1 to 30 characters"):
                sink.head(partition)
            with pytest.raises(BadSetting, match="must consist of 1 to 30 characters"):
                list(sink.records(partition=partition))
            with pytest.raises(BadSetting, match="must consist of 1 to 30 characters"):
                self.load(sink, rows(1), partition)
        assert list(sink.records()) == []

    def test_a_load_becomes_the_head_with_its_rows_and_its_origin(self, sink: Sink) -> None:
        self.load(sink, rows(3))
        record = self.head_record(sink)
        assert (record.rows, record.state, record.origin) == (3, State.PUBLISHED, ORIGIN)
        assert record.is_complete
        assert self.read(sink, record.version) == rows(3)

    def test_a_second_load_replaces_the_head_and_keeps_the_first_version(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        assert sink.head(WHOLE).version == second
        assert [(r.version, r.state) for r in sink.records()] == [(first, State.RETIRED), (second, State.PUBLISHED)]
        assert self.read(sink, first) == rows(3)
        assert self.read(sink, second) == rows(5)

    def test_a_staged_version_changes_nothing_that_readers_see(self, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        with self.staged(sink, rows(2)):
            assert sink.head(WHOLE).version == first
            assert self.read(sink, first) == rows(3)

    def test_partitions_are_replaced_independently(self, sink: Sink) -> None:
        january = self.load(sink, rows(3), "201301")
        february = self.load(sink, rows(2, start=100), "201302")
        newer = self.load(sink, rows(4), "201301")
        assert sink.head("201301").version == newer != january
        assert sink.head("201302").version == february
        self.load(sink, rows(1, start=200), "201212")
        assert list(sink.heads()) == ["201212", "201301", "201302"]
        assert [r.version for r in sink.records(partition="201302")] == [february]

    def test_what_was_written_is_what_is_read(self, sink: Sink) -> None:
        names = [
            "",
            "NULL",
            r"\N",
            "a\tb\nc\rd",
            "back\\slash",
            "'single' \"double\"",
            "Zürich 🛫 東京",
            " edges ",
            "%s {}",
        ]
        given = [{"id": i, "name": name, "amount": i / 3} for i, name in enumerate(names)]
        given += [{"id": 2**31 - 1, "name": "high", "amount": None}, {"id": -(2**31), "name": "low", "amount": -1e300}]
        assert self.read(sink, self.load(sink, given)) == sorted(given, key=_by_id)

    def test_rows_may_be_tuples_in_the_order_of_the_fields(self, sink: Sink) -> None:
        version = self.load(sink, [(1, "one", 1.5), (2, "two", None)])
        assert [row["name"] for row in self.read(sink, version)] == ["one", "two"]

    def test_a_row_that_the_caller_changes_for_the_next_one_keeps_its_values(self, sink: Sink) -> None:
        changing: dict[str, Any] = {"amount": None}
        given = (changing.update(row) or changing for row in rows(3))
        assert self.read(sink, self.load(sink, given)) == rows(3)

    def test_values_of_subclasses_of_the_basic_types_come_back_equal(self, sink: Sink) -> None:
        row = {"id": _Number(1), "name": _Text("a"), "amount": _Real(1.5)}
        assert self.read(sink, self.load(sink, [row])) == [{"id": 1, "name": "a", "amount": 1.5}]

    def test_many_rows_arrive_in_several_parts(self, sink: Sink) -> None:
        version = self.load(sink, rows(25_000))
        assert self.head_record(sink).rows == 25_000
        assert self.read(sink, version) == rows(25_000)

    # Publishing

    def test_a_publisher_that_saw_an_older_head_gets_a_conflict(self, sink: Sink) -> None:
        stale = sink.head(WHOLE)
        with self.staged(sink, rows(2)) as stage:
            winner = self.publish(sink, rows(3))
            version = self.approved(sink, stage)
            with pytest.raises(Conflict, match=f"the head moved on to {winner} meanwhile; nothing was published"):
                sink.publish(version, replacing=stale)
        assert sink.head(WHOLE).version == winner
        assert self.read(sink, winner) == rows(3)

    def test_of_several_first_publishers_one_wins(self, sink: Sink) -> None:
        self.race(sink, publishers=4)

    def test_of_several_later_publishers_one_wins(self, sink: Sink) -> None:
        self.load(sink, rows(1))
        self.race(sink, publishers=4)

    def test_publishing_the_head_again_does_nothing(self, sink: Sink) -> None:
        before = sink.head(WHOLE)
        version = self.load(sink, rows(2))
        after = sink.head(WHOLE)
        sink.publish(version, replacing=before)
        assert sink.head(WHOLE) == after

    def test_an_older_version_can_be_published_again(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        published_at = next(sink.records()).published_at
        versions.roll_back(sink, first, why="the second was wrong")
        done = datetime.now(UTC)
        head = self.head_record(sink)
        assert (head.version, head.published_at) == (first, published_at)
        assert [(p.epoch, p.why) for p in head.publications] == [(1, ""), (3, "the second was wrong")]
        assert head.publications[-1].by == sink.publisher.principal != ""
        assert {r.version: r.state for r in sink.records()} == {first: State.PUBLISHED, second: State.RETIRED}
        assert [r.retired_at is None for r in sink.records()] == [True, False]
        assert all(r.retired_at <= done for r in sink.records() if r.retired_at), "it was recorded by a later read"

    def test_a_head_that_came_back_is_not_the_head_that_was(self, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        stale = sink.head(WHOLE)
        with self.staged(sink, rows(2)) as stage:
            self.publish(sink, rows(5))
            sink.publish(first, replacing=sink.head(WHOLE))
            version = self.approved(sink, stage)
            with pytest.raises(Conflict, match=f"the head moved on to {first} meanwhile"):
                sink.publish(version, replacing=stale)
        assert sink.head(WHOLE).version == first

    def test_a_version_that_was_not_approved_cannot_be_published(self, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage:
            stage.seal()
            with pytest.raises(Conflict, match=f"{stage.version} is sealed; it cannot be published"):
                sink.publish(stage.version, replacing=sink.head(WHOLE))

    def test_the_head_cannot_be_dropped_nor_its_rows_deleted(self, sink: Sink) -> None:
        version = self.load(sink, rows(2))
        with pytest.raises(Conflict, match=f"{version} is the head; it cannot be dropped"):
            versions.prune(sink, version, min_age=timedelta(0))
        with pytest.raises(Conflict, match="is the head"):
            sink.delete_rows(version)
        assert self.read(sink, version) == rows(2)
        assert self.head_record(sink).state is State.PUBLISHED

    def test_a_version_that_is_being_loaded_cannot_be_dropped(self, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage:
            with pytest.raises(Conflict, match=f"{stage.version} is staged; it is being loaded or was interrupted"):
                versions.prune(sink, stage.version, min_age=timedelta(0))
            stage.write(self.part(sink, 1, rows(2, start=10)))
            assert stage.seal().rows == 4

    def test_a_dropped_version_keeps_its_record_and_stays_complete(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        assert sink.count(first) == 3
        versions.prune(sink, first, min_age=timedelta(0))
        record = next(sink.records())
        assert (record.version, record.state, record.is_complete) == (first, State.DROPPED, True)
        assert sink.count(first) == 0
        with pytest.raises(Conflict, match=f"{first} is dropped; it has no rows to read"):
            list(sink.read(first))
        assert self.read(sink, second) == rows(5)

    def test_a_version_that_was_the_head_a_moment_ago_is_kept_for_its_readers(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(5))
        retired = sink.record(first).retired_at
        assert retired is not None
        may_go = f"{retired + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC"
        with pytest.raises(Conflict, match=f"prune it from {may_go} on, or now by min_age=timedelta"):
            versions.prune(self.pruner(sink), first)
        assert self.read(sink, first) == rows(3)
        versions.prune(self.pruner(sink), first, min_age=datetime.now(UTC) - retired)
        assert sink.record(first).state is State.DROPPED

    def test_a_reader_whose_version_is_dropped_gets_all_rows_or_a_conflict(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(25_000)), self.load(sink, rows(5))
        reader = versions.read(sink, first)
        read = [next(reader)]
        self.prune(sink, first)
        try:
            read += reader
        except Conflict as conflict:
            assert str(first) in str(conflict)  # noqa: PT017 - either outcome is right
        else:
            assert len(read) == 25_000

    def test_a_pinned_version_is_not_dropped(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(5))
        assert versions.pin(sink, first).pinned
        with pytest.raises(Conflict, match=f"{first} is pinned; it cannot be dropped"):
            versions.prune(sink, first, min_age=timedelta(0))
        assert self.read(sink, first) == rows(3)
        assert not versions.unpin(sink, first).pinned
        self.prune(sink, first)
        assert sink.record(first).state is State.DROPPED

    # The rules of a version's life

    @pytest.mark.parametrize("state", STATES)
    def test_each_rule_that_refuses_a_state_says_so_and_changes_nothing(self, sink: Sink, state: str) -> None:
        version = STATES[state](sink)
        before = sink.record(version)
        for rule in REFUSALS[state]:
            with pytest.raises(Conflict) as refused:
                sink.change(version, RULES[rule])
            assert str(refused.value) == transitions.message(version, state, rule)
        for rule in RULES.keys() - REFUSALS[state].keys() - CHANGES[state].keys():
            assert sink.change(version, RULES[rule]) == before, rule
        assert sink.record(version) == before

    @pytest.mark.parametrize(("state", "rule"), _CHANGES)
    def test_each_rule_that_changes_a_state_is_recorded(self, sink: Sink, state: str, rule: str) -> None:
        version = STATES[state](sink)
        before = sink.record(version)
        if rule == "publish":
            sink.publish(version, replacing=sink.head(WHOLE))
        else:
            assert sink.change(version, RULES[rule]) != before
        assert sink.record(version).state is CHANGES[state][rule]

    def test_what_a_rule_changes_beside_the_state_is_recorded(self, sink: Sink) -> None:
        seal = partial(rules.seal, counts=StagedCounts(0, set_aside=2))
        sealed = sink.change(transitions.begin(sink), seal)
        assert (sink.record(sealed.version).rows, sink.record(sealed.version).set_aside) == (0, 2)
        abandoned = sink.change(sealed.version, rules.abandon)
        assert sink.change(abandoned.version, rules.fail).rows is None
        assert sink.record(abandoned.version).rows is None

    def test_a_version_that_takes_no_rows_but_was_not_counted_cannot_be_approved(self, sink: Sink) -> None:
        version = transitions.begin(sink)
        sink.change(version, rules.close)
        with pytest.raises(Conflict, match=f"{version} is sealed; it cannot be approved"):
            sink.change(version, rules.approve)

    @pytest.mark.parametrize("state", [State.RETIRED, transitions.LEFT])
    def test_a_drop_that_is_cancelled_leaves_what_was_there(self, sink: Sink, state: str) -> None:
        version = STATES[state](sink)
        before = sink.record(version)
        sink.change(version, removal.begin_drop)
        sink.change(version, removal.cancel_drop)
        assert sink.record(version) == before

    def test_a_record_that_denies_a_publication_is_corrected_by_the_pointer(self, sink: Sink) -> None:
        version = self.load(sink, rows(3))
        before = sink.record(version)
        self.forge(sink, version, state=State.VALIDATED)
        assert sink.record(version) == before
        assert self.head_record(sink) == before

    def test_a_record_that_claims_to_be_open_does_not_get_a_published_version_deleted(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(5))
        self.forge(sink, first, state=State.STAGED)
        versions.abandon(sink, first)
        assert sink.count(first) == 3

    @pytest.mark.parametrize("state", [state for state in STATES if state not in {"published", "retired"}])
    def test_only_what_was_published_before_can_be_rolled_back_to(self, sink: Sink, state: str) -> None:
        version = STATES[state](sink)
        head = sink.head(WHOLE)
        with pytest.raises(Conflict, match=r"it (was never|cannot be) published"):
            versions.roll_back(sink, version)
        assert sink.head(WHOLE) == head

    def test_a_version_whose_rows_were_deleted_by_hand_is_not_rolled_back_to(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        self.delete_rows(sink, first)
        with pytest.raises(CheckFailed, match="the server counts 0 rows where 3 were published"):
            versions.roll_back(sink, first)
        assert sink.head(WHOLE).version == second

    def test_a_prune_that_was_interrupted_is_not_undone_by_one_that_may_not_delete(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(5))
        sink.change(first, removal.begin_drop)
        with pytest.raises(Forbidden):
            versions.prune(MayNotDelete(sink), first, min_age=timedelta(0))
        assert sink.record(first).state is State.DROPPING
        self.prune(sink, first)
        assert sink.record(first).state is State.DROPPED

    @pytest.mark.parametrize("state", [state for state in REFUSALS if "publish" in REFUSALS[state]])
    def test_what_may_not_be_published_is_refused_at_the_door(self, sink: Sink, state: str) -> None:
        version = STATES[state](sink)
        head = sink.head(WHOLE)
        with pytest.raises(Conflict) as refused:
            sink.publish(version, replacing=head)
        assert str(refused.value) == transitions.message(version, state, "publish")
        assert sink.head(WHOLE) == head

    @pytest.mark.parametrize("state", [state for state in STATES if state in NO_ROWS])
    def test_what_has_no_rows_to_read_is_refused_at_the_door(self, sink: Sink, state: str) -> None:
        version = STATES[state](sink)
        shown = sink.record(version).state
        with pytest.raises(Conflict, match=f"{version} is {shown}; it has no rows to read"):
            list(sink.read(version))

    def test_a_version_that_no_registry_holds_is_refused(self, sink: Sink) -> None:
        self.load(sink, rows(1))
        version = new_version(sink.dataset, WHOLE)
        head = sink.head(WHOLE)
        calls: list[Callable[[], object]] = [
            lambda: sink.record(version),
            lambda: sink.change(version, rules.abandon),
            lambda: sink.publish(version, replacing=head),
            lambda: list(sink.read(version)),
            lambda: sink.attach(version).seal(),
        ]
        for call in calls:
            with pytest.raises(Conflict, match=f"{version} is not in the registry"):
                call()

    def test_a_withdrawn_version_that_is_dropped_stays_withdrawn(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(5))
        withdrawal = versions.withdraw(sink, first, why="wrong").withdrawn
        with pytest.raises(Conflict, match=f"{first} is retired; it is withdrawn and cannot be published"):
            versions.roll_back(sink, first)
        sink.change(first, removal.begin_drop)
        record = sink.change(first, removal.end_drop)
        assert sink.record(first) == record
        assert (record.state, record.withdrawn, record.is_complete) == (State.DROPPED, withdrawal, False)

    # What the catalog tells without a schema

    def test_a_record_keeps_what_it_was_loaded_with(self, sink: Sink) -> None:
        self.load(sink, rows(3))
        record = self.head_record(sink)
        assert record.schema == sink.declared != {}
        assert record.checks == (CheckResult("complete", passed=True), CheckResult("not_empty", passed=True))
        assert record.principal == sink.login.principal != ""
        assert [publication.epoch for publication in record.publications] == [1]

    def test_a_catalog_knows_heads_history_and_rows_by_name_alone(self, sink: Sink) -> None:
        january, february = self.load(sink, rows(3), "201301"), self.load(sink, rows(2, start=100), "201302")
        catalog = self.catalog(sink)
        assert {partition: head.version for partition, head in catalog.heads().items()} == {
            "201301": january,
            "201302": february,
        }
        assert list(catalog.records()) == list(sink.records())
        assert self.read(sink, january, catalog=catalog) == rows(3)
        assert catalog.count(february) == 2

    def test_a_catalog_publishes_and_drops_by_name_alone(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        catalog = self.catalog(sink)
        versions.roll_back(catalog, first)
        assert sink.head(WHOLE).version == first
        self.prune(catalog, second)
        assert sink.head(WHOLE).version == first

    def test_the_catalog_lists_the_dataset(self, sink: Sink) -> None:
        assert sink.dataset not in self.datasets(sink)
        self.load(sink, rows(1))
        assert sink.dataset in self.datasets(sink)

    # Events

    def test_listeners_are_told_of_a_load_and_its_publication(self, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        told = self.told(lambda: self.load(sink, rows(5)))
        version = sink.head(WHOLE).version
        assert [(e.action, e.outcome) for e in told] == [
            (Action.LOAD, Outcome.BEGUN),
            (Action.LOAD, Outcome.SUCCESS),
            (Action.PUBLISH, Outcome.SUCCESS),
        ]
        assert [(e.store, e.version, e.origin, e.replaced) for e in told] == [(sink.store, version, ORIGIN, first)] * 3
        event = told[-1]
        assert (event.rows, event.epoch, event.login) == (5, 2, sink.publisher)
        assert event.bytes > 0
        assert event.seconds > 0
        assert list(event.steps) == ["source", "validate", "encode", "wait", "seal", "check", "publish"]
        assert [check.name for check in event.checks] == ["complete", "not_empty"]
        assert event.correlation != ""

    def test_a_key_that_two_partitions_share_is_found_by_the_check_that_asks_for_it(self, sink: Sink) -> None:
        unique = (checks.unique_across_partitions,)
        load(sink, "north", ORIGIN, self.given(sink, rows(3)), checks=unique)
        load(sink, "north", ORIGIN, self.given(sink, rows(3)), checks=unique)
        load(sink, "south", ORIGIN, self.given(sink, rows(3, start=3)), checks=unique)
        north = sink.head("north").version
        with pytest.raises(CheckFailed, match=rf"{north} has .*id = 2 too, so readers would see that key twice"):
            load(sink, "west", ORIGIN, self.given(sink, rows(1, start=2)), checks=unique)
        assert sink.head("west").version is None
        load(sink, "west", ORIGIN, self.given(sink, rows(3, start=2)))

    def test_a_load_for_an_older_period_may_be_superseded_and_is_complete_and_not_shown(self, sink: Sink) -> None:
        newer, older = (replace(ORIGIN, update_id=day, period=day) for day in ("2026-01-02", "2026-01-01"))
        load(sink, WHOLE, newer, self.given(sink, rows(5)))
        head = sink.head(WHOLE)
        with pytest.raises(Conflict, match="a backfill does not replace it"):
            load(sink, WHOLE, older, self.given(sink, rows(3)))
        told = self.told(lambda: load(sink, WHOLE, older, self.given(sink, rows(3)), older="superseded"))
        assert [(e.action, e.outcome) for e in told][1:] == [("load", "success"), ("load", "superseded")]
        assert sink.head(WHOLE) == head
        (record,) = sink.records(update_ids={older.update_id})
        assert (record.state, record.answers(older), record.rows) == (State.SUPERSEDED, True, 3)
        assert len(list(versions.read(sink, record.version))) == 3
        with pytest.raises(Conflict, match="is superseded; it was never published"):
            versions.roll_back(sink, record.version)

    def test_listeners_are_told_of_what_is_done_by_hand_and_of_what_fails(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        (begun, success) = self.told(lambda: versions.roll_back(sink, first))
        assert (begun.action, begun.outcome, begun.version, begun.replaced) == ("rollback", "begun", first, second)
        assert (success.outcome, success.origin, success.rows, success.epoch) == ("success", ORIGIN, 3, 3)
        (begun, failure) = self.told(lambda: refused(lambda: versions.prune(sink, first, min_age=timedelta(0))))
        assert (begun.action, begun.outcome, failure.outcome) == ("prune", "begun", "failure")
        assert isinstance(failure.error, Conflict)

    def test_listeners_are_told_of_what_is_read(self, sink: Sink) -> None:
        version = self.load(sink, rows(3))
        begun, success = self.told(lambda: list(versions.read(sink, version)))
        assert (begun.action, begun.outcome, begun.version, begun.origin) == ("read", "begun", version, ORIGIN)
        assert (success.outcome, success.version, success.rows) == ("success", version, 3)
        _, stopped = self.told(lambda: next(versions.read(sink, version)))
        assert (stopped.outcome, stopped.rows) == ("stopped", 1)

    def test_a_reader_is_told_at_the_end_that_rows_are_missing(self, sink: Sink) -> None:
        version = self.load(sink, rows(3))
        with pytest.raises(Conflict, match="only 2 of 3 rows came, as it was dropped meanwhile"):
            list(versions.read(LosesARow(sink), version))

    # Stages

    def test_a_part_that_is_written_twice_counts_once(self, sink: Sink) -> None:
        with self.staged(sink, []) as stage:
            part = self.part(sink, 0, rows(4))
            stage.write(part)
            stage.write(part)
            self.attach(sink, stage).write(part)
            assert stage.seal().rows == 4

    def test_a_part_that_comes_again_with_other_rows_is_refused(self, sink: Sink) -> None:
        with self.staged(sink, []) as stage:
            stage.write(self.part(sink, 0, rows(4)))
            for others in (rows(3), rows(4, start=50), list(reversed(rows(4)))):
                with pytest.raises(Conflict, match=r"part 0 was written before with 4 (other )?rows"):
                    self.attach(sink, stage).write(self.part(sink, 0, others))
            assert stage.seal().rows == 4

    def test_parts_may_be_written_at_once_and_in_any_order(self, sink: Sink) -> None:
        with self.staged(sink, []) as stage:
            parts = [self.part(sink, n, rows(500, start=500 * n)) for n in range(8)]
            run_together([lambda part=part: stage.write(part) for part in reversed(parts)])
            assert stage.seal().rows == 4_000

    def test_parts_that_others_write_are_published_once_the_block_says_how_many_rows_they_are(self, sink: Sink) -> None:
        with staging(Load(sink, WHOLE, ORIGIN)) as staged:
            self.attach(sink, staged.stage).write(self.part(sink, 1 << 16, rows(2)))
            staged.stage.write(self.part(sink, 0, rows(2, start=50)))
            staged.seal(Written(rows=4, bytes=80, seconds=(0.1, 0.2)))
        head = sink.head(WHOLE)
        assert self.read(sink, _known(head.version)) == [*rows(2), *rows(2, start=50)]
        with pytest.raises(CheckFailed, match="4 rows"):
            self.stage_others(sink, Written(rows=5))
        with pytest.raises(Conflict, match=r"the block ended without staged\.seal\(Written"):
            self.stage_others(sink, None)
        assert sink.head(WHOLE) == head
        assert not any(record.is_unfinished for record in sink.unfinished(WHOLE))

    def test_a_sealed_version_takes_no_more_rows(self, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage:
            self.approved(sink, stage)
            with pytest.raises(Conflict, match=f"{stage.version} is validated; it takes no more rows"):
                stage.write(self.part(sink, 7, rows(1, start=50)))
            assert self.attach(sink, stage).seal().rows == 2

    def test_an_abandoned_version_has_failed_and_cannot_be_published(self, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage:
            version = self.approved(sink, stage)
            versions.abandon(sink, version)
            with pytest.raises(Conflict, match=f"{version} is failed; it cannot be published"):
                sink.publish(version, replacing=sink.head(WHOLE))
        assert [r.state for r in sink.records()] == [State.FAILED]

    def test_what_another_process_abandoned_takes_no_rows_and_cannot_be_sealed(self, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage:
            self.make_sink(sink.dataset).change(stage.version, rules.abandon)
            with pytest.raises(Conflict, match=f"{stage.version} is abandoned; it takes no more rows"):
                stage.write(self.part(sink, 7, rows(1, start=50)))
            with pytest.raises(Conflict, match=f"{stage.version} is abandoned; it cannot be sealed"):
                stage.seal()
            versions.abandon(self.make_sink(sink.dataset), stage.version)
            with pytest.raises(Conflict, match=f"{stage.version} is (failed|abandoned); it takes no more rows"):
                stage.write(self.part(sink, 8, rows(1, start=60)))
            with pytest.raises(Conflict, match=f"{stage.version} is (failed|abandoned); it cannot be sealed"):
                stage.seal()
        assert sink.head(WHOLE) == Head()

    def test_partitions_of_another_kind_are_refused(self, sink: Sink) -> None:
        self.load(sink, rows(3), "201301")
        with pytest.raises(BadSetting, match="would show readers the same rows twice"):
            self.load(sink, rows(3))
        daily, monthly = replace(ORIGIN, partition_by=("day",)), replace(ORIGIN, partition_by=("month",))
        load(sink, "201302", monthly, self.given(sink, rows(2, start=100)))
        with pytest.raises(BadSetting, match="would show readers the same rows twice"):
            load(sink, "20130201", daily, self.given(sink, rows(2, start=100)))
        assert sink.head(WHOLE) == sink.head("20130201") == Head()

    @pytest.mark.parametrize("schemes", [(((), WHOLE), (("month",), "{}")), ((("day",), "d{}"), (("month",), "m{}"))])
    def test_of_first_loads_at_once_only_those_of_one_kind_of_partitions_are_published(
        self, sink: Sink, schemes: Sequence[tuple[tuple[str, ...], str]]
    ) -> None:
        ready = Together(8)

        def act(number: int) -> str:
            by, partition = schemes[number % 2]
            origin = replace(ORIGIN, update_id=f"Load_{number}", partition_by=by)
            try:
                with loading(self.make_sink(sink.dataset), partition.format(number), origin, checks=[ready]) as writer:
                    self.write_all(sink, writer, rows(2, start=10 * number))
            except (BadSetting, Conflict) as refusal:
                ready.leave()
                return type(refusal).__name__
            return "published"

        with ThreadPoolExecutor(8) as pool:
            ended = list(pool.map(act, range(8)))
        seen = {head.record.origin.partition_by for head in sink.heads().values() if head.record}
        assert len(seen) == 1, ended
        assert ended.count("published") == len(sink.heads())
        lost = next(kind for kind in schemes if kind[0] not in seen)
        with pytest.raises(BadSetting, match="would show readers the same rows twice"):
            load(sink, lost[1].format(9), replace(ORIGIN, partition_by=lost[0]), self.given(sink, rows(2)))

    def test_partitions_without_names_let_the_next_ones_name_what_they_are_by(self, sink: Sink) -> None:
        self.load(sink, rows(2), "a")
        for number, name in enumerate(("day", "day")):
            by = replace(ORIGIN, partition_by=(name,))
            load(sink, f"b{number}", by, self.given(sink, rows(2, start=10 * number)))
        for _ in range(2):  # the example follows its head
            self.load(sink, rows(3), "b0")
        with pytest.raises(BadSetting, match=r"was loaded with partition_by = \('day',\)"):
            load(sink, "c", replace(ORIGIN, partition_by=("month",)), self.given(sink, rows(2)))

    def test_a_version_that_was_staged_before_another_kind_was_published_is_refused_by_publishing(
        self, sink: Sink
    ) -> None:
        stage = _begin(sink)
        version = self.approved(sink, stage)
        head = sink.head(WHOLE)
        if self.refuses_another_kind_of_partitions_at_once:
            return
        self.load(sink, rows(2), "a")
        with pytest.raises(BadSetting, match="would show readers the same rows twice"):
            sink.publish(version, replacing=head)
        assert list(sink.heads()) == ["a"]
        versions.abandon(sink, version)

    def test_abandoning_never_touches_a_published_version(self, sink: Sink) -> None:
        version = self.load(sink, rows(2))
        versions.abandon(sink, version)
        assert self.head_record(sink).state is State.PUBLISHED
        assert self.read(sink, version) == rows(2)

    def test_abandoning_twice_is_as_good_as_once(self, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage:
            versions.abandon(sink, stage.version)
            failed = sink.record(stage.version)
            versions.abandon(sink, stage.version)
            assert sink.record(stage.version) == failed

    # Loads

    def test_rows_that_fail_half_way_leave_the_old_version_and_the_rerun_works(self, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        with pytest.raises(ZeroDivisionError):
            self.load(sink, failing_after(5_000))
        assert sink.head(WHOLE).version == first
        assert self.read(sink, first) == rows(3)
        second = self.load(sink, rows(5_001))
        assert self.head_record(sink).rows == 5_001
        assert [r.state for r in sink.records()] == [State.RETIRED, State.FAILED, State.PUBLISHED]
        assert self.read(sink, second) == rows(5_001)

    def test_a_live_load_of_the_same_partition_is_a_conflict_and_stays_whole(self, sink: Sink) -> None:
        with loading(sink, WHOLE, ORIGIN) as writer:
            self.write_all(sink, writer, rows(3))
            with pytest.raises(Conflict, match="is being loaded by pid"):
                self.load(self.make_sink(sink.dataset), rows(9))
        assert self.read(sink, _known(sink.head(WHOLE).version)) == rows(3)

    def test_what_a_dead_process_left_is_taken_over_at_once(self, sink: Sink) -> None:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        with held("of a process that is gone") as mine:
            sink.begin(staged(sink, replace(mine, pid=dead.pid)))
        self.load(sink, rows(3))
        assert [r.state for r in sink.records()] == [State.FAILED, State.PUBLISHED]

    def test_a_load_of_a_process_that_cannot_be_seen_is_a_conflict_that_says_when_it_ends_and_how_to_take_over(
        self, sink: Sink
    ) -> None:
        with held("of a process elsewhere") as mine:
            elsewhere = replace(mine, host="elsewhere")
        stage = sink.begin(staged(sink, elsewhere))
        since, until = sink.record(stage.version).staged_at, elsewhere.until
        with pytest.raises(Conflict) as refused:
            self.load(sink, rows(3))
        assert str(refused.value).startswith(
            f"{stage.version} is being loaded by pid {elsewhere.pid} on elsewhere, since {since:%Y-%m-%d %H:%M:%S} "
            f"UTC; this load wrote nothing. Its claim ends at {until:%H:%M:%S} UTC unless it is renewed"
        )
        versions.abandon(sink, stage.version)
        self.load(sink, rows(3))
        for act in (lambda: stage.write(self.part(sink, 0, rows(2))), stage.seal):
            with pytest.raises(Conflict, match=f"{stage.version} is (failed|abandoned); it"):
                act()

    def test_a_load_that_is_taken_over_ends_in_a_conflict_and_the_next_one_is_whole(self, sink: Sink) -> None:
        def taken_over() -> Iterator[Any]:
            yield from self.given(sink, rows(3))
            (mine,) = sink.unfinished(WHOLE)
            versions.abandon(self.make_sink(sink.dataset), mine.version)

        with pytest.raises(Conflict, match=r"it (takes no more rows|cannot be sealed)"):
            load(sink, WHOLE, ORIGIN, taken_over())
        self.load(sink, rows(4))
        assert self.head_record(sink).rows == 4
        assert next(r.state for r in sink.records()) in {State.FAILED, State.ABANDONED}

    def test_a_load_that_stopped_delays_others_for_its_lease_only_and_never_other_partitions(self, sink: Sink) -> None:
        with held("of a process elsewhere", lease=-1) as mine:
            ended = replace(mine, host="elsewhere")
        for partition, claim in (("a", ended), ("b", ended.renewed(600))):
            sink.begin(replace(staged(sink, claim), version=new_version(sink.dataset, partition)))
        self.load(sink, rows(3), "a")
        self.load(sink, rows(3, start=10), "c")
        with pytest.raises(Conflict, match="is being loaded by"):
            self.load(sink, rows(3), "b")

    def test_a_later_try_takes_over_what_an_earlier_one_of_its_output_left_on_another_host(self, sink: Sink) -> None:
        with held("of a process elsewhere", lease=600) as mine:
            elsewhere = replace(mine, host="elsewhere")
        left = sink.begin(staged(sink, elsewhere))
        left.write(self.part(sink, 0, rows(2)))
        another = replace(ORIGIN, update_id="Load_2")
        with pytest.raises(Conflict, match="is being loaded by"):
            load(sink, WHOLE, another, self.given(sink, rows(3)), takes_over=True)
        load(sink, WHOLE, ORIGIN, self.given(sink, rows(3)), takes_over=True)
        assert self.read(sink, _known(sink.head(WHOLE).version)) == rows(3)
        for act in (lambda: left.write(self.part(sink, 1, rows(2, start=50))), left.seal):
            with pytest.raises(Conflict, match=r"is (abandoned|failed)"):
                act()

    def test_a_try_that_is_alive_on_this_host_is_not_taken_over(self, sink: Sink) -> None:
        with loading(sink, WHOLE, ORIGIN) as writer:
            self.write_all(sink, writer, rows(2))
            with pytest.raises(Conflict, match="is being loaded by"):
                load(sink, WHOLE, ORIGIN, self.given(sink, rows(3)), takes_over=True)
        assert self.read(sink, _known(sink.head(WHOLE).version)) == rows(2)

    def test_history_is_found_for_more_outputs_than_a_server_takes_values(self, sink: Sink) -> None:
        self.load(sink, rows(3))
        asked = {f"Load_{number}" for number in range(5_000)}
        assert [record.origin.update_id for record in sink.records(update_ids=asked)] == ["Load_1"]

    def test_only_unfinished_loads_are_asked_for(self, sink: Sink) -> None:
        self.load(sink, rows(3))
        open_ = [transitions.begin(sink), transitions.validated(sink)]
        transitions.failed(sink)
        assert [record.version for record in sink.unfinished(WHOLE) if record.is_unfinished] == open_
        assert list(sink.unfinished("a")) == []

    def test_another_family_may_not_replace_a_partition_unless_declared(self, sink: Sink) -> None:
        first = self.load(sink, rows(3))
        other = replace(ORIGIN, family="Other", update_id="Other_1")
        with pytest.raises(Conflict, match="shared_with"):
            load(sink, WHOLE, other, self.given(sink, rows(4)))
        assert sink.head(WHOLE).version == first
        load(sink, WHOLE, other, self.given(sink, rows(4)), shared_with=("Load",))
        assert self.head_record(sink).origin == other

    def test_records_are_found_by_what_they_were_loaded_for(self, sink: Sink) -> None:
        self.load(sink, rows(3), "a")
        load(sink, "b", replace(ORIGIN, update_id="Load_2"), self.given(sink, rows(2)))
        assert [r.version.partition for r in sink.records(update_ids={"Load_2", "Load_3"})] == ["b"]
        assert list(sink.records(update_ids=set())) == []

    # What dead processes left

    @pytest.mark.parametrize("ended", [(rules.abandon,), (rules.abandon, rules.fail), (rules.abandon, rules.leave)])
    def test_a_sweep_deletes_what_is_left_of_a_load_that_failed(self, sink: Sink, ended: Sequence[Transition]) -> None:
        head = self.load(sink, rows(5))
        version = self.left(sink, *ended)
        assert self.sweep(sink) == [version]
        assert sink.count(version) == 0
        assert {r.version: r.state for r in sink.records()} == {head: State.PUBLISHED, version: State.FAILED}
        assert self.sweep(sink) == []
        assert self.read(sink, head) == rows(5)

    @pytest.mark.parametrize("ended", [(removal.begin_drop,), (removal.begin_drop, removal.end_drop)])
    def test_a_sweep_ends_a_prune_that_was_interrupted(self, sink: Sink, ended: Sequence[Transition]) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        for become in ended:
            sink.change(first, become)
        assert self.sweep(sink) == [first]
        assert sink.count(first) == 0
        assert {r.version: r.state for r in sink.records()} == {first: State.DROPPED, second: State.PUBLISHED}
        assert self.sweep(sink) == []

    def test_a_sweep_ends_what_was_interrupted_after_its_last_row_was_deleted(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(5))
        sink.change(first, removal.begin_drop)
        self.delete_rows(sink, first)
        self.sweep(sink)
        assert sink.record(first).state is State.DROPPED

    def test_a_sweep_never_touches_what_is_loaded_or_can_be_read_or_published(self, sink: Sink) -> None:
        published = [self.load(sink, rows(count)) for count in (3, 5)]
        with self.staged(sink, rows(1)) as staged, self.staged(sink, rows(2)) as ready:
            self.approved(sink, ready)
            before = list(sink.records())
            assert self.sweep(sink) == []
            assert list(sink.records()) == before
            assert [sink.count(version) for version in (*published, ready.version)] == [3, 5, 2]
            staged.write(self.part(sink, 1, rows(2, start=50)))
            assert staged.seal().rows == 3

    def test_a_load_sweeps_its_own_one_of_several_partitions(self, sink: Sink) -> None:
        mine, other = (self.left(sink, rules.abandon, rules.fail, partition=partition) for partition in ("a", "b"))
        if self.sweeps_when_it_loads:
            self.load(sink, rows(4), "a")
            assert list(sink.remains()) == [other]
            assert sink.count(mine) == 0
        assert other in self.sweep(sink)

    def test_a_sweep_by_a_login_that_may_not_delete_leaves_all_to_a_pruner(self, sink: Sink) -> None:
        version = self.left(sink, rules.abandon, rules.leave)
        assert versions.sweep(MayNotDelete(sink)) == []
        assert sink.record(version).is_left
        assert self.sweep(sink) == [version]

    def test_what_goes_on_after_its_version_was_swept_writes_nothing_that_stays(self, sink: Sink) -> None:
        late = _begin(sink)
        late.write(self.part(sink, 0, rows(2)))
        sink.change(late.version, rules.abandon)
        self.sweep(sink)
        for act in (lambda: late.write(self.part(sink, 1, rows(2, start=50))), late.seal):
            with pytest.raises(Conflict, match=f"{late.version} is failed; it"):
                act()
        self.sweep(sink)
        assert sink.count(late.version) == 0
        assert sink.remains() == []

    def test_a_sweep_that_fails_after_the_publication_does_not_fail_the_load(
        self, sink: Sink, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.load(cast("Sink", CannotBeSwept(sink)), rows(3))
        assert self.head_record(sink).rows == 3
        assert "not swept after the publication: no answer" in caplog.text

    def test_listeners_are_told_of_a_sweep(self, sink: Sink) -> None:
        version = self.left(sink, rules.abandon)
        told = self.told(lambda: self.sweep(sink))
        assert [(e.action, e.outcome, e.version) for e in told] == [
            (Action.SWEEP, Outcome.BEGUN, version),
            (Action.SWEEP, Outcome.SUCCESS, version),
        ]

    # Bad rows

    def test_no_rows_at_all_are_refused(self, sink: Sink) -> None:
        with pytest.raises(CheckFailed, match="no rows"):
            self.load(sink, [])
        assert sink.head(WHOLE) == Head()

    def test_an_empty_version_is_published_if_that_is_right(self, sink: Sink) -> None:
        self.load(sink, rows(3))
        load(sink, WHOLE, ORIGIN, [], checks=())
        record = self.head_record(sink)
        assert record.rows == 0
        assert self.read(sink, record.version) == []

    def test_a_string_for_an_integer_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "id", id="abc")

    def test_an_integer_beyond_the_field_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "id", id=self.too_large)

    def test_an_integer_beyond_all_bounds_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "id", id=2**70)

    def test_text_that_is_too_long_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "name", name=self.too_long)

    def test_none_in_a_required_field_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "name", name=None)

    def test_none_in_the_key_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "id", id=None)

    def test_a_missing_key_is_refused(self, sink: Sink) -> None:
        self.refuses_row(sink, "id", {"name": "x", "amount": None})

    def test_an_unknown_field_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "nmae", nmae="x")

    def test_nan_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "amount", amount=math.nan)

    def test_infinity_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "amount", amount=-math.inf)

    def test_a_whole_number_that_a_float_cannot_hold_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "amount", amount=2**53 + 1)

    def test_a_decimal_that_a_float_cannot_hold_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "amount", amount=Decimal("0.1"))

    def test_whole_numbers_that_a_float_holds_are_read_as_written(self, sink: Sink) -> None:
        given = [{"id": i, "name": "", "amount": amount} for i, amount in enumerate((2**53, -(2**53), 0, -7))]
        assert self.read(sink, self.load(sink, given)) == given

    def test_a_lone_surrogate_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "name", name="a\ud800")

    def test_nul_in_text_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "name", name="a\0b")

    def test_a_key_that_comes_twice_is_refused(self, sink: Sink) -> None:
        self.refuses(sink, "id", id=7)

    def test_the_error_of_a_repeated_key_names_the_row_that_had_it_first(self, sink: Sink) -> None:
        with pytest.raises(BadRow, match="row 21, field 'id': repeats the key 7 of row 8;"):
            self.load(sink, [*rows(20), {"id": 7, "name": "again", "amount": None}])

    def test_a_key_that_an_earlier_part_holds_is_refused(self, sink: Sink) -> None:
        first = self.load(sink, rows(1))
        with pytest.raises(BadRow) as caught:
            self.load(sink, [*rows(20_000), {"id": 7, "name": "again", "amount": None}])
        assert (caught.value.dataset, caught.value.field) == (sink.dataset, "id")
        assert caught.value.row in {8, 20_001}  # parts are written at once: the later one is refused
        assert sink.head(WHOLE).version == first

    def test_a_row_that_is_none_is_refused(self, sink: Sink) -> None:
        with pytest.raises(BadRow):
            load(sink, WHOLE, ORIGIN, [None])

    # Helpers

    def load(self, sink: Sink, given: Any, partition: str = WHOLE) -> Version:
        """Load rows, and return the version."""
        load(sink, partition, ORIGIN, self.given(sink, given))
        return _known(sink.head(partition).version)

    def stage_others(self, sink: Sink, written: Written | None) -> None:
        """Write a part of four rows, and seal the version with what was written, if that is said."""
        with staging(Load(sink, WHOLE, ORIGIN)) as staged:
            staged.stage.write(self.part(sink, 0, rows(4)))
            if written:
                staged.seal(written)

    def given(self, sink: Sink, some_rows: Any) -> Iterator[Any]:
        """Return plain rows in the form in which users of the sink give them."""
        return (sink.contract.join(self.kind, row) for row in some_rows)

    def catalog(self, sink: Sink) -> Catalog:
        """Open the catalog of the dataset, from the store's settings and the name of the dataset only."""
        raise NotImplementedError

    def datasets(self, sink: Sink) -> Collection[str]:
        """Return the datasets of the store that the sink loads into."""
        raise NotImplementedError

    def shown(self, sink: Sink) -> int:
        """Count the rows that readers see; override it to count them as readers do."""
        return sum(len(self.read(sink, head.version)) for head in sink.heads().values() if head.version)

    def another(self, sink: Sink) -> Sink:
        """Return the sink of a second dataset without loads, beside the first."""
        return self.make_sink(f"{sink.dataset}_2")

    def beside(self, sink: Sink) -> str:
        """Return a name that a version may be exposed as."""
        return f"{sink.dataset}_before"

    def shown_as(self, sink: Sink, version: Version, name: str) -> int:
        """Count the rows that readers see under a name beside the head; override it to count them as readers do."""
        return sink.count(version) if self.exposer(sink).shows(version, name) else -1

    def exposer(self, catalog: Catalog) -> Catalog:
        """Return the same catalog for a login that may expose versions."""
        return catalog

    def expose(self, catalog: Catalog, version: Version, name: str) -> Record:
        """Show a version beside the head, with a login that has permission."""
        return exposing.expose(self.exposer(catalog), version, name)

    def hide(self, catalog: Catalog, version: Version, name: str) -> Record:
        """Remove a name beside the head, with a login that has permission."""
        return exposing.hide(self.exposer(catalog), version, name)

    def drop(self, catalog: Catalog) -> None:
        """Delete the dataset, with a login that has permission."""
        dropping.drop_dataset(self.pruner(catalog), really=catalog.dataset)

    def told(self, act: Callable[[], object]) -> list[Event]:
        """Return the events of a call."""
        events: list[Event] = []
        listener = listen(lambda event: events.append(event))  # noqa: PLW0108 - a listener is known by identity
        try:
            act()
        finally:
            stop_listening(listener)
        return events

    def delete_rows(self, catalog: Catalog, version: Version) -> None:
        """Delete the rows of a version and leave its record alone, as a login that may."""
        self.pruner(catalog).delete_rows(version)

    def forge(self, sink: Sink, version: Version, **changes: Any) -> None:
        """Write into a record what no rule allows; override it if the store refuses that."""
        sink.change(version, lambda record, _: replace(record, **changes))

    def pruner(self, catalog: Catalog) -> Catalog:
        """Return the same catalog for a login that may delete."""
        return catalog

    def prune(self, catalog: Catalog, version: Version) -> None:
        """Delete the rows of a version, with a login that has permission."""
        versions.prune(self.pruner(catalog), version, min_age=timedelta(0))

    refuses_another_kind_of_partitions_at_once: ClassVar[bool] = False
    """Whether even a staged version fixes how the dataset is divided."""

    sweeps_when_it_loads: ClassVar[bool] = True
    """Whether the login that loads may delete; without the right, a pruner sweeps."""

    def sweep(self, catalog: Catalog) -> list[Version]:
        """Delete what is left of dead versions, with a login that has permission."""
        return versions.sweep(self.pruner(catalog))

    def left(self, sink: Sink, *ended: Transition, partition: str = WHOLE) -> Version:
        """Write rows, and end the version by these rules only, as a crash does."""
        with held("of the tests") as claim:
            stage = sink.begin(replace(staged(sink, claim), version=new_version(sink.dataset, partition)))
        stage.write(self.part(sink, 0, rows(2)))
        for become in ended:
            sink.change(stage.version, become)
        return stage.version

    def read(self, sink: Sink, version: Version, *, catalog: Catalog | None = None) -> list[Any]:
        """Return the rows of a version, sorted by key."""
        split = (sink.contract.split(row) for row in (catalog or sink).read(version))
        return sorted((dict(row) for kind, row in split if kind == self.kind), key=_by_id)

    def write_all(self, sink: Sink, writer: Any, some_rows: Any) -> None:
        """Write rows to a load."""
        for row in self.given(sink, some_rows):
            writer.write(row)

    def part(self, sink: Sink, number: int, some_rows: Any) -> Part:
        """Return a part as a load creates it."""
        return Part(number, self.kind, 1, *sink.contract.accept(self.kind, some_rows, 1))

    @contextmanager
    def staged(self, sink: Sink, some_rows: Any) -> Iterator[Stage]:
        """Open a stage without a load, write some rows, and abandon it at the end."""
        stage = _begin(sink)
        if some_rows:
            stage.write(self.part(sink, 0, some_rows))
        yield stage
        versions.abandon(sink, stage.version)

    def publish(self, sink: Sink, some_rows: Any) -> Version:
        """Stage and publish without a load, and without checking for other loads."""
        head = sink.head(WHOLE)
        stage = _begin(sink)
        stage.write(self.part(sink, 0, some_rows))
        sink.publish(self.approved(sink, stage), replacing=head)
        return stage.version

    def attach(self, sink: Sink, stage: Stage) -> Stage:
        """Open the same stage from another client."""
        return self.make_sink(sink.dataset).attach(stage.version)

    def approved(self, sink: Sink, stage: Stage) -> Version:
        """Seal and approve a version, and return it."""
        stage.seal()
        sink.change(stage.version, rules.approve)
        return stage.version

    def head_record(self, sink: Sink) -> Record:
        """Return the record of the head."""
        record = sink.head(WHOLE).record
        assert record is not None
        return record

    def race(self, sink: Sink, publishers: int) -> None:
        """Publish several approved versions at the same time, and assert that exactly one wins."""
        before = sink.head(WHOLE)
        outcomes: list[Version | None] = []
        stages = [_begin(sink) for _ in range(publishers)]
        for number, stage in enumerate(stages):
            stage.write(self.part(sink, 0, rows(number + 1)))
            self.approved(sink, stage)

        def publish(version: Version) -> None:
            try:
                self.make_sink(sink.dataset).publish(version, replacing=before)
                outcomes.append(version)
            except Conflict:
                outcomes.append(None)

        run_together([lambda stage=stage: publish(stage.version) for stage in stages])
        winners = [version for version in outcomes if version is not None]
        assert len(outcomes) == publishers
        assert winners == [sink.head(WHOLE).version]
        assert sink.head(WHOLE).epoch == before.epoch + 1

    def refuses(self, sink: Sink, field: str, **changes: Any) -> None:
        """Assert that a load of 20 good rows and one changed row is refused at this field."""
        self.refuses_row(sink, field, {"id": 1_000, "name": "new", "amount": None, **changes})

    def refuses_row(self, sink: Sink, field: str, row: dict[str, Any]) -> None:
        """Assert that a load with a bad row is refused, keeps the previous version, and can be rerun."""
        first = self.load(sink, rows(3))
        self.refused(sink, [*rows(20), row], 21, field)
        assert sink.head(WHOLE).version == first
        assert self.read(sink, first) == rows(3)
        self.load(sink, rows(4))
        assert self.head_record(sink).rows == 4

    def refused(self, sink: Sink, some_rows: list[dict[str, Any]], row: int, field: str) -> None:
        """Assert that a load raises a BadRow with this dataset, row and field."""
        with pytest.raises(BadRow) as caught:
            self.load(sink, some_rows)
        assert (caught.value.dataset, caught.value.row, caught.value.field) == (sink.dataset, row, field)


class Together:
    """A check that waits until each of several loads is here or has left."""

    __name__ = "together"

    def __init__(self, count: int) -> None:
        self._waiting = count
        self._changed = threading.Condition()

    def __call__(self, version: Version, counts: StagedCounts) -> None:
        """Wait for the others."""
        del version, counts
        self.leave()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting <= 0, timeout=60)

    def leave(self) -> None:
        """Be waited for no more."""
        with self._changed:
            self._waiting -= 1
            self._changed.notify_all()


class _Number(int):
    __slots__ = ()


class _Text(str):
    __slots__ = ()


class _Real(float):
    __slots__ = ()


class MayNotDelete:
    """A catalog whose login may not delete rows."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)

    def delete_rows(self, version: Version) -> None:
        """Refuse."""
        raise Forbidden(f"{version}: no right to delete")


class CannotBeSwept(MayNotDelete):
    """A sink whose store goes away after a publication."""

    def remains(self, partition: str | None = None) -> Collection[Version]:
        """Raise Unavailable."""
        del partition
        raise Unavailable("no answer")


class LosesARow(MayNotDelete):
    """A catalog that reads one row too few, as while a version is dropped."""

    def read(self, version: Version) -> Iterator[Any]:
        """Yield all rows but one."""
        found = self._catalog.read(version)
        next(found)
        return found


def failing_after(count: int) -> Iterator[dict[str, Any]]:
    """Yield some rows, then raise an error."""
    yield from rows(count)
    raise ZeroDivisionError("the source broke")


def refused(act: Callable[[], object]) -> None:
    """Assert that a call raises Conflict."""
    with pytest.raises(Conflict):
        act()


def run_together(calls: list[Any]) -> None:
    """Run the calls in parallel, and raise the first error."""
    barrier, errors = threading.Barrier(len(calls)), []

    def run(call: Any) -> None:
        barrier.wait()
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - a thread's error is the test's error
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def staged(sink: Sink, claim: Claim) -> Record:
    """Return the record of a new version, as a load creates it."""
    return rules.staged(new_version(sink.dataset, WHOLE), ORIGIN, claim, schema=sink.declared)


def _begin(sink: Sink) -> Stage:
    with held("of the tests") as claim:
        return sink.begin(staged(sink, claim))


def _known(version: Version | None) -> Version:
    assert version is not None
    return version


def _by_id(row: dict[str, Any]) -> Any:
    return row["id"]
