"""The contract tests of releases, and of versions that are shown beside the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from luigi_sinks import dropping, releases, stores, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.events import Action, Outcome
from luigi_sinks.load import Load
from luigi_sinks.release import Member, Release
from luigi_sinks.releases import Return
from luigi_sinks.sink import Sink
from luigi_sinks.testing.transitions import ORIGIN, WHOLE
from luigi_sinks.testing.whole_suite import Suite, rows
from luigi_sinks.together import loading_together
from luigi_sinks.verification import verify
from luigi_sinks.version import State, Version, new_version


class Releasing:
    """Tests of what several datasets publish together, and of names beside the head."""

    @pytest.fixture
    def both(self: Suite, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Sequence[Sink]:
        """Return the sinks of two datasets, one of which was loaded before; releases find them by their names."""
        monkeypatch.setattr(stores, "open_at", lambda _, dataset, **__: self.make_sink(dataset))
        self.load(sink, rows(3))
        return sink, self.another(sink)

    def test_the_versions_of_a_release_become_heads_and_say_so(self: Suite, both: Sequence[Sink]) -> None:
        release(self, both, "nightly")
        assert [self.shown(sink) for sink in both] == [5, 5]
        records = [self.head_record(sink) for sink in both]
        assert [record.release and record.release.name for record in records] == ["nightly", "nightly"]
        assert [(record.is_complete, record.is_unsettled) for record in records] == [(True, False)] * 2

    def test_what_a_process_left_of_a_release_is_finished_by_the_next_look(self: Suite, both: Sequence[Sink]) -> None:
        made = half_published(self, both)
        assert [sink.record(version).state for sink, version in zip(both, made, strict=True)] == [
            State.PUBLISHED,
            State.VALIDATED,
        ]
        assert not self.head_record(both[0]).is_complete
        told = self.told(lambda: versions.pin(both[1], made[1]))
        assert [sink.head(WHOLE).version for sink in both] == made
        assert [self.head_record(sink).is_complete for sink in both] == [True, True]
        assert [(event.action, event.outcome, event.version) for event in told][:2] == [
            (Action.PUBLISH, Outcome.BEGUN, made[1]),
            (Action.PUBLISH, Outcome.SUCCESS, made[1]),
        ]

    def test_what_cannot_be_finished_of_a_release_is_taken_back(self: Suite, both: Sequence[Sink]) -> None:
        before = both[0].head(WHOLE).version
        made = half_published(self, both)
        both[1].change(made[1], rules.abandon)
        versions.sweep(both[0])
        assert both[0].head(WHOLE).version == before
        record = both[0].record(made[0])
        assert (record.state, record.is_complete, record.is_unsettled) == (State.RETIRED, False, False)
        assert [self.shown(sink) for sink in both[:1]] == [3]

    def test_a_release_that_published_nothing_is_given_up(self: Suite, both: Sequence[Sink]) -> None:
        made = half_published(self, both, published=0)
        self.load(both[1], rows(4))
        assert both[0].head(WHOLE).epoch == 1
        with pytest.raises(Conflict, match=f"{made[0]} is validated; it cannot be published"):
            both[0].publish(made[0], replacing=both[0].head(WHOLE))
        release(self, both, "nightly")
        assert [self.shown(sink) for sink in both] == [5, 5]

    def test_a_release_is_rolled_back_as_a_whole(self: Suite, both: Sequence[Sink]) -> None:
        before = both[0].head(WHOLE).version
        release(self, both, "nightly")
        made = [sink.head(WHOLE).version for sink in both]
        told = self.told(lambda: taken_back(self, both, "nightly", why="wrong"))
        assert [sink.head(WHOLE).version for sink in both] == [before, None]
        assert self.head_record(both[0]).publications[-1].why == "release nightly is rolled back: wrong"
        done = [(event.action, event.version) for event in told if event.outcome is Outcome.SUCCESS]
        assert done == [(Action.ROLLBACK, before), (Action.WITHDRAW, made[1])]
        assert [self.shown(sink) for sink in both] == [3, 0]

    def test_a_release_is_not_rolled_back_where_another_version_came_since(self: Suite, both: Sequence[Sink]) -> None:
        release(self, both, "nightly")
        newer = self.load(both[1], rows(4))
        with pytest.raises(Conflict, match=f"readers see {newer} instead of .*, published since; nothing was changed"):
            taken_back(self, both, "nightly")
        assert both[0].head(WHOLE).epoch == 2

    def test_a_release_that_was_taken_back_stays_so_if_that_is_run_again(self: Suite, both: Sequence[Sink]) -> None:
        before = both[0].head(WHOLE).version
        release(self, both, "monthly")
        good = [sink.head(WHOLE).version for sink in both]
        for name, expected in (("nightly", good), ("monthly", [before, None])):
            if name == "nightly":
                release(self, both, name)
            assert len(taken_back(self, both, name)) == 2
            assert taken_back(self, both, name) == []
            assert [sink.head(WHOLE).version for sink in both] == expected
        assert [self.shown(sink) for sink in both] == [3, 0]

    def test_of_two_releases_of_a_name_the_first_is_not_taken_back_after_the_second(
        self: Suite, both: Sequence[Sink]
    ) -> None:
        release(self, both, "nightly")
        good = [sink.head(WHOLE).version for sink in both]
        release(self, both, "nightly")
        assert [each.before and each.before.version for each in taken_back(self, both, "nightly")] == good
        assert taken_back(self, both, "nightly") == []
        assert [sink.head(WHOLE).version for sink in both] == good
        assert [self.head_record(sink).is_complete for sink in both] == [True, True]
        release(self, both, "nightly")
        assert len(taken_back(self, both, "nightly")) == 2

    @pytest.mark.parametrize("is_withdrawn", [False, True])
    def test_a_rollback_of_a_release_that_was_interrupted_goes_on(
        self: Suite, both: Sequence[Sink], is_withdrawn: bool
    ) -> None:
        release(self, both, "nightly")
        good = [sink.head(WHOLE).version for sink in both]
        release(self, both, "nightly")
        if is_withdrawn:
            versions.withdraw(both[0], self.head_record(both[0]).version)
        else:
            versions.roll_back(both[0], good[0])  # type: ignore[arg-type]  # it was published
        assert [each.found.catalog.dataset for each in taken_back(self, both, "nightly")] == [both[1].dataset]
        assert [sink.head(WHOLE).version for sink in both] == good

    def test_a_release_that_failed_is_not_the_newest(self: Suite, both: Sequence[Sink]) -> None:
        before = both[0].head(WHOLE).version
        release(self, both, "nightly")
        made = half_published(self, both)
        both[1].change(made[1], rules.abandon)
        self.sweep(both[0])
        assert len(taken_back(self, both, "nightly")) == 2
        assert [sink.head(WHOLE).version for sink in both] == [before, None]

    def test_a_version_is_shown_beside_the_head_until_its_name_is_removed(self: Suite, sink: Sink) -> None:
        first, name = self.load(sink, rows(3)), self.beside(sink)
        second = self.load(sink, rows(5))
        assert self.expose(sink, first, name).exposed == (name,)
        assert self.exposer(sink).shows(first, name)
        assert (self.shown_as(sink, first, name), self.shown(sink)) == (3, 5)
        self.load(sink, rows(6))
        assert self.shown_as(sink, first, name) == 3
        assert self.expose(sink, first, name).exposed == (name,)
        with pytest.raises(BadSetting, match=f"{name}.* is taken"):
            self.expose(sink, second, name)
        assert self.hide(sink, first, name).exposed == ()
        assert not self.exposer(sink).shows(first, name)
        with pytest.raises(Conflict, match=f"{first} is not exposed as '{name}'"):
            self.hide(sink, first, name)
        assert self.expose(sink, second, name).exposed == (name,)
        assert self.shown_as(sink, second, name) == 5
        self.hide(sink, second, name)

    def test_a_name_that_a_dataset_has_is_refused(self: Suite, sink: Sink) -> None:
        version, other = self.load(sink, rows(3)), self.another(sink)
        self.load(other, rows(2))
        for name in (sink.dataset, other.dataset, None, ""):
            with pytest.raises(BadSetting, match=f"{name}.* (is taken|cannot name a version)"):
                self.expose(sink, version, name)  # type: ignore[arg-type]  # which is refused
        assert sink.record(version).exposed == ()

    def test_an_exposed_version_is_kept_and_its_dataset_too(self: Suite, sink: Sink) -> None:
        first, name = self.load(sink, rows(3)), self.beside(sink)
        self.load(sink, rows(5))
        self.expose(sink, first, name)
        with pytest.raises(Conflict, match=f"{first} is exposed as {name}; it cannot be dropped"):
            versions.prune(self.pruner(sink), first, min_age=timedelta(0))
        with pytest.raises(Conflict, match=f"{first} is exposed as {name}, so {sink.dataset} is not deleted"):
            dropping.drop_dataset(sink, really=sink.dataset)
        assert self.shown_as(sink, first, name) == 3
        self.hide(sink, first, name)
        self.prune(sink, first)
        assert sink.record(first).state is State.DROPPED

    def test_verify_restores_a_name_that_is_gone(self: Suite, sink: Sink) -> None:
        first, name = self.load(sink, rows(3)), self.beside(sink)
        self.expose(sink, first, name)
        self.exposer(sink).hide(first, name)
        (found,) = verify(self.exposer(sink), heal=False)
        assert (found.version, found.problem) == (first, f"is exposed as {name}, and readers do not find it there")
        assert [found.is_healed for found in verify(self.exposer(sink))] == [True]
        assert self.shown_as(sink, first, name) == 3
        self.hide(sink, first, name)


def release(suite: Suite, sinks: Sequence[Sink], name: str) -> None:
    """Load five rows into each sink, as one release."""
    with loading_together([Load(sink, WHOLE, ORIGIN) for sink in sinks], name) as writers:
        for sink, writer in zip(sinks, writers, strict=True):
            for row in suite.given(sink, rows(5)):
                writer.write(row)


def taken_back(suite: Suite, sinks: Sequence[Sink], name: str, **options: str) -> list[Return]:
    """Take the newest release of a name back, as the command does; return what was done."""
    return releases.roll_back(releases.newest([suite.catalog(sink) for sink in sinks], name), **options)


def half_published(suite: Suite, sinks: Sequence[Sink], *, published: int = 1) -> list[Version]:
    """Stage a release and publish some of its versions, as a process does that dies then; return the versions."""
    heads = [sink.head(WHOLE) for sink in sinks]
    made = [new_version(sink.dataset, WHOLE) for sink in sinks]
    replaced = [head.version.id if head.version else "" for head in heads]
    members = (Member("", *each) for each in zip(made, replaced, (head.epoch for head in heads), strict=True))
    whole = Release("nightly", tuple(members))
    for sink, version in zip(sinks, made, strict=True):
        with held("of the tests") as claim:
            record = rules.staged(version, ORIGIN, claim, schema=sink.declared)
            stage = sink.begin(replace(record, release=whole))
        stage.write(suite.part(sink, 0, rows(5)))
        suite.approved(sink, stage)
    for sink, version, head in list(zip(sinks, made, heads, strict=True))[:published]:
        sink.publish(version, replacing=head)
    return made
