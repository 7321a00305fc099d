"""What is up- and downstream of a dataset, a job, a version or a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.network import Flow
from luigi_sinks.lineage.questions import flows, heads
from luigi_sinks.lineage.questions.flows import FLOW


@dataclass(frozen=True)
class Use:
    """A dataset up- or downstream of what was asked about.

    `versions` counts those that are, `oldest` and `newest` are when the first and the last of
    them were written. All are 0 where no version is known: if the question was of a dataset or a
    job, or if the dataset has no versions.
    """

    dataset: str
    versions: int = 0
    oldest: int = 0
    newest: int = 0


@dataclass(frozen=True)
class UsedVersion:
    """One version up- or downstream, and the run that wrote it."""

    key: str
    dataset: str
    written: int
    run: str


@dataclass(frozen=True)
class Related:
    """What is upstream or downstream of a dataset, a job, a version or a run.

    `of` is the key of that, `datasets` are in the order of their names, `reads` and `writes` are what
    flows between them, and `versions` is empty unless they were asked for. `starts` are the versions or the run that
    answer for `of`; if there are none, the answer is by job: what any run of each job read and wrote. `requires` are
    the jobs that the tasks of a job require, if it read nothing.
    """

    of: str
    datasets: tuple[Use, ...]
    reads: tuple[Flow, ...]
    writes: tuple[Flow, ...]
    versions: tuple[UsedVersion, ...] = ()
    starts: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    @property
    def jobs(self) -> tuple[str, ...]:
        """The keys of the jobs that read or write these datasets, sorted."""
        return tuple(sorted({flow.job for flow in (*self.reads, *self.writes)}))


# Only for paths of one direction does the planner prune what was seen before; with DISTINCT, and without a bound.
_FLOWS = {
    "upstream": f"""
        MATCH (n:LineageDataset|LineageJob {{key: $key}})-[:FROM|READS*0..]->(u) WITH DISTINCT u
        MATCH (u)-[f:FROM|READS]->(w) {FLOW}""",
    "downstream": f"""
        MATCH (n:LineageDataset|LineageJob {{key: $key}})<-[:FROM|READS*0..]-(w) WITH DISTINCT w
        MATCH (w)<-[f:FROM|READS]-(u) {FLOW}""",
}
_USED = {
    "upstream": """
        UNWIND $keys AS key MATCH (n:LineageVersion|LineageRun {key: key})-[:BY|READ*1..]->(u) WITH DISTINCT u""",
    "downstream": """
        UNWIND $keys AS key MATCH (n:LineageVersion|LineageRun {key: key})<-[:BY|READ*1..]-(u) WITH DISTINCT u""",
}
# The jobs of the runs on the way, and what is not a run; there is always a row, so that jobs are told without data.
_PARTED = """
WITH collect(DISTINCT u.job) AS jobs, collect(CASE WHEN NOT u:LineageRun THEN u END) AS data
UNWIND CASE WHEN data = [] THEN [null] ELSE data END AS u
OPTIONAL MATCH (u)-[:OF]->(d:LineageDataset)"""
_BY_DATASET = f"""{_PARTED}
RETURN jobs, coalesce(d, u).key AS key, count(d) AS versions, coalesce(min(u.written), 0) AS oldest,
       coalesce(max(u.written), 0) AS newest ORDER BY key"""
# A list for each dataset: rows of their own would take the driver longer than the search.
_EACH = f"""{_PARTED}
RETURN jobs, coalesce(d, u).key AS key,
       collect(CASE WHEN d IS NOT NULL THEN [coalesce(u.written, 0), u.key, coalesce(u.run, '')] END) AS versions
