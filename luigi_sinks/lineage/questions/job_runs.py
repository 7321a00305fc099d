"""How the last runs of a job ended, and why one was aborted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.network import RunNode
from luigi_sinks.recording.events import Ended

_RUNS = """
MATCH (r:LineageRun {job: $job}) WHERE r.started > 0
WITH r ORDER BY r.started DESC, r.key LIMIT $most
MATCH (r)-[:OF]->(t:LineageTask)
RETURN r.key AS key, t.key AS task, r.started AS started, coalesce(r.ended, 0) AS ended,
       coalesce(r.outcome, '') AS outcome, coalesce(r.error, '') AS error, t.interruptions AS interruptions
ORDER BY started DESC, key"""


def runs(ask: Ask, job: str, *, most: int = 50) -> tuple[RunNode, ...]:
    """Return the last runs of a job, the newest first; why one was aborted is known if its parent saw it die."""
    return tuple(_run(row) for row in ask(_RUNS, job=job, most=most))


def _run(row: dict[str, Any]) -> RunNode:
    said = row.pop("interruptions") or ()
    found = RunNode(**row)
    return replace(found, error=cause(said, found) or found.error)


def cause(interruptions: Iterable[str], run: RunNode) -> str:
    """Return why a run was aborted: the first interruption of its task after it began, if there is one.

    The process that died could not say it, and the one that saw it die knows the task only.
    """
    if run.outcome != Ended.ABORTED:
        return ""
    known = (each.split(" ", 1) for each in sorted(interruptions))
    return next((why for at, why in known if int(at) >= run.started), "")
