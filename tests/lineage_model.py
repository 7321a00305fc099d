"""A plain Python model of lineage: it answers the questions from lists and dictionaries, by loops."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable

from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import (
    Certainty,
    Dataset,
    End,
    Ended,
    Event,
    Interruption,
    Need,
    Publication,
    Read,
    Removal,
    Start,
    Task,
    Write,
)

RANKS = [Ended.ABORTED, Ended.SUSPENDED, Ended.FAILED, Ended.COMPLETE]


def dataset_key(dataset: Dataset) -> str:
    return f"{dataset.namespace}/{dataset.name}"


def version_key(event) -> str:
    return f"{dataset_key(event.dataset)}#{event.partition}#{event.version}"


def job_key(job) -> str:
    return f"{job.namespace}/{job.name}"


def task_key(task: Task) -> str:
    return f"{task.job.namespace}/{task.id}"


class Model:
    """What the events say, in any order."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.starts: dict[str, Start] = {}
        self.ends: dict[str, End] = {}
        self.attempts: dict[str, set[str]] = defaultdict(set)
        self.requires: dict[str, set[str]] = defaultdict(set)
        self.required_by: dict[str, set[str]] = defaultdict(set)
        self.tasks: dict[str, Task] = {}
        self.seen: dict[str, int] = defaultdict(int)
        self.interruptions: dict[str, set[tuple[int, str]]] = defaultdict(set)
        self.reads: dict[str, set[str]] = defaultdict(set)
        self.readers: dict[str, set[str]] = defaultdict(set)
        self.unversioned: dict[str, set[str]] = defaultdict(set)
        self.writes: dict[str, Write] = {}
        self.written: dict[str, set[str]] = defaultdict(set)
        self.writes_of: dict[str, dict[str, Write]] = defaultdict(dict)
        self.publications: dict[str, dict[str, list[Publication]]] = defaultdict(lambda: defaultdict(list))
        self.removed: dict[str, int] = {}
        self.flows_in: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        self.flows_out: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        self.late: list[tuple[str, tuple[Task, ...]]] = []
        for event in events:
            self._told(event)
        for run, needed in self.late:
            for task in needed:
                self._needs(self.starts[run].task, task, 0)

    def _told(self, event: Event) -> None:
        match event:
            case Start() | End():
                self._ran(event)
            case Need():
                self._needs(event.task, event.needs, event.at)
            case Interruption():
                self.interruptions[task_key(event.task)].add((event.at, event.cause))
                self._see(event.task, event.at)
            case Read():
                self._read(event)
            case Write():
                self.flows_out[job_key(event.job), dataset_key(event.dataset)].append(_flow(event))
                self.writes[version_key(event)] = event
                self.writes_of[dataset_key(event.dataset)][version_key(event)] = event
                self.written[event.run].add(version_key(event))
            case Publication():
                self.publications[dataset_key(event.dataset)][event.partition].append(event)
            case Removal():
                self.removed[version_key(event)] = max(event.at, self.removed.get(version_key(event), 0))

    def _ran(self, event: Start | End) -> None:
        for needed in event.requires:
            self._see(needed, event.at)
        if isinstance(event, End):
            known = self.ends.get(event.run)
            if not known or RANKS.index(event.outcome) > RANKS.index(known.outcome):
                self.ends[event.run] = event
            self.late.append((event.run, event.requires))
            return
        self.starts[event.run] = event
        self.attempts[task_key(event.task)].add(event.run)
        self._see(event.task, event.at)
        for needed in event.requires:
            self._needs(event.task, needed, event.at)

    def _read(self, event: Read) -> None:
        self.flows_in[job_key(event.job), dataset_key(event.dataset)].append(_flow(event))
        if event.version:
            self.reads[event.run].add(version_key(event))
            self.readers[version_key(event)].add(event.run)
        else:
            self.unversioned[event.run].add(dataset_key(event.dataset))

    def _needs(self, task: Task, needed: Task, at: int) -> None:
        self.requires[task_key(task)].add(task_key(needed))
        self.required_by[task_key(needed)].add(task_key(task))
        self._see(task, at)
        self._see(needed, at)

    def _see(self, task: Task, at: int) -> None:
        self.tasks[task_key(task)] = task
        self.seen[task_key(task)] = max(at, self.seen[task_key(task)])

    def job_of(self, task: str) -> str:
        return job_key(self.tasks[task].job)

    def upstream(self, key: str) -> set[str]:
        """Return the versions that went into a version or a run, and the datasets whose versions are not known."""
        seen: set[str] = set()
        todo = [key] if key in self.starts else [self.writes[key].run]
        while todo:
            run = todo.pop()
            seen |= self.unversioned[run]
            for version in self.reads[run] - seen:
                seen.add(version)
                if version in self.writes:
                    todo.append(self.writes[version].run)
        return seen

    def trail(self, run: str) -> set[tuple[str, str]]:
        """Return what a run read, and what those versions were made of: pairs of a job or dataset and what fed it."""
        pairs, seen, todo = set[tuple[str, str]](), {run}, [run]
        while todo:
            ran = todo.pop()
            job = job_key(self.starts[ran].task.job)
            pairs |= {(job, dataset) for dataset in self.unversioned[ran]}
            for version in self.reads[ran]:
                dataset = version.rsplit("#", 2)[0]
                pairs.add((job, dataset))
                if version in self.writes:
                    writer = self.writes[version].run
                    pairs.add((dataset, job_key(self.starts[writer].task.job)))
                    todo += {writer} - seen
                    seen.add(writer)
        return pairs

    def downstream(self, key: str) -> set[str]:
        seen: set[str] = set(self.written[key])
        todo = [key] if key not in self.starts else list(seen)
        while todo:
            for run in self.readers[todo.pop()]:
                for version in self.written[run] - seen:
                    seen.add(version)
                    todo.append(version)
        return seen

    def upstream_of_dataset(self, dataset: str, most: int = 31) -> set[str]:
        """Return what went into the heads of a dataset's partitions, or into its last version."""
        heads = [self.head(dataset, partition) for partition in list(self.publications[dataset])]
        last = sorted(heads, key=lambda head: (head[1], head[0]), reverse=True)[:most]
        keys = [key for key, _ in last] or [self.newest_head(dataset)]
        return set[str]().union(*(self.upstream(key) for key in keys))

    def downstream_of_dataset(self, dataset: str, most: int = 31) -> set[str]:
        """Return what the last versions of a dataset went into."""
        written = sorted(((write.at, key) for key, write in self.writes_of[dataset].items()), reverse=True)
        return set[str]().union(*(self.downstream(key) for _, key in written[:most]))

    def by_dataset(self, keys: Iterable[str]) -> set[tuple[str, int, int, int]]:
        """Return of each dataset how many versions there are, and when the first and the last were written."""
        found: dict[str, list[int]] = defaultdict(list)
        for key in keys:
            found[key.rsplit("#", 2)[0]] += [self.writes[key].at] if key in self.writes else []
        return {(name, len(at), min(at, default=0), max(at, default=0)) for name, at in found.items()}

    def related(self, key: str, *, downstream: bool = False) -> set[str]:
        """Return the datasets upstream or downstream of a dataset or job."""
        ahead: dict[str, set[str]] = defaultdict(set)
        for job, dataset in self.flows_in:
            ahead[dataset if downstream else job].add(job if downstream else dataset)
        for job, dataset in self.flows_out:
            ahead[job if downstream else dataset].add(dataset if downstream else job)
        seen, todo = set(), [key]
        while todo:
            for other in ahead[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        return (seen & {dataset for _, dataset in (*self.flows_in, *self.flows_out)}) - {key}

    def head(self, dataset: str, partition: str, as_of: int = 1 << 62) -> tuple[str, int]:
        """Return the version that readers of a partition saw, and when it was published."""
        before = [each for each in self.publications[dataset][partition] if each.at <= as_of]
        last = max(before, key=lambda each: each.epoch, default=None)
        return (version_key(last), last.at) if last else ("", 0)

    def newest_head(self, dataset: str, as_of: int = 1 << 62) -> str:
        heads = [self.head(dataset, partition, as_of) for partition in list(self.publications[dataset])]
        if any(key for key, _ in heads):
            return max(heads, key=lambda head: (head[1], head[0]))[0]
        written = [(write.at, key) for key, write in self.writes_of[dataset].items()]
        return max((each for each in written if each[0] <= as_of), default=(0, ""))[1]

    def ended(self, run: str) -> int:
        return self.ends[run].at if run in self.ends else 0

    def outcome(self, run: str) -> str:
        return self.ends[run].outcome if run in self.ends else ""

    def error(self, run: str) -> str:
        said = self.ends[run].error if run in self.ends else ""
        if self.outcome(run) != Ended.ABORTED:
            return said
        start = self.starts[run]
        causes = sorted(self.interruptions[task_key(start.task)])
        return next((why for at, why in causes if at >= start.at), said)

    def before(self, run: str, seen: set[str], clocks: int) -> str:
        """Return the run that this one had to wait for longest, an empty string if it waited for its build only."""
        start = self.starts[run]
        task = task_key(start.task)
        required = {p for needed in self.requires[task] for p in self.attempts[needed]}
        waited = {p for p in required if self.outcome(p) == Ended.COMPLETE}
        for other in self.required_by[task]:
            waited |= {p for p in self.attempts[other] if self.outcome(p) == Ended.SUSPENDED}
        allowed = {
            p
            for p in waited - seen
            if start.build < self.ended(p) <= start.at + clocks * (self.starts[p].host != start.host)
        }
        return max(allowed, key=lambda p: (self.ended(p), p), default="")

    def why_late(self, run: str, clocks: int = 0) -> list[tuple[str, float, float, float, int]]:
        """Return the critical path: of each run how long it waited, failed before and ran, and its failed attempts."""
        path: list[tuple[str, float, float, float, int]] = []
        seen: set[str] = set()
        while run:
            seen.add(run)
            start, before = self.starts[run], self.before(run, seen, clocks)
            ready = max(self.ended(before), start.build)
            spent = {
                p: self.ended(p) - max(self.starts[p].at, ready)
                for p in self.attempts[task_key(start.task)] - {run}
                if self.outcome(p) not in {"", Ended.COMPLETE} and ready < self.ended(p) <= start.at + clocks
            }
            failed = sum(time for p, time in spent.items() if self.outcome(p) != Ended.SUSPENDED)
            waited = max(0, start.at - ready - sum(spent.values()))
            ran = self.ended(run) - start.at + sum(spent.values()) - failed
            path.append((run, waited / SECOND, failed / SECOND, ran / SECOND, len(spent)))
            run = before
        return path

    def stale(self, now: int) -> dict[str, tuple[int, list[str], list[str], set[tuple[str, str]]]]:
        """Return of each stale dataset when it was updated, who writes it, who reads it, and which tasks wait."""
        found = {}
        for dataset in {dataset for _, dataset in self.flows_out}:
            heads = [self.head(dataset, partition)[0] for partition in list(self.publications[dataset])]
            written = list(self.writes_of[dataset].values())
            updated = max(self.writes[key].at for key in heads) if heads else max(write.at for write in written)
            promised = max(written, key=lambda write: write.at).max_age
            if promised and updated + promised * SECOND < now:
                writers = sorted(job for job, name in self.flows_out if name == dataset)
                readers = sorted(job for job, name in self.flows_in if name == dataset)
                found[dataset] = updated, writers, readers, self.waiting(set(writers))
        return found

    def is_complete(self, task: str) -> bool:
        return any(self.outcome(run) == Ended.COMPLETE for run in self.attempts[task])

    def waiting(self, writers: set[str]) -> set[tuple[str, str]]:
        return {
            (task, needed)
            for task, needs in list(self.requires.items())
            for needed in needs
            if self.job_of(needed) in writers and not self.is_complete(needed) and not self.is_complete(task)
        }

    def slow(self, since: int, ratio: float) -> dict[str, tuple[int, float, float]]:
        took: dict[str, list[float]] = defaultdict(list)
        for run, start in self.starts.items():
            if start.at >= since and self.outcome(run) == Ended.COMPLETE:
                took[job_key(start.task.job)].append((self.ended(run) - start.at) / SECOND)
        found = {}
        for job, values in took.items():
            if len(values) < 5:
                continue
            p50, p95 = statistics.median(values), _percentile(values, 0.95)
            if p95 > ratio * p50:
                found[job] = len(values), p50, p95
        return found

    def runs(self, job: str) -> list[str]:
        found = [run for run, start in self.starts.items() if job_key(start.task.job) == job]
        return sorted(found, key=lambda run: (-self.starts[run].at, run))


def _flow(event: Read | Write) -> tuple[int, bool]:
    return event.at, event.certainty is Certainty.OBSERVED


def _percentile(values: list[float], part: float) -> float:
    values = sorted(values)
    position = part * (len(values) - 1)
    low = int(position)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (position - low)
