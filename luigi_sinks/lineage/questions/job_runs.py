"""How the last runs of a job ended, and why one was aborted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.network import RunNode
from luigi_sinks.lineage.questions.rows import params
from luigi_sinks.recording.events import Ended


@dataclass(frozen=True)
class JobRun:
    """A run of a job; `outcome` is that of `luigi_sinks.recording.events.Ended`, empty while it runs.

    `message` is that of the error, as far as messages are recorded.
    """

    run: str
    task: str
    started: int
    ended: int = 0
    outcome: str = ""
    error: str = ""
    message: str = ""
    params: Mapping[str, str] = field(default_factory=dict[str, str])


_RUNS = """
MATCH (r:LineageRun {job: $job}) WHERE r.started > 0
WITH r ORDER BY r.started DESC, r.key LIMIT $most
MATCH (r)-[:OF]->(t:LineageTask)
RETURN r.key AS run, t.key AS task, r.started AS started, coalesce(r.ended, 0) AS ended,
       coalesce(r.outcome, '') AS outcome, coalesce(r.error, '') AS error, coalesce(r.message, '') AS message,
       r.params AS params, t.interruptions AS interruptions
ORDER BY started DESC, run"""


def runs(ask: Ask, job: str, *, most: int = 50) -> tuple[JobRun, ...]:
    """Return the last runs of a job, the newest first; why one was aborted is known if its parent saw it die."""
    return tuple(_run(row) for row in ask(_RUNS, job=job, most=most))


def _run(row: dict[str, Any]) -> JobRun:
    said, known = row.pop("interruptions") or (), params(row.pop("params"))
    found = JobRun(**row, params=known)
    return replace(found, error=cause(said, found) or found.error)


def cause(interruptions: Iterable[str], run: RunNode | JobRun) -> str:
    """Return why a run was aborted: the first interruption of its task after it began, if there is one.

    The process that died could not say it, and the one that saw it die knows the task only.
    """
    if run.outcome != Ended.ABORTED:
        return ""
    known = (each.split(" ", 1) for each in sorted(interruptions))
    return next((why for at, why in known if int(at) >= run.started), "")
