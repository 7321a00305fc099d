"""Races ways to do the same in turn, and compares them pair by pair.

Machines are noisy, so a rate means little, and the best of several rounds means the luckiest. Each
round runs every method once, in another order; a case divides the rates of two methods in the same
round, and is judged by the median of these ratios. The first round warms up, and does not count.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

What = Literal["rows/s", "us of CPU a row"]


@dataclass(frozen=True)
class Took:
    """What a method took: `cpu` is that of this process. `found` is what the store has afterwards, counted there."""

    seconds: float
    cpu: float
    found: Any


Method = Callable[[], Took]


@dataclass(frozen=True)
class Case:
    """A comparison of two methods of a race. The faster of `theirs` counts in each round.

    `bar` is the least that the median ratio of the rates should be, or the most CPU a row.
    """

    name: str
    ours: str
    theirs: tuple[str, ...]
    bar: float
    what: What = "rows/s"


@dataclass(frozen=True)
class Race:
    """Methods that do the same to so many rows, and the cases that compare them."""

    rows: int
    methods: Mapping[str, Method]
    cases: Sequence[Case]


@dataclass(frozen=True)
class Result:
    """A case as it was measured: `ours` and `theirs` are medians, `ratio` is that of the pairs, and `low` to `high`."""

    case: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    bar: float
    unit: What
    rounds: int
    rows: int

    @property
    def is_met(self) -> bool:
        """Whether the case reaches its bar."""
        return self.ratio >= (self.bar if self.unit == "rows/s" else 1)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds that a call takes, and those of this process's CPU."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(race: Race, rounds: int, say: Callable[[str], None]) -> Iterator[Result]:
    """Run so many rounds after the first, and yield how each case went."""
    wanted = {name for case in race.cases for name in (case.ours, *case.theirs)}
    methods = [(name, method) for name, method in race.methods.items() if name in wanted]
    taken: dict[str, list[Took]] = {name: [] for name, _ in methods}
    for number in range(rounds + 1):
        for name, method in methods[:: 1 if number % 2 else -1]:
            taken[name].append(method())
            last = taken[name][-1]
            say(f"  round {number}: {name:28} {last.seconds:7.2f} s {race.rows / last.seconds:12,.0f} rows/s")
    _refuse_differences(taken)
    for case in race.cases:
        yield _judged(race, case, {name: each[1:] for name, each in taken.items()})


def _refuse_differences(taken: Mapping[str, Sequence[Took]]) -> None:
    found = {name: {each.found for each in several} for name, several in taken.items()}
    if len(set.union(*found.values())) > 1:
        raise AssertionError(f"the methods did not do the same: {found}")


def _judged(race: Race, case: Case, taken: Mapping[str, Sequence[Took]]) -> Result:
    ours = taken[case.ours]
    if case.what == "us of CPU a row":
        mine = [each.cpu / race.rows * 1e6 for each in ours]
        theirs = [case.bar] * len(mine)
        ratios = sorted(case.bar / each for each in mine)
    else:
        mine = [race.rows / each.seconds for each in ours]
        theirs = [
            race.rows / min(each.seconds for each in pair) for pair in zip(*map(taken.get, case.theirs), strict=True)
        ]
        ratios = sorted(one / other for one, other in zip(mine, theirs, strict=True))
    spread = (median(ratios), ratios[0], ratios[-1])
    return Result(case.name, median(mine), median(theirs), *spread, case.bar, case.what, len(mine), race.rows)
