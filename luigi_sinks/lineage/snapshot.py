"""Reads from Neo4j what the page and Mermaid draw: datasets, jobs and flows, as they are or were at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.network import DatasetNode, Flow, JobNode, Network, RunNode, Step, VersionNode
from luigi_sinks.lineage.questions import flows, heads, job_runs, lateness, staleness
from luigi_sinks.lineage.questions.flows import FLOW
from luigi_sinks.recording.events import Check, Column

_VERSIONS = """
MATCH (d:LineageDataset)
CALL (d) {
  MATCH (d)<-[:OF]-(v:LineageVersion) WHERE coalesce(v.written, 0) <= $as_of
  RETURN v ORDER BY coalesce(v.written, 0) DESC, v.key DESC LIMIT $most
}
RETURN d.key AS dataset, v.key AS key, coalesce(v.run, '') AS run, coalesce(v.written, 0) AS written,
       coalesce(v.owner, '') AS owner, coalesce(v.rows, 0) AS rows, coalesce(v.set_aside, 0) AS set_aside,
       v.checks AS checks, CASE WHEN v.removed <= $as_of THEN v.removed ELSE 0 END AS removed,
       COLLECT { MATCH (v)<-[p:PUBLISHED]-() WHERE p.at <= $as_of RETURN p.at ORDER BY p.at } AS published,
       EXISTS {
           MATCH (v)<-[p:PUBLISHED]-(s:LineageSlot) WHERE p.at <= $as_of
             AND NOT EXISTS { MATCH (s)-[q:PUBLISHED]->() WHERE q.epoch > p.epoch AND q.at <= $as_of }
       } AS is_head
ORDER BY dataset, written DESC, key DESC"""
_DATASETS = """
MATCH (d:LineageDataset)
RETURN d.key AS key, d.namespace AS namespace, d.name AS name, coalesce(d.owner, '') AS owner,
       d.columns AS columns,
       COUNT { MATCH (d)<-[:OF]-(v:LineageVersion) WHERE coalesce(v.written, 0) <= $as_of } AS versions_count
ORDER BY key"""
_JOBS = """
MATCH (j:LineageJob)
CALL (j) {
  MATCH (r:LineageRun {job: j.key}) WHERE r.started <= $as_of
  WITH r ORDER BY r.started DESC, r.key LIMIT $last
  OPTIONAL MATCH (r)-[:OF]->(t:LineageTask)
  WITH r, t, CASE r.outcome WHEN 'complete' THEN (r.ended - r.started) / 1e6 END AS took
  RETURN collect(r {.key, .started, .ended, .outcome, .error, task: t.key, interruptions: t.interruptions})[..$most]
         AS runs, percentileCont(took, 0.5) AS p50, percentileCont(took, 0.95) AS p95
}
RETURN j.key AS key, j.namespace AS namespace, j.name AS name, coalesce(j.owner, '') AS owner, runs,
       coalesce(p50, 0.0) AS p50, coalesce(p95, 0.0) AS p95,
       COUNT { MATCH (r:LineageRun {job: j.key}) WHERE r.started <= $as_of } AS runs_count
