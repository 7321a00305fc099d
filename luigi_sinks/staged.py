"""A version that is being loaded: its rows are written, counted, checked, and then it may be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

from luigi_sinks import checks as standard
from luigi_sinks import record as rules
from luigi_sinks.checks import Check, CheckResult, StagedCounts
from luigi_sinks.errors import CheckFailed
from luigi_sinks.events import Outcome
from luigi_sinks.listeners import Telling
from luigi_sinks.record import Record
from luigi_sinks.rejects import Rejects
from luigi_sinks.sink import ChangedStage, ChangingSink, Sink, Stage
from luigi_sinks.version import Version
from luigi_sinks.writer import Writer


@dataclass(frozen=True)
class Written:
    """What was written into a version: its rows, without those that were set aside, and how it came there.

    `listed` is the file that lists the rejected rows. `seconds` has those of each part.
    """

    rows: int
    rejected: int = 0
    listed: str = ""
    bytes: int = 0
    seconds: Sequence[float] = ()


@dataclass(frozen=True)
class Staged:
    """A version that readers do not see yet, and takes rows; `base` is the version of which these are changes."""

    sink: Sink
    stage: Stage
    told: Telling
    checks: Sequence[Check]
    most_bad_rows: float | None = None
    base: Record | None = None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Give the writer; seal the version when the block ends cleanly."""
        most = self.most_bad_rows
        rejects = None if most is None else Rejects(self.stage.version, most)
        with self.told.step("source"):
            writer = Writer(self.stage, self.sink.contract, rejects)
            try:
                with writer:
                    yield writer
            finally:
                self.told.divide("source", writer.steps)
        carried = self._carry(self.base, writer) if self.base else 0
        rows, listed = writer.rows - writer.rejected + carried, str(rejects.path) if rejects else ""
        self.seal(Written(rows, writer.rejected, listed, writer.bytes, tuple(writer.part_seconds)))

    def seal(self, written: Written) -> None:
        """End all writing, check the version against what was written, and record that it may be shown."""
        if not isinstance(written, Written):
            raise TypeError(f"seal takes what was written, and was given {written!r}; give Written(rows=...)")
        told, version = self.told, self.stage.version
        with told.step("seal"):
            counts = self.stage.seal()
        told.know(
            columns=self.sink.columns,
            rows=counts.rows,
            set_aside=counts.set_aside + written.rejected,
            bytes=written.bytes,
            part_seconds=tuple(written.seconds),
        )
        with told.step("check"):
            whole = partial(standard.complete, written=written.rows)
            bound = (_bound(self.sink, written, check) for check in self.checks)
            passed = _checked(told, version, counts, (whole, *bound))
            steps = {name: round(seconds, 3) for name, seconds in told.steps.items()}
            self.sink.change(version, partial(rules.approve, checks=passed, rejected=written.rejected, steps=steps))
        told.tell(Outcome.SUCCESS)

    def _carry(self, base: Record, writer: Writer) -> int:
        """Add the rows of the head that were neither changed nor deleted; return how many."""
        sink, stage = cast("ChangingSink", self.sink), cast("ChangedStage", self.stage)
        with self.told.step("carry"):
            deleted, _ = sink.key_contract.accept("", writer.deleted, 1)
            return stage.carry(writer.next_part, base, deleted)


def _checked(told: Telling, version: Version, counts: StagedCounts, checks: Sequence[Check]) -> tuple[CheckResult, ...]:
    """Return what each check says. Raises what the first one raises that fails."""
    results: list[CheckResult] = []
    for check in checks:
        try:
            check(version, counts)
        except CheckFailed as failure:
            told.know(checks=(*results, CheckResult(_name(check), passed=False, message=str(failure))))
            raise
        results.append(CheckResult(_name(check), passed=True))
    told.know(checks=tuple(results))
    return tuple(results)


def _bound(sink: Sink, written: Written, check: Check) -> Check:
    """Return the check with what it asks of the store, or has to tell of rows that were set aside."""
    if check is standard.unique_across_partitions:
        return partial(standard.unique_across_partitions, shared_key=sink.shared_key)
    if check is standard.not_empty and written.listed:
        return partial(standard.not_empty, rejected=written.rejected, listed=written.listed)
    return check


def _name(check: Check) -> str:
    """Return the name of a check: a function, a `partial` of one, or an object that is called."""
    plain = getattr(check, "func", check)
    return getattr(plain, "__name__", type(plain).__name__)
