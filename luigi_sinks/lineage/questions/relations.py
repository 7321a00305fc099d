"""What is up- and downstream of a dataset, a job, a version or a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.network import Flow
from luigi_sinks.lineage.questions import flows
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
    flows between them, and `versions` is empty unless they were asked for.
    """

    of: str
    datasets: tuple[Use, ...]
    reads: tuple[Flow, ...]
    writes: tuple[Flow, ...]
    versions: tuple[UsedVersion, ...] = ()

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
        MATCH (n:LineageVersion|LineageRun {key: $key})-[:BY|READ*1..]->(u)
        WITH DISTINCT u WHERE u:LineageVersion OR u:LineageDataset""",
    "downstream": """
        MATCH (n:LineageVersion|LineageRun {key: $key})<-[:BY|READ*1..]-(u)
        WITH DISTINCT u WHERE u:LineageVersion""",
}
_BY_DATASET = """
OPTIONAL MATCH (u)-[:OF]->(d:LineageDataset)
RETURN coalesce(d, u).key AS dataset, count(d) AS versions, coalesce(min(u.written), 0) AS oldest,
       coalesce(max(u.written), 0) AS newest ORDER BY dataset"""
# A list for each dataset: rows of their own would take the driver longer than the search.
_EACH = """
OPTIONAL MATCH (u)-[:OF]->(d:LineageDataset)
RETURN coalesce(d, u).key AS dataset,
       collect(CASE WHEN d IS NOT NULL THEN [coalesce(u.written, 0), u.key, coalesce(u.run, '')] END) AS versions
ORDER BY dataset"""

_START = """
MATCH (n:LineageVersion|LineageRun {key: $key})
OPTIONAL MATCH (n)-[:OF]->(d:LineageDataset) RETURN coalesce(d.key, n.job, '') AS key"""
_AROUND = f"""
UNWIND $keys AS key MATCH (d:LineageDataset {{key: key}})
CALL (d) {{ MATCH (d)-[f:FROM]->(w) RETURN f, d AS u, w UNION MATCH (u)-[f:READS]->(d) RETURN f, u, d AS w }} {FLOW}"""


def upstream(ask: Ask, key: str) -> Related:
    """Return the datasets that feed a dataset or a job, as long as anything is known, and the jobs between."""
    return _related(ask, "upstream", key)


def downstream(ask: Ask, key: str) -> Related:
    """Return the datasets that a dataset or a job feeds, and the jobs between."""
    return _related(ask, "downstream", key)


def upstream_of(ask: Ask, key: str, *, versions: bool = False) -> Related:
    """Return what went into a version, or into what a run did: exactly those versions, however far back.

    A dataset whose versions are not known is named, and what went into it is not.
    """
    return _used(ask, "upstream", key, versions=versions)


def downstream_of(ask: Ask, key: str, *, versions: bool = False) -> Related:
    """Return the versions that a version went into."""
    return _used(ask, "downstream", key, versions=versions)


def _related(ask: Ask, way: str, key: str) -> Related:
    reads, writes = flows.split(ask(_FLOWS[way], key=key))
    names = {flow.dataset for flow in (*reads, *writes)} - {key}
    return Related(key, tuple(map(Use, sorted(names))), reads, writes)


def _used(ask: Ask, way: str, key: str, *, versions: bool) -> Related:
    if versions:
        rows = ask(_USED[way] + _EACH, key=key)
        each = tuple(_version(row["dataset"], found) for row in rows for found in sorted(row["versions"]))
        datasets = tuple(_use(row) for row in rows)
    else:
        each, datasets = (), tuple(Use(**row) for row in ask(_USED[way] + _BY_DATASET, key=key))
    start, found = ask(_START, key=key)[0]["key"], {each.dataset for each in datasets}
    reads, writes = flows.split(ask(_AROUND, keys=sorted({start, *found})))
    made = found | {start} if way == "upstream" else found
    jobs = {start, *(flow.job for flow in writes if flow.dataset in made)}
    return Related(key, datasets, _of(jobs, reads), _of(jobs, writes), each)


def _version(dataset: str, found: Sequence[Any]) -> UsedVersion:
    written, key, run = found
    return UsedVersion(key, dataset, written, run)


def _use(row: Mapping[str, Any]) -> Use:
    known = [written for written, *_ in row["versions"] if written]
    return Use(row["dataset"], len(row["versions"]), min(known, default=0), max(known, default=0))


def _of(jobs: set[str], flows: Iterable[Flow]) -> tuple[Flow, ...]:
    return tuple(flow for flow in flows if flow.job in jobs)
