"""The contract tests of a sink whose login has no DELETE permission: subclass `LoaderSuite`.

They are those of `SinkSuite`, except that the rows of a failed load remain, marked as
abandoned, until a pruner removes them.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from luigi_sinks import dropping, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.errors import Conflict, Forbidden
from luigi_sinks.sink import Sink
from luigi_sinks.testing.suite import SinkSuite, failing_after, staged
from luigi_sinks.testing.transitions import WHOLE, begin
from luigi_sinks.testing.whole_suite import rows
from luigi_sinks.verification import verify
from luigi_sinks.version import State


class LoaderSuite(SinkSuite):
    """Tests that a loader can do everything that a sink must do, except deleting."""

    sweeps_when_it_loads: ClassVar[bool] = False

    denied: ClassVar[str]
    """A regular expression for the server's error when a loader drops a version."""

    def test_an_abandoned_version_has_failed_and_cannot_be_published(self, sink: Sink) -> None:
        with self.staged(sink, rows(2)) as stage:
            version = self.approved(sink, stage)
            versions.abandon(sink, version)
            with pytest.raises(Conflict, match=f"{version} is abandoned; it cannot be published"):
                sink.publish(version, replacing=sink.head(WHOLE))
        assert [(r.state, r.is_left) for r in sink.records()] == [(State.ABANDONED, True)]

    def test_rows_that_fail_half_way_leave_the_old_version_and_the_rerun_works(  # type: ignore[override]  # for pytest
        self, sink: Sink, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = self.load(sink, rows(3))
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                self.load(sink, failing_after(5_000))
            assert sink.head(WHOLE).version == first
        second = self.load(sink, rows(5_001))
        assert self.read(sink, second) == rows(5_001)
        states = [State.RETIRED, State.ABANDONED, State.ABANDONED, State.PUBLISHED]
        assert [r.state for r in sink.records()] == states
        assert left_for_a_pruner(caplog) == 2

    def test_what_a_dead_process_left_is_taken_over_at_once(  # type: ignore[override]  # for pytest
        self, sink: Sink, caplog: pytest.LogCaptureFixture
    ) -> None:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        with held("of a process that is gone") as mine:
            sink.begin(staged(sink, replace(mine, pid=dead.pid)))
        self.load(sink, rows(3))
        self.load(sink, rows(4))
        assert [r.state for r in sink.records()] == [State.ABANDONED, State.RETIRED, State.PUBLISHED]
        assert left_for_a_pruner(caplog) == 1

    def test_a_dropped_version_keeps_its_record_and_stays_complete(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        with pytest.raises(Forbidden, match=self.denied):
            versions.prune(sink, first, min_age=timedelta(0))
        assert [r.state for r in sink.records()] == [State.RETIRED, State.PUBLISHED]
        assert self.read(sink, first) == rows(3)
        assert self.read(sink, second) == rows(5)

    def test_a_loader_who_prunes_is_told_that_a_pruner_may(self, sink: Sink) -> None:
        first, _ = self.load(sink, rows(3)), self.load(sink, rows(5))
        with pytest.raises(Forbidden, match=f"only a pruner may delete {first}.*{self.denied}"):
            versions.prune(sink, first, min_age=timedelta(0))
        assert self.read(sink, first) == rows(3)

    def test_a_version_that_a_loader_could_not_drop_can_be_published(self, sink: Sink) -> None:
        first, second = self.load(sink, rows(3)), self.load(sink, rows(5))
        with pytest.raises(Forbidden):
            versions.prune(sink, first, min_age=timedelta(0))
        sink.publish(first, replacing=sink.head(WHOLE))
        assert sink.change(second, rules.retire).state is State.RETIRED
        assert sink.head(WHOLE).version == first

    def test_what_dead_processes_left_is_found_and_healed(self, sink: Sink) -> None:
        self.load(sink, rows(3))
        dead = begin(sink)
        assert not any(found.is_healed for found in verify(sink))
        assert sink.record(dead).is_left
        assert self.sweep(sink) == [dead]
        assert list(verify(sink)) == []

    def test_a_dropped_dataset_is_gone_and_may_be_loaded_again(self, sink: Sink) -> None:
        version = self.load(sink, rows(3))
        for catalog in (sink, self.pruner(self.catalog(sink))):
            with pytest.raises(Forbidden):
                dropping.drop_dataset(catalog, really=sink.dataset)
        assert (sink.head(WHOLE).version, self.shown(sink)) == (version, 3)


def left_for_a_pruner(caplog: pytest.LogCaptureFixture) -> int:
    """Return the number of warnings about versions whose rows remain."""
    return sum("left for a pruner" in record.message for record in caplog.records if record.levelno >= logging.WARNING)
