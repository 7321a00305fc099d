"""Why a run was late: the critical path, from the run back to what its build began with.

The run before another one on the path is that which it had to wait for longest: of the runs
of all tasks that it requires, and that completed before it started, the one that ended last. It is
looked for, not stored, since an event that comes late may change it.

A task that asks for a dependency while it runs is suspended, and run again when the
dependency is complete. So the dependency had to wait for the run that was suspended, if for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.network import Attempt, RunNode, Step
from luigi_sinks.lineage.questions.job_runs import JobRun, cause
from luigi_sinks.lineage.questions.rows import only
from luigi_sinks.recording.clock import DAY, SECOND
from luigi_sinks.recording.events import Ended

CLOCKS = 5 * SECOND
"""How far apart the clocks of two hosts may be: a run may seem to start before the one ended that it waited for."""

WAITING = "waiting"
"""The outcome of a step that has no run yet."""

_LONGEST = 1_000
"""Steps, in case the records make no sense."""

_MOST_BLOCKS = 20
"""Of how many tasks that a task waits for it is said that they failed."""

LAST = 100
"""How many complete runs tell what is usual."""

# A run cannot have waited for what ended before its build began; where no build is known, for what ended a day ago.
_IN_TIME = """
    NOT p.key IN $seen AND p.ended <= r.started + CASE WHEN p.host = r.host THEN 0 ELSE $clocks END
    AND p.ended > CASE WHEN r.build > 0 THEN r.build ELSE r.started - $day END"""
_STEP = f"""
MATCH (r:LineageRun {{key: $run}})
OPTIONAL MATCH (r)-[:OF]->(t:LineageTask)
RETURN r.key AS run, coalesce(r.job, '') AS job, coalesce(t.key, '') AS task, coalesce(r.owner, '') AS owner,
       coalesce(r.started, 0) AS started, coalesce(r.ended, 0) AS ended, coalesce(r.outcome, '') AS outcome,
       coalesce(r.build, 0) AS build, coalesce(r.error, '') AS error, coalesce(t.interruptions, []) AS interruptions,
       COLLECT {{
           MATCH (t)-[:REQUIRES]->(:LineageTask)<-[:OF]-(p:LineageRun {{outcome: 'complete'}}) WHERE {_IN_TIME}
           RETURN [p.ended, p.key] ORDER BY p.ended DESC, p.key DESC LIMIT 1
       }} + COLLECT {{
           MATCH (t)<-[:REQUIRES]-(:LineageTask)<-[:OF]-(p:LineageRun {{outcome: 'suspended'}}) WHERE {_IN_TIME}
           RETURN [p.ended, p.key] ORDER BY p.ended DESC, p.key DESC LIMIT 1
       }} AS before,
       COLLECT {{
           MATCH (t)<-[:OF]-(p:LineageRun) WHERE p.outcome <> 'complete' AND {_IN_TIME}
           RETURN [p.key, p.outcome, p.started, p.ended, coalesce(p.error, '')] ORDER BY p.started, p.key
       }} AS attempts"""

_USUAL = """
UNWIND $jobs AS job
CALL (job) {
  MATCH (r:LineageRun {job: job}) WHERE r.started < $before AND r.outcome = 'complete'
  WITH r ORDER BY r.started DESC LIMIT $last
  RETURN percentileCont((r.ended - r.started) / 1e6, 0.5) AS ran,
         percentileCont((r.ended - nullIf(r.build, 0)) / 1e6, 0.5) AS took,
         percentileCont((r.ended - nullIf(r.build, 0)) / 1e6, 0.95) AS most
}
RETURN job, coalesce(ran, 0.0) AS ran, coalesce(took, 0.0) AS took, coalesce(most, 0.0) AS most"""

_BLOCKED = """
MATCH (t:LineageTask {key: $task}) OPTIONAL MATCH (t)-[:OF]->(j:LineageJob)
RETURN t.key AS task, coalesce(j.key, '') AS job, coalesce(j.owner, '') AS owner, t.seen AS seen,
       COLLECT {
           MATCH (t)-[:REQUIRES]->(u:LineageTask)
           WHERE NOT u.key IN $seen AND NOT EXISTS { (u)<-[:OF]-(:LineageRun {outcome: 'complete'}) }
           OPTIONAL MATCH (u)<-[:OF]-(r:LineageRun)
           WITH u, r ORDER BY r.started DESC, r.key WITH u, collect(r)[0] AS r
           ORDER BY CASE WHEN r IS NULL THEN 2 WHEN r.outcome IS NULL THEN 0 ELSE 1 END, r.started, u.key LIMIT $most
           RETURN {
               task: u.key, run: coalesce(r.key, ''), started: coalesce(r.started, 0), ended: coalesce(r.ended, 0),
               outcome: coalesce(r.outcome, ''), error: coalesce(r.error, ''),
               interruptions: coalesce(u.interruptions, [])
           }
       } AS blocks"""

# A worker with several processes lets a task wait only while all are busy; the job that ran longest stands for them.
_HELD = """
UNWIND $waits AS x
MATCH (r:LineageRun {key: x.run}) WHERE r.worker <> ''
CALL (r, x) {
  MATCH (b:LineageRun) WHERE b.started >= x.began AND b.started < r.started
    AND b.worker = r.worker AND b.host = r.host AND coalesce(b.ended, r.started) > x.ready
    AND NOT EXISTS { (b)-[:OF]->(:LineageTask)<-[:OF]-(r) }
  WITH b, CASE WHEN b.ended < r.started THEN b.ended ELSE r.started END
        - CASE WHEN b.started > x.ready THEN b.started ELSE x.ready END AS held
  WITH b.job AS job, max(coalesce(b.owner, '')) AS owner, sum(held) AS held ORDER BY held DESC, job LIMIT 1
  WITH job, owner, held WHERE held / 1e6 > x.waited / 2
  RETURN job, owner
}
RETURN r.key AS run, job AS held_by, owner AS held_by_owner"""

_LAST_OF_JOB = """
MATCH (t:LineageTask)-[:OF]->(:LineageJob {key: $job})
OPTIONAL MATCH (t)<-[:OF]-(r:LineageRun)
WITH t, r ORDER BY t.seen DESC, t.key, r.started DESC, r.key LIMIT 1
RETURN t.key AS task, coalesce(r.key, '') AS run"""

_LAST_OF_TASK = """
MATCH (t:LineageTask {key: $task})
OPTIONAL MATCH (t)<-[:OF]-(r:LineageRun)
RETURN coalesce(r.key, '') AS run ORDER BY r.started DESC, r.key LIMIT 1"""


@dataclass(frozen=True)
class Lateness:
    """Why a run ended when it did.

    `path` begins with the run, and leads to what its build began with. `took` are the seconds from the
    build's start to the run's end, or until now; `usual` is the median of that for the last
    hundred complete runs of the job before, and `most` their 95th percentile. All are 0 where
    they are not known.

    Of a task that has no run yet, `failed` are the last runs of tasks on the path, and of what they require, that
    failed or were aborted; `build_ended` says that the process that was to run it died, so that it never will.
    """

    path: tuple[Step, ...]
    took: float = 0.0
    usual: float = 0.0
    most: float = 0.0
    failed: tuple[JobRun, ...] = ()
    build_ended: bool = False

    @property
    def is_late(self) -> bool:
        """Tell whether the run took longer than 95 of 100 before it."""
        return not self.build_ended and 0 < self.most < self.took

    @property
    def has_failed(self) -> bool:
        """Tell whether the run failed or was aborted, or cannot run as others did."""
        return bool(self.failed) or self.path[0].outcome in {Ended.FAILED, Ended.ABORTED}

    @property
    def worst(self) -> Step:
        """The step that cost the most above what is usual for its job: waiting and failed attempts, and a slow run."""
        return max(self.path, key=lambda step: step.waited + step.failed + step.ran - step.usual)


def why_late(ask: Ask, run: str, now: int) -> Lateness:
    """Return why a run ended when it did, or, if it has not ended, why it has not by `now`.

    Raises BadSetting for a run that nothing is known of.
    """
    return _told(ask, list(_path(ask, run, now)), now)


def why_waiting(ask: Ask, task: str, now: int) -> Lateness:
    """Return why a task does not run by `now`: the tasks that it waits for, down to one that runs, or that failed.

    Raises BadSetting for a task that nothing is known of.
    """
    steps, run, blocks = list[Step](), "", dict[str, dict[str, Any]]()
    while task and not run and len(steps) < _LONGEST:
        row = _only(ask(_BLOCKED, task=task, seen=[step.task for step in steps], most=_MOST_BLOCKS), task)
        steps.append(Step("", row["job"], row["task"], row["owner"], 0, 0, 0, WAITING, 0.0, 0.0, 0.0))
        blocks.update({each["run"]: each for each in row["blocks"] if each["ended"] >= row["seen"]})
        task, run = (row["blocks"][0]["task"], row["blocks"][0]["run"]) if row["blocks"] else ("", "")
    answer = _told(ask, [(step, 0) for step in steps] + list(_path(ask, run, now) if run else ()), now)
    failed = [_failed(each) for each in blocks.values() if each["outcome"] in {Ended.FAILED, Ended.ABORTED}]
    return replace(answer, failed=tuple(each for each, _ in failed), build_ended=any(died for _, died in failed))


def _failed(row: Mapping[str, Any]) -> tuple[JobRun, bool]:
    """Return a run that did not complete, and whether the process that was to run the rest died with it.

    That is so if a run was aborted, and no process above it lived to see by what.
    """
    found = JobRun(**{name: row[name] for name in ("run", "task", "started", "ended", "outcome", "error")})
    why = cause(row["interruptions"], found)
    return replace(found, error=why or found.error), found.outcome == Ended.ABORTED and not why


def why_task(ask: Ask, task: str, now: int) -> Lateness:
    """Return why the last run of a task ended when it did, or why it waits; see `why_waiting`."""
    row = _only(ask(_LAST_OF_TASK, task=task), task)
    return why_late(ask, row["run"], now) if row["run"] else why_waiting(ask, task, now)


def why_job(ask: Ask, job: str, now: int) -> Lateness:
    """Return why the last task of a job ended when it did, or why it waits. Raises BadSetting if it has none."""
    row = _only(ask(_LAST_OF_JOB, job=job), job)
    return why_late(ask, row["run"], now) if row["run"] else why_waiting(ask, row["task"], now)


def _path(ask: Ask, run: str, now: int) -> Iterator[tuple[Step, int]]:
    """Yield each step, and when its build began."""
    seen: list[str] = []
    while run and len(seen) < _LONGEST:
        seen.append(run)
        row = _only(ask(_STEP, run=run, seen=seen, clocks=CLOCKS, day=DAY), run)
        ended, run = max(row["before"], default=(0, ""))
        yield _step(row, max(ended, row["build"]) or row["started"], now), row["build"]


def _step(row: Mapping[str, Any], ready: int, now: int) -> Step:
    attempts = tuple(_attempt(each, row["interruptions"]) for each in row["attempts"] if each[3] > ready)
    failed = _spent((each for each in attempts if each.outcome != Ended.SUSPENDED), ready)
    suspended = _spent((each for each in attempts if each.outcome == Ended.SUSPENDED), ready)
    itself = _attempt([row[name] for name in ("run", "outcome", "started", "ended", "error")], row["interruptions"])
    return Step(
        **{name: row[name] for name in ("run", "job", "task", "owner", "started", "ended", "outcome")},
        ready=ready,
        waited=max(0, row["started"] - ready - failed - suspended) / SECOND,
        failed=failed / SECOND,
        ran=(suspended + max(0, (row["ended"] or now) - row["started"])) / SECOND,
        attempts=attempts,
        error=itself.error,
        paused=_paused(attempts, row["started"]),
    )


def _spent(attempts: Iterable[Attempt], ready: int) -> int:
    """Return how long attempts took from the time on when the task could start."""
    return sum(each.ended - max(each.started, ready) for each in attempts)


def _paused(attempts: Sequence[Attempt], started: int) -> float:
    """Return the seconds between the first attempt that failed and the start of the run, without later attempts."""
    first = next((each.ended for each in attempts if each.outcome != Ended.SUSPENDED), started)
    return max(0, started - first - _spent((each for each in attempts if each.started >= first), first)) / SECOND


def _attempt(found: list[Any], interruptions: Iterable[str]) -> Attempt:
    run, outcome, started, ended, error = found
    why = cause(interruptions, RunNode(run, "", started, ended, outcome))
    return Attempt(run, outcome, started, ended, why or error)


def _told(ask: Ask, path: list[tuple[Step, int]], now: int) -> Lateness:
    """Add what is usual."""
    first, builds = path[0][0], [build for _, build in path if build]
    jobs = sorted({step.job for step, _ in path})
    usual = {row["job"]: row for row in ask(_USUAL, jobs=jobs, before=first.started or now, last=LAST)}
    took = (first.ended or now) - builds[0] if builds else 0
    held = {row.pop("run"): row for row in ask(_HELD, waits=_waits(path))}
    steps = tuple(replace(step, usual=usual[step.job]["ran"], **held.get(step.run, {})) for step, _ in path)
    return Lateness(steps, took / SECOND, usual[first.job]["took"], usual[first.job]["most"])


def _waits(path: Iterable[tuple[Step, int]]) -> list[dict[str, Any]]:
    """Return which runs waited from when on, and from when on another run of their worker is looked for."""
    return [
        {"run": step.run, "ready": step.ready, "waited": step.waited, "began": max(build, step.ready - DAY)}
        for step, build in path
        if step.run and step.waited
    ]


def _only(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return only(rows, f"nothing is known of {key!r} in the lineage")
