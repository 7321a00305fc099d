"""Which jobs take very different times."""

from __future__ import annotations

from dataclasses import dataclass, replace

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.questions.job_runs import JobRun
from luigi_sinks.lineage.questions.rows import grouped


@dataclass(frozen=True)
class Slow:
    """A job whose runs take very different times, by those that completed: their number, median and 95th percentile.

    `outliers` are the runs that took the longest, the longest first: only those that took more than
    `ratio` times the median.
    """

    job: str
    owner: str
    count: int
    p50: float
    p95: float
    longest: float
    outliers: tuple[JobRun, ...] = ()


LEAST = 5
"""How many complete runs a job has at least."""

_DURATIONS = """
MATCH (r:LineageRun) WHERE r.started >= $since AND r.outcome = 'complete'
WITH r.job AS job, (r.ended - r.started) / 1e6 AS took
WITH job, count(*) AS count, percentileCont(took, 0.5) AS p50, percentileCont(took, 0.95) AS p95, max(took) AS longest
WHERE count >= $least AND p95 > $ratio * p50
OPTIONAL MATCH (j:LineageJob {key: job})
RETURN job, coalesce(j.owner, '') AS owner, count, p50, p95, longest ORDER BY p95 / p50 DESC, job"""
_OUTLIERS = """
UNWIND $jobs AS x
CALL (x) {
  MATCH (r:LineageRun {job: x[0]}) WHERE r.started >= $since AND r.outcome = 'complete'
    AND (r.ended - r.started) / 1e6 > x[1]
  RETURN r ORDER BY r.ended - r.started DESC, r.key LIMIT $most
}
MATCH (r)-[:OF]->(t:LineageTask)
RETURN x[0] AS job, r.key AS run, t.key AS task, r.started AS started, r.ended AS ended, r.outcome AS outcome
ORDER BY r.ended - r.started DESC, run"""


def slow(ask: Ask, since: int, *, ratio: float = 2.0, least: int = LEAST, most: int = 5) -> tuple[Slow, ...]:
    """Return the jobs with slow runs since a time: those whose 95th percentile is `ratio` times the median.

    The most uneven job comes first. Jobs with fewer than `least` complete runs are left out;
    of each at most `most` outliers are returned.
    """
    found = [Slow(**row) for row in ask(_DURATIONS, since=since, ratio=ratio, least=least)]
    jobs = [[each.job, each.p50 * ratio] for each in found]
    outliers = grouped(JobRun, ask(_OUTLIERS, jobs=jobs, since=since, most=most), by="job")
    return tuple(replace(each, outliers=outliers.get(each.job, ())) for each in found)
