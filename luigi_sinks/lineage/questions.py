"""Questions to the lineage in Neo4j, each a function that returns frozen dataclasses.

Times are microseconds since 1970 in UTC, 0 for one that is not known; durations are seconds.

Example (it needs a server):

    with asking(connection_settings(settings.read())) as ask:
        for each in stale(ask, clock.now()):
            print(each.dataset, each.waiting)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from luigi_sinks.errors import BadSetting
from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.network import Flow, RunNode
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Ended

T = TypeVar("T")

FOREVER = 1 << 62
"""Later than any time."""


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


_FLOW = "RETURN type(f) AS type, u.key AS start, w.key AS end, f.first AS first, f.last AS last, f.observed AS observed"

# Only for paths of one direction does the planner prune what was seen before; with DISTINCT, and without a bound.
_FLOWS = {
    "upstream": f"""
        MATCH (n:LineageDataset|LineageJob {{key: $key}})-[:FROM|READS*0..]->(u) WITH DISTINCT u
        MATCH (u)-[f:FROM|READS]->(w) {_FLOW}""",
    "downstream": f"""
        MATCH (n:LineageDataset|LineageJob {{key: $key}})<-[:FROM|READS*0..]-(w) WITH DISTINCT w
        MATCH (w)<-[f:FROM|READS]-(u) {_FLOW}""",
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
CALL (d) {{ MATCH (d)-[f:FROM]->(w) RETURN f, d AS u, w UNION MATCH (u)-[f:READS]->(d) RETURN f, u, d AS w }} {_FLOW}"""

_HEAD = """
MATCH (d:LineageDataset {key: $key})<-[:OF]-(s:LineageSlot)-[p:PUBLISHED]->(v:LineageVersion)
WHERE p.at <= $as_of AND ($partition IS NULL OR s.key = $key + '#' + $partition)
WITH s, p, v ORDER BY p.epoch DESC, p.at DESC
WITH s, collect([v.key, p.at])[0] AS head
RETURN head[0] AS key ORDER BY head[1] DESC, key DESC LIMIT 1"""
_NEWEST = """
MATCH (d:LineageDataset {key: $key})<-[:OF]-(v:LineageVersion)
WHERE v.written <= $as_of AND ($partition IS NULL OR v.key STARTS WITH $key + '#' + $partition + '#')
RETURN v.key AS key ORDER BY v.written DESC, key DESC LIMIT 1"""


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


def head(ask: Ask, dataset: str, *, as_of: int = FOREVER, partition: str | None = None) -> str:
    """Return the version of a dataset that readers saw at a time, an empty string if there was none.

    Of several partitions it is the one whose head was published last. Of a dataset that is not
    published in versions it is the version that was written last.
    """
    asked = {"key": dataset, "as_of": as_of, "partition": partition}
    found = ask(_HEAD, **asked) or ask(_NEWEST, **asked)
    return str(found[0]["key"]) if found else ""


def _related(ask: Ask, way: str, key: str) -> Related:
    reads, writes = flows(ask(_FLOWS[way], key=key))
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
    reads, writes = flows(ask(_AROUND, keys=sorted({start, *found})))
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


def flows(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[Flow, ...], tuple[Flow, ...]]:
    """Return what rows of flows hold: those into jobs and those into datasets, each sorted."""
    reads, writes = set[Flow](), set[Flow]()
    for row in rows:
        is_read, known = row["type"] == "READS", (row["first"], row["last"], row["observed"])
        job, dataset = (row["start"], row["end"]) if is_read else (row["end"], row["start"])
        (reads if is_read else writes).add(Flow(job, dataset, *known))
    return tuple(sorted(reads, key=_ends)), tuple(sorted(writes, key=_ends))


def _ends(flow: Flow) -> tuple[str, str]:
    return flow.job, flow.dataset


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


_UPDATED = """
MATCH (d:LineageDataset)<-[:OF]-(s:LineageSlot)-[p:PUBLISHED]->(v:LineageVersion) WHERE p.at <= $as_of
WITH d, s, max([p.epoch, p.at, coalesce(v.written, p.at)]) AS head
RETURN d.key AS key, max(head[2]) AS updated"""
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
    heads, promises = updated(ask, now), promised(ask, max_age)
    found = [_stale(row, heads, promises[row["key"]]) for row in ask(_WRITTEN)]
    old = sorted((each for each in found if 0 < each.stale_from < now), key=lambda x: (x.stale_from, x.dataset))
    readers = _grouped(Reader, ask(_READERS, keys=[each.dataset for each in old]))
    waiting = _grouped(Waiting, ask(_WAITING, since=now - round(seen * SECOND)))
    return tuple(
        replace(each, readers=readers.get(each.dataset, ()), waiting=waiting.get(each.dataset, ())) for each in old
    )


def updated(ask: Ask, as_of: int) -> dict[str, int]:
    """Return when the newest data were written that readers of each dataset saw at a time, if it has heads."""
    return {row["key"]: row["updated"] for row in ask(_UPDATED, as_of=as_of)}


def promised(ask: Ask, max_age: float) -> dict[str, float]:
    """Return the age in seconds at which each dataset that is written is stale, as `stale` has it."""
    return {row["key"]: row["max_age"] for row in ask(_PROMISED, max_age=max_age)}


def _stale(row: Mapping[str, Any], heads: Mapping[str, int], promised: float) -> Stale:
    written = heads.get(row["key"], row["last"])
    until = written + round(promised * SECOND) if promised else 0
    return Stale(row["key"], row["owner"], written, until, promised, tuple(sorted(row["writers"])))


