"""Measures lineage in Neo4j: how fast one flusher delivers a long history, and how fast each question is answered.

    python benchmarks/lineage.py [days]

Runs on the local servers (`python -m luigi_sinks.testing.servers up neo4j`), whose lineage it
deletes. The history is made up: 200 jobs, in 455 days some 100,000 runs and 500,000 edges between
runs, versions and tasks. It is written to a spool of a file a day, and flushed. Each question is asked 20
times, of other things each time, and each answer is compared with that of a plain Python
model of the same history. Ends with 1 if an answer differs, or a bar is missed.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose neo4j.py is not the driver

from luigi.configuration import get_config

from luigi_sinks import config
from luigi_sinks.lineage import snapshot
from luigi_sinks.lineage.ask import Ask, asking, connection_settings
from luigi_sinks.lineage.flush import flush_once
from luigi_sinks.lineage.graph import schema
from luigi_sinks.lineage.questions import (
    comparison,
    durations,
    heads,
    job_runs,
    lateness,
    relations,
    staleness,
    writers,
)
from luigi_sinks.recording import settings as recording
from luigi_sinks.recording.events import Event
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.recording.spool import Spool
from luigi_sinks.testing import servers
from tests.lineage_history import DAY, History
from tests.lineage_model import Model, dataset_key, job_key

DAYS, JOBS = 455, 200
TIMES = 20
RATE = 5_000
"""Events a second that one flusher delivers at least."""
ANSWER, QUICK = 1.0, 0.2
"""Seconds that the median of a question takes at most: of any, and of those that are asked most."""


def delete_all(ask: Ask) -> None:
    """Delete what lineage there is, in transactions that fit into the server's memory."""
    for label in (*schema.LABELS, schema.SPOOL, schema.TURN):
        while ask(f"MATCH (n:{label}) WITH n LIMIT 2000 DETACH DELETE n RETURN count(*) AS count")[0]["count"]:
            pass


