"""Does to a dataset what users and crashes do, in any order, and compares it with a model after each step."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from luigi_sinks import pruning, removal, stores, versions, withdrawal
from luigi_sinks import record as rules
from luigi_sinks.adoption import adopt
from luigi_sinks.claim import held
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.events import Action, Event
from luigi_sinks.existing import Existing
from luigi_sinks.load import load, loading
from luigi_sinks.record import Withdrawal
from luigi_sinks.retention import Retention
from luigi_sinks.sink import Part, Sink, Stage
from luigi_sinks.testing.suite import run_together
from luigi_sinks.testing.transitions import ORIGIN
from luigi_sinks.testing.whole_suite import rows
from luigi_sinks.verification import verify
from luigi_sinks.version import State, Version, new_version
from luigi_sinks.writer import Writer
from tests.items import Items
from tests.version_model import ENDING, UNFINISHED, Known, Partition

NOW = timedelta(0)
COLUMNS = ("weight", "height")
VALUES = {
    "whole": lambda number: number,
    "optional": lambda number: number if number % 2 else None,
    "long": lambda number: number + 2**40,
}
"""The values of a column, by its type."""

partitions = st.sampled_from(["a", "b"])
counts = st.integers(1, 4)
which = st.integers(0, 30)
labels = st.sampled_from(["", "corrected"])
declarations = st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, st.sampled_from([*VALUES])))
any_version = precondition(lambda machine: machine.all)
published = precondition(lambda machine: machine.was_published)
no_load_is_lost = precondition(
    lambda machine: machine.was_published or not any(known.state in UNFINISHED for known in machine.all)
)
"""Until something is published, MariaDB makes a table again for other columns, and loads of all partitions fail."""


class VersionMachine(RuleBasedStateMachine):
    """`columns` are those that `sink` declares beside the first ones, by their types."""

    def __init__(self, items: Items) -> None:
        super().__init__()
        self.items, self.kind = items, items.kind
        self.sink = items.open(f"machine_{secrets.token_hex(4)}")
        self.model: dict[str, Partition] = defaultdict(Partition)
        self.columns: dict[str, str] = {}
        self.start = 0

    # Columns

    @no_load_is_lost
    @rule(columns=declarations)
    def declare(self, columns):
        """Declare other columns, in place of those so far: from the next load on they come, go and change."""
        allowed = [f"{self.kind}.{name}" if self.kind else name for name in COLUMNS]
        self.columns = {name: kind for name, kind in columns.items() if kind in self.items.types}
        self.sink = self.items.with_columns(self.sink, *allowed, **self.columns)

    @no_load_is_lost
    @rule(partition=partitions, count=counts, columns=declarations)
    def load_with_other_columns(self, partition, count, columns):
        self.declare(columns)
        self.load(partition, count, "")

    # Loads

    @rule(partition=partitions, count=counts, label=labels)
    def load(self, partition, count, label):
        given, events = self.rows(count), list[Event]()
        self.load_rows(partition, given, events, label)
        self.model[partition].load(Known(events[0].version, given, State.VALIDATED, label))

    @rule(partition=partitions, count=counts, label=labels)
    def load_unless_complete(self, partition, count, label):
        given, events = self.rows(count), list[Event]()
        if self.model[partition].completes(label):
            with pytest.raises(Conflict, match="completes Load_1 already"):
                self.load_rows(partition, given, events, label, again=False)
        else:
            self.load_rows(partition, given, events, label, again=False)
            self.model[partition].load(Known(events[0].version, given, State.VALIDATED, label))

    @rule(partition=partitions, count=counts)
    def load_that_fails(self, partition, count):
        given, events = self.rows(count), list[Event]()
        with pytest.raises(ZeroDivisionError):
            load(self.sink, partition, ORIGIN, _failing(self.joined(given)), listeners=(events.append,))
        self.model[partition].clear()
        self.model[partition].begin(Known(events[0].version, given, State.FAILED))

    @rule(partition=partitions, count=counts, steps=st.integers(0, 3))
    def load_that_is_killed(self, partition, count, steps):
        """Write rows, seal, approve: a crash comes after some of these, and its process is gone."""
        given, version = self.rows(count), new_version(self.sink.dataset, partition)
        stage = self.begin(self.sink, version)
        todo = (
            partial(stage.write, Part(0, self.kind, 1, *self.sink.contract.accept(self.kind, given, 1))),
            stage.seal,
            partial(self.sink.change, version, rules.approve),
        )
        for step in todo[:steps]:
            step()
        state = (State.STAGED, State.STAGED, State.SEALED, State.VALIDATED)[steps]
        self.model[partition].begin(Known(version, given, state))

    @any_version
    @rule(which=which, count=counts)
    def load_while_the_head_moves(self, which, count):
        partition, part, older = self.pick(which)
        given, events = self.rows(count), list[Event]()
        moves = older.may_be_shown
        with (
            pytest.raises(Conflict, match="the head moved on") if moves else nullcontext(),
            loading(self.sink, partition, ORIGIN, listeners=(events.append,)) as writer,
        ):
            self.write(writer, given)
            if moves:
                versions.roll_back(self.sink, older.version)
        part.clear()
        if moves:
            part.roll_back(older)
            part.begin(Known(events[0].version, given, State.FAILED))
        else:
            part.load(Known(events[0].version, given, State.VALIDATED))

    @rule(partition=partitions, count=counts)
    def load_while_another_one_runs(self, partition, count):
        given, events = self.rows(count), list[Event]()
        with loading(self.sink, partition, ORIGIN, listeners=(events.append,)) as writer:
            self.write(writer, given)
            with pytest.raises(Conflict, match="is being loaded by pid"):
                self.load_rows(partition, self.rows(1), [])
        self.model[partition].load(Known(events[0].version, given, State.VALIDATED))

    @published
    @rule(count=counts, columns=declarations)
    def load_while_another_one_changes_columns(self, count, columns):
        given, events = self.rows(count), list[Event]()
        with loading(self.sink, "a", ORIGIN, listeners=(events.append,)) as writer:
            self.write(writer, given)
            self.declare(columns)
            self.load("b", count, "")
        self.model["a"].load(Known(events[0].version, given, State.VALIDATED))

    @rule(partition=partitions, count=counts)
    def two_loads_at_once(self, partition, count):
        """One of them publishes, or one after the other; what a loser registered has failed."""
        loads = [(self.rows(count), list[Event]()) for _ in range(2)]
        run_together([partial(self.load_or_lose, partition, *each) for each in loads])
        part = self.model[partition]
        part.clear()
        published = [each for each in loads if each[1][-1].action is Action.PUBLISH]
        lost = [each for each in loads if each not in published]
        assert published, "no load has won"
        for given, events in lost:
            if self.is_registered(events[0].version):
                part.begin(Known(events[0].version, given, State.FAILED))
        for given, events in sorted(published, key=lambda each: each[1][-1].epoch):
            part.load(Known(events[0].version, given, State.VALIDATED))

    # What is done by hand

    @any_version
    @rule(which=which)
    def roll_back(self, which):
        self.verb(which, Partition.roll_back, versions.roll_back)

    @any_version
    @rule(which=which)
    def withdraw(self, which):
        self.verb(which, Partition.withdraw, versions.withdraw)

    @any_version
    @rule(which=which)
    def pin(self, which):
        self.verb(which, Partition.pin, versions.pin)

    @any_version
    @rule(which=which)
    def unpin(self, which):
        _, _, known = self.pick(which)
        versions.unpin(self.sink, known.version)
        known.is_pinned = False

    @any_version
    @rule(which=which)
    def prune(self, which):
        self.verb(which, Partition.prune, partial(versions.prune, min_age=NOW))

    @rule(keep=st.integers(2, 3))
    def prune_by_a_policy(self, keep):
        plan = pruning.plan_prune(self.sink, Retention(keep, NOW))
        gone = pruning.prune_all(self.sink, plan)
        expected = [part.prune_all(keep) for part in self.model.values()]
        assert set(gone) == set(plan.versions) == set().union(*expected)

    @any_version
    @rule(which=which)
    def abandon(self, which):
        _, _, known = self.pick(which)
        versions.abandon(self.sink, known.version)
        if known.is_unfinished:
            known.state = State.FAILED

    @rule()
    def sweep(self):
        swept = versions.sweep(self.sink)
        assert set(swept) == {known.version for known in self.all if known.state in ENDING}
        for part in self.model.values():
            part.sweep()

    # What a crash leaves half done

    @any_version
    @rule(which=which)
    def withdraw_that_is_killed(self, which):
        mark = partial(withdrawal.withdraw, withdrawal=Withdrawal(datetime.now(UTC)))
        self.verb(which, Partition.mark_withdrawn, lambda sink, version: sink.change(version, mark))

    @any_version
    @rule(which=which)
    def prune_that_is_killed(self, which):
        begin = partial(removal.begin_drop, min_age=NOW)
        self.verb(which, Partition.begin_drop, lambda sink, version: sink.change(version, begin))

    @any_version
    @rule(which=which, is_left=st.booleans())
    def abandon_that_is_killed(self, which, is_left):
        _, _, known = self.pick(which)
        self.sink.change(known.version, rules.abandon)
        if known.is_unfinished:
            known.state = State.ABANDONED
            if is_left:
                self.sink.change(known.version, rules.leave)
                known.is_left = True

    # What must be true after each step

    @invariant()
    def the_store_says_what_the_model_says(self):
        found = {record.version: record for record in self.sink.records()}
        assert {version: (each.state, each.pinned, bool(each.withdrawn)) for version, each in found.items()} == {
            known.version: (known.state, known.is_pinned, known.is_withdrawn) for known in self.all
        }
        assert set(self.sink.remains()) == {known.version for known in self.all if known.state in ENDING}

    @invariant()
    def readers_see_the_heads_whole(self):
        shown = {name: part.head.version for name, part in self.model.items() if part.head}
        assert {name: head.version for name, head in self.sink.heads().items()} == shown
        for name, part in self.model.items():
            head = self.sink.head(name)
            assert (head.version, head.epoch) == (part.head and part.head.version, part.epoch)
            if part.head:
                assert self.read(part.head.version) == part.head.rows

    @invariant()
    def every_version_that_may_be_shown_again_has_its_rows(self):
        for known in self.all:
            if known.has_rows:
                assert self.sink.count(known.version) == len(known.rows), known
                assert self.read(known.version) == known.rows, known

    def teardown(self):
        """Whatever happened, what is withdrawn can be taken from readers, and the rest be put in order."""
        for part in self.model.values():
            if part.head and part.head.is_withdrawn:
                versions.withdraw(self.sink, part.head.version)
        list(verify(self.sink))
        assert list(verify(self.sink)) == []

    # Helpers

    @property
    def all(self) -> list[Known]:
        return [known for part in self.model.values() for known in part.versions]

    @property
    def was_published(self) -> bool:
        return any(part.epoch for part in self.model.values())

    def pick(self, which: int) -> tuple[str, Partition, Known]:
        found = [(name, part, known) for name, part in sorted(self.model.items()) for known in part.versions]
        return found[which % len(found)]

    def verb(
        self, which: int, permits: Callable[[Partition, Known], bool], act: Callable[[Sink, Version], Any]
    ) -> None:
        """Do something to a version; it is refused where the model refuses it."""
        _, part, known = self.pick(which)
        if permits(part, known):
            act(self.sink, known.version)
        else:
            with pytest.raises(Conflict):
                act(self.sink, known.version)

    def rows(self, count: int) -> list[Any]:
        """Return rows that no other load has, with the columns that are declared now."""
        self.start += count
        return [
            {**row, **{name: VALUES[kind](row["id"]) for name, kind in self.columns.items()}}
            for row in rows(count, start=self.start - count)
        ]

    def begin(self, sink: Sink, version: Version) -> Stage:
        """Open a stage, as a process does that is gone then."""
        with held(version.id) as claim:
            return sink.begin(rules.staged(version, ORIGIN, claim, schema=self.sink.declared))

    def joined(self, given: Iterable[Any]) -> Iterator[Any]:
        """Return rows in the form in which users give them."""
        return (self.sink.contract.join(self.kind, row) for row in given)

    def write(self, writer: Writer, given: Iterable[Any]) -> None:
        for row in self.joined(given):
            writer.write(row)

    def load_rows(self, partition, given, events, label="", **options):
        origin = replace(ORIGIN, rerun=label)
        load(self.sink, partition, origin, self.joined(given), listeners=(events.append,), **options)

    def load_or_lose(self, partition, given, events):
        with suppress(Conflict):
            self.load_rows(partition, given, events)

    def read(self, version: Version) -> list[Any]:
        split = (self.sink.contract.split(row)[1] for row in self.sink.read(version))
        return sorted(map(dict, split), key=lambda row: row["id"])

    def is_registered(self, version: Version) -> bool:
        return any(record.version == version for record in self.sink.records(partition=version.partition))


class StoreMachine(VersionMachine):
    """A dataset on a real store: it may begin by an adoption, and readers ask for it by its name."""

    @initialize(
        partition=st.sampled_from(["", "a", "b"]),
        count=counts,
        ends_at=st.sampled_from(["", "begin", "copy", "equals", "give_way"]),
    )
    def adopt(self, partition, count, ends_at):
        """Let the dataset begin by a load, or by rows that users made; an adoption that ends too early is run again."""
        if not partition:
            return
        given = self.rows(count)
        with self.items.unmanaged(self.sink, given):
            if ends_at == "begin":
                self.begin(self.existing.sink, new_version(self.sink.dataset, partition))
            elif ends_at:
                with pytest.raises(ZeroDivisionError):
                    adopt(_Failing(self.existing, ends_at), partition, ORIGIN)
            adopted = adopt(self.existing, partition, ORIGIN)
        *failed, version = (record.version for record in self.sink.records())
        assert (len(failed), version) == (ends_at in {"begin", "copy", "equals"}, adopted.record.version)
        for each in failed:
            self.model[partition].begin(Known(each, given, State.FAILED))
        self.model[partition].load(Known(version, given, State.VALIDATED))

    @rule(partition=partitions)
    def adopt_again(self, partition):
        """Once loads or an adoption made the dataset, there is nothing left to adopt, nor before."""
        with pytest.raises(BadSetting):
            adopt(self.existing, partition, ORIGIN)

    @invariant()
    def who_asks_by_the_name_of_the_dataset_sees_the_rows_of_all_heads(self):
        if self.was_published:
            expected = sum(len(part.head.rows) for part in self.model.values() if part.head)
            assert self.items.shown(self.sink) == expected

    @property
    def existing(self) -> Existing:
        return stores.find(self.sink.store).existing(self.sink)


@dataclass(frozen=True)
class _Failing:
    """What can be adopted, but one of its methods fails."""

    existing: Existing
    method: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.existing, name) if name != self.method else lambda *_: 1 / 0


def _failing(given: Iterable[Any]) -> Iterator[Any]:
    yield from given
    raise ZeroDivisionError("the source broke")