def _grouped(kind: Callable[..., T], rows: Iterable[dict[str, Any]]) -> dict[str, tuple[T, ...]]:
    """Return what rows hold, by their `key`."""
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row.pop("key"), []).append(kind(**row))
    return {key: tuple(values) for key, values in found.items()}


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
    outliers: tuple[RunNode, ...] = ()


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
RETURN x[0] AS job, r.key AS key, t.key AS task, r.started AS started, r.ended AS ended, r.outcome AS outcome
ORDER BY r.ended - r.started DESC, key"""


def slow(ask: Ask, since: int, *, ratio: float = 2.0, least: int = 5, most: int = 5) -> tuple[Slow, ...]:
    """Return the jobs with slow runs since a time: those whose 95th percentile is `ratio` times the median.

    The most uneven job comes first. Jobs with fewer than `least` complete runs are left out;
    of each at most `most` outliers are returned.
    """
    found = [Slow(**row) for row in ask(_DURATIONS, since=since, ratio=ratio, least=least)]
    jobs = [[each.job, each.p50 * ratio] for each in found]
    outliers: dict[str, list[RunNode]] = {}
    for row in ask(_OUTLIERS, jobs=jobs, since=since, most=most):
        outliers.setdefault(row.pop("job"), []).append(RunNode(**row))
    return tuple(replace(each, outliers=tuple(outliers.get(each.job, ()))) for each in found)


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


@dataclass(frozen=True)
class Writer:
    """Who wrote a version, in which run, with what code and parameters.

    `published` is each time that the version became the head, `removed` when its rows were deleted.
    """

    version: str
    dataset: str
    written: int
    rows: int
    run: str
    job: str
    task: str
    owner: str
    started: int
    ended: int
    outcome: str
    params: dict[str, str]
    commit: str
    source: str
    host: str
    parent: str
    published: tuple[int, ...]
    removed: int


_WROTE = """
MATCH (v:LineageVersion {key: $key})-[:OF]->(d:LineageDataset)
OPTIONAL MATCH (r:LineageRun {key: v.run})
OPTIONAL MATCH (r)-[:OF]->(t:LineageTask)
RETURN v.key AS version, d.key AS dataset, coalesce(v.written, 0) AS written, coalesce(v.rows, 0) AS rows,
       coalesce(r.key, '') AS run, coalesce(r.job, '') AS job, coalesce(t.key, '') AS task,
       coalesce(v.owner, r.owner, '') AS owner, coalesce(r.started, 0) AS started, coalesce(r.ended, 0) AS ended,
       coalesce(r.outcome, '') AS outcome, r.params AS params, coalesce(r.commit, '') AS commit,
       coalesce(r.source, '') AS source, coalesce(r.host, '') AS host, coalesce(r.parent, '') AS parent,
       COLLECT { MATCH (v)<-[p:PUBLISHED]-() RETURN p.at ORDER BY p.at } AS published,
       coalesce(v.removed, 0) AS removed"""


def who_wrote(ask: Ask, version: str) -> Writer:
    """Return who wrote a version; of several runs that did, as may be of a plain file, the last one.

    Raises BadSetting for a version that nothing is known of.
    """
    found = ask(_WROTE, key=version)
    if not found:
        raise BadSetting(f"there is no version {version!r} in the lineage")
    row = found[0]
    known: dict[str, Any] = {"params": _mapping(row["params"]), "published": tuple(row["published"])}
    return Writer(**{**row, **known})


@dataclass(frozen=True)
class Change:
    """What differs between two runs: a parameter, a fact of the code, or the versions read of a dataset.

    `before` are the values that only the first run has, `after` those that only the second has. A version is
    its partition, if it has one, `#` and its id, and empty if it is not known.
    """

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """What differs between two runs; what is the same in both is left out."""

    before: str
    after: str
    inputs: tuple[Change, ...]
    params: tuple[Change, ...]
    code: tuple[Change, ...]


_INPUTS = """
MATCH (r:LineageRun {key: $key})
RETURN r.params AS params, coalesce(r.job, '') AS job, coalesce(r.commit, '') AS commit,
       coalesce(r.source, '') AS source,
       COLLECT { MATCH (r)-[:READ]->(v) OPTIONAL MATCH (v)-[:OF]->(d:LineageDataset)
                 RETURN [coalesce(d, v).key, v.key] ORDER BY v.key } AS inputs"""


def diff(ask: Ask, before: str, after: str) -> Difference:
    """Return what differs between two runs: the versions they read, their parameters, and their code.

    Raises BadSetting for a run that nothing is known of.
    """
    one, other = _facts(ask, before), _facts(ask, after)
    return Difference(before, after, *(_changes(one[about], other[about]) for about in ("inputs", "params", "code")))


def _facts(ask: Ask, run: str) -> dict[str, dict[str, tuple[str, ...]]]:
    found = ask(_INPUTS, key=run)
    if not found:
        raise BadSetting(f"there is no run {run!r} in the lineage")
    row, inputs = found[0], dict[str, tuple[str, ...]]()
    for dataset, version in row["inputs"]:
        inputs[dataset] = (*inputs.get(dataset, ()), version.removeprefix(dataset).lstrip("#"))
    return {
        "inputs": inputs,
        "params": {name: (value,) for name, value in _mapping(row["params"]).items()},
        "code": {name: (row[name],) for name in ("job", "source", "commit") if row[name]},
    }


def _changes(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> tuple[Change, ...]:
    """Return by name which values only one of the two has."""
    names = sorted({*before, *after})
    found = [Change(name, *_differing(before.get(name, ()), after.get(name, ()))) for name in names]
    return tuple(each for each in found if each.before or each.after)


def _differing(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(x for x in before if x not in after), tuple(x for x in after if x not in before)


def _mapping(text: str | None) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}