def spool(folder: Path, events: Sequence[Event], days: int) -> None:
    """Write events to as many files as days, of processes that have ended: in the middle of a run, as may be."""
    size = -(-len(events) // days)
    for start in range(0, len(events), size):
        file = Spool(folder, max_bytes=1 << 30)
        for event in events[start : start + size]:
            file.append(event)
        file.leave()


def flushed(settings: LineageSettings, events: int) -> bool:
    """Flush all, and return whether that was fast enough."""
    start, cpu = time.perf_counter(), time.process_time()
    report = flush_once(settings)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    delivered = sum(each.events for each in report.deliveries)
    print(f"flush: {delivered:,} events in {seconds:.1f} s: {delivered / seconds:,.0f}/s, {cpu:.1f} s CPU here")
    print(f"       {report}")
    return report.is_complete and delivered - report.aborted == events and delivered / seconds >= RATE


class Questions:
    """Asks, compares and measures."""

    def __init__(self, ask: Ask, history: History) -> None:
        self.ask = ask
        self.history = history
        self.model = Model(history.events)
        self.now = history.epoch + (history.days + 1) * DAY
        self.is_good = True
        chance = random.Random(1)
        self.runs = chance.sample(sorted(self.model.starts), TIMES)
        self.versions = chance.sample(sorted(self.model.writes), TIMES)
        self.datasets = [dataset_key(made.dataset) for made in chance.sample(list(history.made), TIMES)]
        self.jobs = [job_key(made.job) for made in chance.sample(list(history.made), TIMES)]
        self.models = [dataset_key(made.dataset) for made in history.made[-TIMES:]]

    def measure(
        self,
        name: str,
        bar: float,
        of: Iterable[Any],
        question: Callable[[Any], Any],
        expected: Callable[[Any], Any],
        got: Callable[[Any], Any] = lambda answer: answer,
    ) -> None:
        """Ask of each of a few things, and print how long that took."""
        took, wrong = [], 0
        for each in of:
            start = time.perf_counter()
            answer = question(each)
            took.append(time.perf_counter() - start)
            wrong += got(answer) != expected(each)
        is_good = not wrong and median(took) <= bar
        said = f"median {median(took) * 1000:7.1f} ms, longest {max(took) * 1000:7.1f} ms, bar {bar * 1000:.0f} ms"
        print(f"{name:42} {said}, {wrong} of {len(took)} wrong{'' if is_good else '  <-- missed'}")
        self.is_good = self.is_good and is_good

    def all(self) -> bool:
        """Ask every question; return whether all is as it should be."""
        self._paths()
        self._lateness()
        self._lists()
        return self.is_good

    def _paths(self) -> None:
        ask, model = self.ask, self.model
        last = [model.newest_head(dataset) for dataset in self.models]
        for name, bar, versions in (
            ("upstream of the last layer's heads", QUICK, last),
            ("upstream of any version", QUICK, self.versions),
        ):
            self.measure(
                name,
                bar,
                versions,
                lambda version: relations.upstream_of(ask, version),
                lambda version: model.by_dataset(model.upstream(version)),
                _by_dataset,
            )
        recursive = [dataset_key(made.dataset) for made in self.history.made if made.is_recursive]
        self.measure(
            "upstream of what builds on itself",
            ANSWER,
            [model.newest_head(dataset) for dataset in recursive * 5],
            lambda version: relations.upstream_of(ask, version),
            lambda version: model.by_dataset(model.upstream(version)),
            _by_dataset,
        )
        self.measure(
            "upstream of that, each version",
            ANSWER,
            [model.newest_head(dataset) for dataset in recursive * 5],
            lambda version: relations.upstream_of(ask, version, versions=True),
            lambda version: {key for key in model.upstream(version) if "#" in key},
            lambda answer: {each.key for each in answer.versions},
        )
        self.measure(
            "upstream of a run",
            QUICK,
            self.runs,
            lambda run: relations.upstream_of(ask, run),
            lambda run: model.by_dataset(model.upstream(run)),
            _by_dataset,
        )
        self.measure(
            "downstream of a version",
            ANSWER,
            self.versions,
            lambda version: relations.downstream_of(ask, version),
            lambda version: model.by_dataset(model.downstream(version)),
            _by_dataset,
        )
        self.measure(
            "upstream of a dataset",
            QUICK,
            self.datasets,
            lambda key: relations.upstream(ask, key),
            lambda key: model.by_dataset(model.upstream_of_dataset(key)),
            _by_dataset,
        )
        self.measure(
            "downstream of a dataset",
            QUICK,
            self.datasets,
            lambda key: relations.downstream(ask, key),
            lambda key: model.by_dataset(model.downstream_of_dataset(key)),
            _by_dataset,
        )
        self.measure(
            "upstream of a dataset that builds on itself",
            ANSWER,
            recursive,
            lambda key: relations.upstream(ask, key),
            lambda key: model.by_dataset(model.upstream_of_dataset(key)),
            _by_dataset,
        )
        self.measure(
            "upstream of a job",
            QUICK,
            self.jobs,
            lambda key: relations.upstream(ask, key),
            model.related,
            lambda answer: {each.dataset for each in answer.datasets},
        )
        half = self.history.epoch + self.history.days * DAY // 2
        self.measure(
            "the head as of a time",
            ANSWER,
            self.datasets,
            lambda key: heads.head(ask, key, as_of=half),
            lambda key: model.newest_head(key, half),
        )

    def _lateness(self) -> None:
        last = [self.model.runs(job_key(made.job))[0] for made in self.history.made[-TIMES:]]
        for name, runs in (("why late, any run", self.runs), ("why late, last layer", last)):
            self.measure(
                name,
                QUICK,
                runs,
                lambda run: lateness.why_late(self.ask, run, self.now),
                lambda run: [(each[0], round(each[1] + each[2] + each[3], 3)) for each in self.model.why_late(run)],
                lambda answer: [(step.run, round(step.waited + step.failed + step.ran, 3)) for step in answer.path],
            )

    def _lists(self) -> None:
        ask, model = self.ask, self.model
        stale = {key: found[:3] for key, found in model.stale(self.now).items()}
        self.measure(
            "stale",
            ANSWER,
            range(TIMES),
            lambda _: staleness.stale(ask, self.now),
            lambda _: stale,
            lambda answer: {
                each.dataset: (each.updated, list(each.writers), sorted(reader.job for reader in each.readers))
                for each in answer
            },
        )
        slow = model.slow(0, 2.0)
        self.measure(
            "slow, of all time",
            ANSWER,
            range(TIMES),
            lambda _: durations.slow(ask, 0),
            lambda _: {job: count for job, (count, _, _) in slow.items()},
            lambda answer: {each.job: each.count for each in answer},
        )
        self.measure(
            "runs of a job",
            ANSWER,
            self.jobs,
            lambda job: job_runs.runs(ask, job),
            lambda job: model.runs(job)[:50],
            lambda answer: [run.run for run in answer],
        )
        self.measure(
            "who wrote a version",
            ANSWER,
            self.versions,
            lambda version: writers.who_wrote(ask, version),
            lambda version: (model.writes[version].run, model.starts[model.writes[version].run].params),
            lambda answer: (answer.run, answer.params),
        )
        self.measure(
            "the difference of two runs",
            ANSWER,
            list(zip(self.runs, self.runs[1:], strict=False)),
            lambda pair: comparison.diff(ask, *pair),
            lambda pair: model.reads[pair[1]] - model.reads[pair[0]],
            lambda answer: {f"{each.name}#{version}" for each in answer.inputs for version in each.after if version},
        )
        start = time.perf_counter()
        found = snapshot.network(ask, now=self.now)
        seconds = time.perf_counter() - start
        print(f"all of it, for the page: {len(found.datasets)} datasets, {len(found.jobs)} jobs in {seconds:.1f} s")


def _by_dataset(answer: relations.Related) -> set[tuple[str, int, int, int]]:
    return {(each.dataset, each.versions, each.oldest, each.newest) for each in answer.datasets}


def main(days: int = DAYS) -> int:
    """Measure; return the exit status."""
    servers.up(["neo4j"])
    get_config().read_string(servers.config())
    history = History(days=days, jobs=JOBS).make()
    with TemporaryDirectory() as folder:
        get_config().read_dict({recording.SECTION: {"spool": f"{folder}/spool", "exit_seconds": "0"}})
        settings = config.read(LineageSettings, recording.SECTION)
        with asking(connection_settings(settings)) as ask:
            delete_all(ask)
        spool(settings.spool, history.events, days)
        print(f"{len(history.true):,} runs of {JOBS} jobs in {days} days: {len(history.events):,} events")
        is_good = flushed(settings, len(history.events))
        with asking(connection_settings(settings)) as ask:
            edges = ask("MATCH ()-[r:READ|BY|REQUIRES]->() RETURN count(r) AS count")[0]["count"]
            print(f"{edges:,} edges between runs, versions and tasks")
            is_good = Questions(ask, history).all() and is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
