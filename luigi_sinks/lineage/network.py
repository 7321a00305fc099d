"""What is drawn of lineage: datasets and jobs, what flows between them, and how one run came to be late.

Times are microseconds since 1970 in UTC; 0 stands for one that is not known, or has not come yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Check, Column


@dataclass(frozen=True)
class VersionNode:
    """One version of a partition.

    `key` names it in the graph. `written` is when its run wrote it, `published` each time that
    it became the head, and `removed` when its rows were deleted. `is_head` says that readers
    see it, as of the network's time.
    """

    key: str
    partition: str
    version: str
    run: str
    written: int
    published: tuple[int, ...] = ()
    removed: int = 0
    is_head: bool = False
    owner: str = ""
    rows: int = 0
    set_aside: int = 0
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class RunNode:
    """One attempt at a task; `outcome` is that of `luigi_sinks.recording.events.Ended`, empty while it runs."""

    key: str
    task: str
    started: int
    ended: int = 0
    outcome: str = ""
    error: str = ""


@dataclass(frozen=True)
class DatasetNode:
    """A dataset.

    `updated` is when it last got a head or was written, and `max_age` the seconds after which it
    is stale, 0 for never. `versions` are the newest, the newest first; `versions_count` counts all.
    `columns` are those of the newest version.
    """

    key: str
    namespace: str
    name: str
    owner: str = ""
    updated: int = 0
    max_age: float = 0.0
    versions: tuple[VersionNode, ...] = ()
    versions_count: int = 0
    columns: tuple[Column, ...] = ()

    @property
    def stale_from(self) -> int:
        """When it becomes stale; 0 for never."""
        return self.updated + round(self.max_age * SECOND) if self.max_age and self.updated else 0

    def is_stale(self, as_of: int) -> bool:
        """Tell whether it is older than was promised."""
        return 0 < self.stale_from < as_of


@dataclass(frozen=True)
class JobNode:
    """A job; `runs` are the newest, the newest first. `p50` and `p95` are the seconds that complete ones took."""

    key: str
    namespace: str
    name: str
    owner: str = ""
    runs: tuple[RunNode, ...] = ()
    runs_count: int = 0
    p50: float = 0.0
    p95: float = 0.0


@dataclass(frozen=True)
class Flow:
    """A job reads a dataset, or writes it; `is_observed` if our own target saw it, not only the task's declaration.

    `first` and `last` are when that was first and last recorded.
    """

    job: str
    dataset: str
    first: int = 0
    last: int = 0
    is_observed: bool = True


@dataclass(frozen=True)
class Attempt:
    """An attempt at a task before its run on the critical path, and how it ended: it failed, or was suspended."""

    run: str
    outcome: str
    started: int
    ended: int
    error: str = ""


@dataclass(frozen=True)
class Step:
    """One run of a critical path.

    `ready` is when it could have started: when the run before it on the path ended, or the build
    began. Of the time from then on, `failed` seconds went into attempts that failed or were
    aborted, `waited` into waiting, and `ran` into the run itself, and into attempts that asked for
    a further dependency; `usual` is the median of the last runs of the job. The `outcome` of a
    task that has no run yet is "waiting".

    `paused` are the seconds of `waited` that came after a failed attempt. `held_by` is the job that the
    step's worker ran meanwhile, for most of `waited`, and `held_by_owner` its owner; both are empty if it ran none.
    """

    run: str
    job: str
    task: str
    owner: str
    ready: int
    started: int
    ended: int
    outcome: str
    waited: float
    failed: float
    ran: float
    attempts: tuple[Attempt, ...] = ()
    usual: float = 0.0
    error: str = ""
    paused: float = 0.0
    held_by: str = ""
    held_by_owner: str = ""


@dataclass(frozen=True)
class Network:
    """Datasets and jobs as they were at `as_of`, what flows between them, and the critical path of a chosen run.

    `path` begins with that run, and leads upstream to what the build began with. `trail` are those of the
    `edges` along which its data came: what the run read, and what exactly those versions were made of.
    `parameters` are the run's.

    Example:
        >>> flights = DatasetNode("file//flights.csv", "file", "/flights.csv")
        >>> load = JobNode("luigi/Load", "luigi", "Load")
        >>> Network(0, (flights,), (load,), reads=(Flow(load.key, flights.key),)).upstream(load.key)
        frozenset({'file//flights.csv'})

    """

    as_of: int
    datasets: tuple[DatasetNode, ...] = ()
    jobs: tuple[JobNode, ...] = ()
    reads: tuple[Flow, ...] = ()
    writes: tuple[Flow, ...] = ()
    path: tuple[Step, ...] = ()
    trail: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of keys, from what is downstream to what is upstream: job to dataset, or dataset to job."""
        read = tuple((flow.job, flow.dataset) for flow in self.reads)
        return read + tuple((flow.dataset, flow.job) for flow in self.writes)

    def upstream(self, key: str) -> frozenset[str]:
        """Return the keys of all that feeds a dataset or a job."""
        return _reached(key, self.edges)

    def downstream(self, key: str) -> frozenset[str]:
        """Return the keys of all that a dataset or a job feeds."""
        return _reached(key, tuple((end, start) for start, end in self.edges))


def _reached(key: str, edges: tuple[tuple[str, str], ...]) -> frozenset[str]:
    ends: dict[str, list[str]] = {}
    for start, end in edges:
        ends.setdefault(start, []).append(end)
    seen: set[str] = set()
    todo = [key]
    while todo:
        new = [end for end in ends.get(todo.pop(), ()) if end not in seen]
        seen.update(new)
        todo += new
    return frozenset(seen)
