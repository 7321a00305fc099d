"""A made-up history of jobs that build on each other, day by day, as events of a spool.

Some jobs build on what they made yesterday, some read a week, some find a dependency while
they run, and some are slow now and then. Runs fail or are killed, and are tried again. Every third
dataset has one partition that each day replaces, and is now and then rolled back; of
the others each day is a partition. The hosts' clocks are up to `skew` seconds apart.

All keys hold the history's `name`, so that several may be in one graph.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from luigi_sinks.recording.events import (
    Certainty,
    Check,
    Column,
    Dataset,
    End,
    Ended,
    Event,
    Interruption,
    Job,
    Need,
    Publication,
    Read,
    Removal,
    Start,
    Task,
    Write,
)

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
EPOCH = 1_700_000_000 * SECOND // DAY * DAY
LAYERS = 10
HOSTS = 8
KEPT = 30
"""Days after which the rows of a replaced version are deleted."""


@dataclass(frozen=True)
class Made:
    """One job of the history, and what it does each day."""

    number: int
    name: str
    place: str
    layer: int
    inputs: tuple[int, ...]
    seconds: float
    is_recursive: bool = False
    is_dynamic: bool = False
    is_skewed: bool = False
    is_whole: bool = False
    is_plain: bool = False
    window: int = 1
    max_age: float = 0.0

    @property
    def job(self) -> Job:
        return Job(self.place, self.name)

    @property
    def dataset(self) -> Dataset:
        if self.is_plain:
            return Dataset("file", f"/{self.place}/{self.name.lower()}.csv")
        return Dataset("mysql://db.internal:3306", f"{self.place}.{self.name.lower()}")

    def task(self, day: int) -> Task:
        return Task(self.job, f"{self.name}_{day}_{self.number:08x}")

    def partition(self, day: int) -> str:
        return "_all" if self.is_whole else f"{20_000_000 + day}"


@dataclass
class History:
    """The events of a number of days, in the order in which they happen in each job."""

    days: int = 30
    jobs: int = 40
    seed: int = 1
    skew: float = 0.0
    failing: float = 0.1
    name: str = "lake"
    epoch: int = EPOCH
    events: list[Event] = field(default_factory=list)
    true: dict[str, tuple[int, int]] = field(default_factory=dict)
    """When each run started and ended by the right time."""

    @property
    def end(self) -> int:
        return self.epoch + self.days * DAY

    @cached_property
    def made(self) -> Sequence[Made]:
        chance = random.Random(self.seed)
        return [self._made(chance, number) for number in range(self.jobs)]

    def _made(self, chance: random.Random, number: int) -> Made:
        each = max(1, self.jobs // LAYERS)
        layer = min(number // each, LAYERS - 1)
        below = range((layer - 1) * each, layer * each) if layer else range(0)
        inputs = sorted({chance.choice(below) for _ in range(chance.choice([1, 2, 2, 3]))}) if below else []
        return Made(
            number,
            f"Team{number % 7}Job{number:03d}",
            self.name,
            layer,
            tuple(inputs),
            seconds=chance.lognormvariate(3.5, 1),
            is_recursive=layer == LAYERS - 1 and (number - each * layer) % 5 == 0,
            is_dynamic=bool(layer) and number % 11 == 3,
            is_skewed=chance.random() < 0.1,
            is_whole=number % 3 == 1,
            is_plain=layer == 0 and number % 4 == 0,
            window=7 if layer and chance.random() < 0.08 else 1,
            max_age=chance.choice([0.0, 86_400.0, 200_000.0]),
        )

    def make(self) -> History:
        """Fill `events`."""
        state = _State(self)
        for day in range(self.days):
            for made in self.made:
                self.events += state.day(made, day)
        self.true.update(state.true)
        return self


class _State:
    """What is known while a history is made."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.chance = random.Random(history.seed + 1)
        self.ids = random.Random(history.name)
        self.offsets = [self.chance.uniform(-history.skew / 2, history.skew / 2) for _ in range(HOSTS)]
        self.ended: dict[tuple[int, int], int] = {}
        self.versions: dict[tuple[int, int], tuple[str, str]] = {}
        self.heads: dict[int, list[str]] = {}
        self.true: dict[str, tuple[int, int]] = {}
        self.epochs: dict[int, int] = {}

    def day(self, made: Made, day: int) -> Iterator[Event]:
        """Yield what a job's task of one day does."""
        build = self.history.epoch + day * DAY + 2 * HOUR
        inputs = [(other, day - back) for other in made.inputs for back in range(made.window) if day >= back]
        if made.is_recursive and day:
            inputs.append((made.number, day - 1))
        requires = tuple(self.history.made[other].task(of) for other, of in inputs)
        late = requires[-1:] if made.is_dynamic else ()
        begun = max([build, *(self.ended[each] for each in inputs)]) + round(self.chance.uniform(0.1, 5) * SECOND)
        if made.is_dynamic:
            yield Need(at=begun, task=made.task(day), needs=requires[0])
            begun = yield from self._suspended(made, day, begun, build, requires[:-1], late)
        while self.chance.random() < self.history.failing:
            begun = yield from self._failed(made, day, begun, build, requires)
        yield from self._complete(made, day, begun, build, requires, inputs)

    def _suspended(
        self, made: Made, day: int, at: int, build: int, requires: tuple[Task, ...], late: tuple[Task, ...]
    ) -> Iterator[Event]:
        start, clock = self._start(made, day, at, build, requires)
        end = at + round(made.seconds * 0.1 * SECOND)
        yield start
        yield End(at=end + clock, run=start.run, outcome=Ended.SUSPENDED, requires=late)
        self.true[start.run] = at, end
        return end + round(self.chance.uniform(0.1, 2) * SECOND)

    def _failed(self, made: Made, day: int, at: int, build: int, requires: tuple[Task, ...]) -> Iterator[Event]:
        start, clock = self._start(made, day, at, build, requires)
        end = at + round(made.seconds * 0.5 * SECOND)
        yield start
        if self.chance.random() < 0.2:
            yield End(at=end + clock, run=start.run, outcome=Ended.ABORTED, error="ended without a word")
            yield Interruption(at=end + SECOND, task=made.task(day), cause="killed by signal 9")
        else:
            yield End(at=end + clock, run=start.run, outcome=Ended.FAILED, error="ValueError", message="x is wrong")
        self.true[start.run] = at, end
        return end + round(self.chance.uniform(1, 60) * SECOND)

    def _complete(
        self,
        made: Made,
        day: int,
        at: int,
        build: int,
        requires: tuple[Task, ...],
        inputs: Sequence[tuple[int, int]],
    ) -> Iterator[Event]:
        start, clock = self._start(made, day, at, build, requires)
        yield start
        yield from self._reads(made, start, inputs)
        often = 8 if made.is_skewed and self.chance.random() < 0.1 else 1
        end = at + round(made.seconds * self.chance.lognormvariate(0, 0.3) * often * SECOND)
        yield from self._written(made, day, start, end + clock)
        yield End(at=end + clock, run=start.run, outcome=Ended.COMPLETE)
        self.ended[made.number, day] = end
        self.true[start.run] = at, end

    def _start(self, made: Made, day: int, at: int, build: int, requires: tuple[Task, ...]) -> tuple[Start, int]:
        host = self.chance.randrange(HOSTS)
        clock = round(self.offsets[host] * SECOND)
        run = f"{uuid.UUID(int=self.ids.getrandbits(128), version=4)}.{self.history.name}"
        return Start(
            at=at + clock,
            run=run,
            task=made.task(day),
            params={"day": str(day), "level": str(made.layer)},
            requires=requires,
            owner=f"team_{made.number % 7}",
            orchestrator="luigi",
            build=build,
            period=str(day),
            host=f"worker{host}",
            pid=self.chance.randrange(1 << 15),
            worker="Worker(salt=1)",
            commit=f"{day // 30:040x}",
            source=f"jobs/{made.name.lower()}.py",
            max_age=made.max_age,
        ), clock

    def _reads(self, made: Made, start: Start, inputs: Sequence[tuple[int, int]]) -> Iterator[Event]:
        for other, of in inputs:
            source = self.history.made[other]
            partition, version = self.versions[other, of]
            if source.is_whole and other != made.number:
                version = self.heads[other][-1]
            yield Read(
                at=start.at,
                run=start.run,
                job=made.job,
                dataset=source.dataset,
                certainty=Certainty.DECLARED if source.is_plain else Certainty.OBSERVED,
                partition=partition,
                version=version,
                rows=1_000,
            )
        if made.number % 13 == 5:  # of this one nobody knows the version
            yield Read(
                at=start.at,
                run=start.run,
                job=made.job,
                dataset=Dataset("file", f"/{made.place}/by_hand.xls"),
                certainty=Certainty.DECLARED,
            )

    def _written(self, made: Made, day: int, start: Start, at: int) -> Iterator[Event]:
        stamp = f"m{at}s{day}" if made.is_plain else f"v{day:08d}_{start.run[:6]}"
        partition = made.partition(day)
        about = {"dataset": made.dataset, "partition": partition, "version": stamp}
        yield Write(
            at=at,
            run=start.run,
            job=made.job,
            certainty=Certainty.OBSERVED,
            owner=start.owner,
            rows=self.chance.randrange(10**6),
            seconds=made.seconds,
            steps={"stage": made.seconds},
            checks=(Check("count", passed=True),),
            columns=(Column("id", "int(11)"),),
            max_age=made.max_age,
            **about,
        )
        self.versions[made.number, day] = partition, stamp
        known = self.heads.setdefault(made.number, [])
        known.append(stamp)
        if made.is_plain:
            return
        epoch = self._epoch(made)
        yield Publication(at=at + 1, epoch=epoch, by=start.run, **about)
        if made.is_whole and day > 2 and self.chance.random() < 0.03:
            known.append(known[-2])
            back = {**about, "version": known[-1]}
            yield Publication(at=at + 2, epoch=self._epoch(made), by="by hand", is_rollback=True, **back)
        if made.is_whole and day >= KEPT:
            gone = self.versions[made.number, day - KEPT][1]
            if gone != known[-1]:
                yield Removal(at=at + 3, **{**about, "version": gone})

    def _epoch(self, made: Made) -> int:
        if not made.is_whole:
            return 1
        self.epochs[made.number] = self.epochs.get(made.number, 0) + 1
        return self.epochs[made.number]