ORDER BY key"""

_START = """
UNWIND $keys AS key MATCH (n:LineageVersion|LineageRun {key: key})
OPTIONAL MATCH (n)-[:OF]->(d:LineageDataset) RETURN DISTINCT coalesce(d.key, n.job, '') AS key"""
_REQUIRED = """
MATCH (:LineageJob {key: $key})<-[:OF]-(:LineageTask)-[:REQUIRES]->(:LineageTask)-[:OF]->(j:LineageJob)
RETURN DISTINCT j.key AS key ORDER BY key"""
_OF_ITSELF = """
MATCH (n:LineageVersion {key: $key})-[:BY|READ*1..]->(u) WITH DISTINCT u
MATCH (u)-[:OF]->(:LineageDataset {key: $dataset}) RETURN u.key AS key"""
_AROUND = f"""
UNWIND $keys AS key MATCH (d:LineageDataset {{key: key}})
CALL (d) {{ MATCH (d)-[f:FROM]->(w) RETURN f, d AS u, w UNION MATCH (u)-[f:READS]->(d) RETURN f, u, d AS w }} {FLOW}"""


def upstream(ask: Ask, key: str, *, versions: bool = False) -> Related:
    """Return what a dataset is made of: what went into the versions that its readers see, see `heads.present`.

    Of a job, and of a dataset without versions, it is by job: what feeds it as long as anything is known.
    """
    starts = heads.present(ask, key)
    if not starts:
        return _by_job(ask, "upstream", key)
    made_of = {row["key"] for row in ask(_OF_ITSELF, key=starts[0], dataset=key)}  # what builds on its yesterday
    keys = [start for start in starts if start not in made_of]
    return replace(_used(ask, "upstream", keys, versions=versions), of=key, starts=starts)


def downstream(ask: Ask, key: str, *, versions: bool = False) -> Related:
    """Return what the versions of a dataset that were written last went into, see `heads.written`.

    Of a job, and of a dataset without versions, it is by job: what it feeds as long as anything is known.
    """
    starts = heads.written(ask, key)
    if not starts:
        return _by_job(ask, "downstream", key)
    return replace(_used(ask, "downstream", starts, versions=versions), of=key)


def upstream_of(ask: Ask, key: str, *, versions: bool = False) -> Related:
    """Return what went into a version, or into what a run did: exactly those versions, however far back.

    A dataset whose versions are not known is named, and what went into it is not.
    """
    return _used(ask, "upstream", [key], versions=versions)


def downstream_of(ask: Ask, key: str, *, versions: bool = False) -> Related:
    """Return the versions that a version went into."""
    return _used(ask, "downstream", [key], versions=versions)


def _by_job(ask: Ask, way: str, key: str) -> Related:
    reads, writes = flows.split(ask(_FLOWS[way], key=key))
    names = {flow.dataset for flow in (*reads, *writes)} - {key}
    requires = () if names or way == "downstream" else tuple(row["key"] for row in ask(_REQUIRED, key=key))
    return Related(key, tuple(map(Use, sorted(names))), reads, writes, requires=requires)


def _used(ask: Ask, way: str, keys: Sequence[str], *, versions: bool) -> Related:
    rows = ask(_USED[way] + (_EACH if versions else _BY_DATASET), keys=keys)
    data = [row for row in rows if row["key"]]
    each = [_version(row["key"], found) for row in data for found in sorted(row["versions"])] if versions else ()
    starts = {row["key"] for row in ask(_START, keys=keys)}
    reads, writes = flows.split(ask(_AROUND, keys=sorted({*starts, *(row["key"] for row in data)})))
    jobs = {*starts, *rows[0]["jobs"]}
    uses = tuple(map(_use, data))
    return Related(keys[0], uses, _of(jobs, reads), _of(jobs, writes), tuple(each), tuple(keys))


def _version(dataset: str, found: Sequence[Any]) -> UsedVersion:
    written, key, run = found
    return UsedVersion(key, dataset, written, run)


def _use(row: Mapping[str, Any]) -> Use:
    if "oldest" in row:
        return Use(row["key"], row["versions"], row["oldest"], row["newest"])
    known = [written for written, *_ in row["versions"] if written]
    return Use(row["key"], len(row["versions"]), min(known, default=0), max(known, default=0))


def _of(jobs: set[str], flows: Iterable[Flow]) -> tuple[Flow, ...]:
    return tuple(flow for flow in flows if flow.job in jobs)
