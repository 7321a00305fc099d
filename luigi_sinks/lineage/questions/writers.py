"""Who wrote a version: the run, its code and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.questions.rows import only, params


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
    row = only(ask(_WROTE, key=version), f"there is no version {version!r} in the lineage")
    known: dict[str, Any] = {"params": params(row["params"]), "published": tuple(row["published"])}
    return Writer(**{**row, **known})