ORDER BY key"""
_FLOWS = f"""
MATCH (u:LineageJob)-[f:READS]->(w:LineageDataset) WHERE f.first <= $as_of {FLOW}
UNION ALL
MATCH (u:LineageDataset)-[f:FROM]->(w:LineageJob) WHERE f.first <= $as_of {FLOW}"""

_TRAIL = """
MATCH (:LineageRun {key: $run})-[:BY|READ*0..]->(u) WITH DISTINCT u
MATCH (u)-[:BY|READ]->(w)
OPTIONAL MATCH (u)-[:OF]->(d:LineageDataset)
OPTIONAL MATCH (w)-[:OF]->(e:LineageDataset)
WITH DISTINCT coalesce(u.job, d.key, '') AS start, coalesce(w.job, e.key, w.key) AS end
RETURN start, end ORDER BY start, end"""
_PARAMETERS = "MATCH (r:LineageRun {key: $run}) RETURN coalesce(r.params, '') AS params"


def network(ask: Ask, *, now: int, as_of: int = 0, run: str = "", max_age: float = 0.0, most: int = 20) -> Network:
    """Return all datasets and jobs as they were at a time, by default now, with the critical path of a run if given.

    Of each dataset the last `most` versions are returned, of each job as many runs. `max_age` is that of
    datasets for which nothing else is promised.
    """
    as_of = as_of or now
    reads, writes = flows.split(ask(_FLOWS, as_of=as_of))
    found = Network(
        as_of,
        tuple(_datasets(ask, as_of, max_age, most, writes)),
        tuple(_job(row, as_of) for row in ask(_JOBS, as_of=as_of, most=most, last=lateness.LAST)),
        reads,
        writes,
    )
    return along(ask, found, lateness.why_late(ask, run, now).path) if run else found


def along(ask: Ask, found: Network, path: tuple[Step, ...]) -> Network:
    """Return a network with a critical path, and with what the run at its end was given and made of.

    If that is a task which has not run, it is the first run on the path whose data are followed.
    """
    ran = next((step.run for step in path if step.run), "")
    trail = tuple((row["start"], row["end"]) for row in ask(_TRAIL, run=ran)) if ran else ()
    return replace(found, path=path, trail=trail, parameters=_parameters(ask, path[0].run if path else ""))


def _parameters(ask: Ask, run: str) -> tuple[tuple[str, str], ...]:
    known = [row["params"] for row in ask(_PARAMETERS, run=run) if row["params"]] if run else []
    return tuple(sorted(msgspec.json.decode(known[0], type=dict[str, str]).items())) if known else ()


def _datasets(ask: Ask, as_of: int, max_age: float, most: int, writes: Iterable[Flow]) -> Iterator[DatasetNode]:
    versions = _versions(ask, as_of, most)
    updated = heads.updated(ask, as_of)
    promised = staleness.promised(ask, max_age)
    last = {flow.dataset: min(flow.last, as_of) for flow in sorted(writes, key=lambda flow: flow.last)}
    for row in ask(_DATASETS, as_of=as_of):
        key, columns = row["key"], row.pop("columns")
        of_dataset = versions.get(key, ())
        written = max((each.written for each in of_dataset), default=last.get(key, 0))
        yield DatasetNode(
            **row,
            updated=updated.get(key, written),
            max_age=promised.get(key, 0.0),
            versions=of_dataset,
            columns=msgspec.json.decode(columns, type=tuple[Column, ...]) if columns else (),
        )


def _versions(ask: Ask, as_of: int, most: int) -> dict[str, tuple[VersionNode, ...]]:
    found: dict[str, list[VersionNode]] = {}
    for row in ask(_VERSIONS, as_of=as_of, most=most):
        dataset, checks, published = row.pop("dataset"), row.pop("checks"), tuple(row.pop("published"))
        _, partition, version = row["key"].removeprefix(dataset).split("#", 2)
        known = msgspec.json.decode(checks, type=tuple[Check, ...]) if checks else ()
        node = VersionNode(**row, partition=partition, version=version, checks=known, published=published)
        found.setdefault(dataset, []).append(node)
    return {dataset: tuple(nodes) for dataset, nodes in found.items()}


def _job(row: dict[str, Any], as_of: int) -> JobNode:
    runs: list[dict[str, Any]] = row.pop("runs")
    return JobNode(**row, runs=tuple(_run(each, as_of) for each in runs))


def _run(row: Mapping[str, Any], as_of: int) -> RunNode:
    """Return a run as it was then: one that ended later was running."""
    started, ended = row["started"], row["ended"] or 0
    if not 0 < ended <= as_of:
        return RunNode(row["key"], row["task"] or "", started)
    found = RunNode(row["key"], row["task"] or "", started, ended, row["outcome"], row["error"] or "")
    return replace(found, error=job_runs.cause(row["interruptions"] or (), found) or found.error)
