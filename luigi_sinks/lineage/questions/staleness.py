"""Which datasets are older than was promised, who reads them, and who waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.questions import heads
from luigi_sinks.lineage.questions.rows import grouped
from luigi_sinks.recording.clock import SECOND


@dataclass(frozen=True)
class Reader:
    """A job that reads a dataset, its owner, and when it last did."""

    job: str
    owner: str
    last: int


@dataclass(frozen=True)
class Waiting:
    """A task that is not complete, and that requires one which is to write a dataset and is not complete either."""

    task: str
    job: str
    needs: str


@dataclass(frozen=True)
class Stale:
    """A dataset that is older than was promised.

    `updated` is when the newest data that its readers see were written, `stale_from` when they
    became too old, `max_age` seconds later. `writers` are the jobs that write it, `readers`
    those that read it, the last one first.
    """

    dataset: str
    owner: str
    updated: int
    stale_from: int
    max_age: float
    writers: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = ()
    waiting: tuple[Waiting, ...] = ()


_PROMISED = """
MATCH (d:LineageDataset)-[:FROM]->(j:LineageJob)
WITH d, min(CASE WHEN j.max_age > 0 THEN j.max_age END) AS of_jobs
RETURN d.key AS key, coalesce(nullIf(d.max_age, 0.0), of_jobs, $max_age) AS max_age"""
_WRITTEN = """
MATCH (d:LineageDataset)-[f:FROM]->(j:LineageJob)
RETURN d.key AS key, coalesce(d.owner, '') AS owner, max(f.last) AS last, collect(j.key) AS writers"""
_READERS = """
UNWIND $keys AS key MATCH (d:LineageDataset {key: key})<-[f:READS]-(j:LineageJob)
RETURN key, j.key AS job, coalesce(j.owner, '') AS owner, f.last AS last ORDER BY last DESC, job"""
_WAITING = """
MATCH (t:LineageTask) WHERE t.seen >= $since AND NOT EXISTS { (t)<-[:OF]-(:LineageRun {outcome: 'complete'}) }
MATCH (t)-[:REQUIRES]->(u:LineageTask)-[:OF]->(w:LineageJob)<-[:FROM]-(d:LineageDataset)
WHERE NOT EXISTS { (u)<-[:OF]-(:LineageRun {outcome: 'complete'}) }
MATCH (t)-[:OF]->(j:LineageJob)
RETURN d.key AS key, t.key AS task, j.key AS job, u.key AS needs ORDER BY key, task, needs"""


def stale(ask: Ask, now: int, *, max_age: float = 0.0, seen: float = 2 * 86_400.0) -> tuple[Stale, ...]:
    """Return the datasets that are older than was promised, the oldest promise first.

    The promise is the `max_age` that the dataset's last writer gave, else the shortest one of
    the jobs that write it, else the `max_age` given here; 0 is none. A task waits if it is not
    complete, and was run or required in the last `seen` seconds.
    """
    updated, promises = heads.updated(ask, now), promised(ask, max_age)
    found = [_stale(row, updated, promises[row["key"]]) for row in ask(_WRITTEN)]
    old = sorted((each for each in found if 0 < each.stale_from < now), key=lambda x: (x.stale_from, x.dataset))
    readers = grouped(Reader, ask(_READERS, keys=[each.dataset for each in old]), by="key")
    waiting = grouped(Waiting, ask(_WAITING, since=now - round(seen * SECOND)), by="key")
    return tuple(
        replace(each, readers=readers.get(each.dataset, ()), waiting=waiting.get(each.dataset, ())) for each in old
    )


def promised(ask: Ask, max_age: float) -> dict[str, float]:
    """Return from which age on, in seconds, each dataset that a job writes is stale; 0 for never."""
    return {row["key"]: row["max_age"] for row in ask(_PROMISED, max_age=max_age)}


def _stale(row: Mapping[str, Any], updated: Mapping[str, int], promised: float) -> Stale:
    written = updated.get(row["key"], row["last"])
    until = written + round(promised * SECOND) if promised else 0
    return Stale(row["key"], row["owner"], written, until, promised, tuple(sorted(row["writers"])))
