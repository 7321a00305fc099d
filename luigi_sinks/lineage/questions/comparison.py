"""What differs between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.graph.keys import within
from luigi_sinks.lineage.questions.rows import only, params


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
    """What differs between two runs; what is the same in both is left out.

    `outcomes` are how the two ended, and `took` the seconds that they took, 0 where their end is not known.
    """

    before: str
    after: str
    inputs: tuple[Change, ...]
    params: tuple[Change, ...]
    code: tuple[Change, ...]
    outcomes: tuple[str, str]
    took: tuple[float, float]


_FACTS = """
MATCH (r:LineageRun {key: $key})
RETURN r.params AS params, coalesce(r.job, '') AS job, coalesce(r.commit, '') AS commit,
       coalesce(r.source, '') AS source, coalesce(r.digest, '') AS digest, coalesce(r.outcome, '') AS outcome,
       coalesce((r.ended - r.started) / 1e6, 0.0) AS took,
       COLLECT { MATCH (r)-[:READ]->(v) OPTIONAL MATCH (v)-[:OF]->(d:LineageDataset)
                 RETURN [coalesce(d, v).key, v.key] ORDER BY v.key } AS inputs"""


def diff(ask: Ask, before: str, after: str) -> Difference:
    """Return what differs between two runs: the versions they read, their parameters, and their code.

    Raises BadSetting for a run that nothing is known of.
    """
    one, other = (only(ask(_FACTS, key=run), f"there is no run {run!r} in the lineage") for run in (before, after))
    return Difference(
        before,
        after,
        _changes(_inputs(one), _inputs(other)),
        _changes(_params(one), _params(other)),
        _changes(*_code(one, other)),
        (one["outcome"], other["outcome"]),
        (one["took"], other["took"]),
    )


def _inputs(row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for dataset, version in row["inputs"]:
        found[dataset] = (*found.get(dataset, ()), within(dataset, version))
    return found


def _params(row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: (value,) for name, value in params(row["params"]).items()}


def _code(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], ...]:
    """Return what is known of the code; the path of a file is the same with and without that of its checkout."""
    shorter, longer = sorted((one["source"], other["source"]), key=len)
    is_same = one["digest"] == other["digest"] != "" and f"/{longer}".endswith(f"/{shorter.lstrip('/')}")
    names = ("job", *([] if is_same else ["source"]), "digest", "commit")
    return tuple({name: (row[name],) for name in names if row[name]} for row in (one, other))


def _changes(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> tuple[Change, ...]:
    """Return by name which values only one of the two has."""
    names = sorted({*before, *after})
    found = [Change(name, *_differing(before.get(name, ()), after.get(name, ()))) for name in names]
    return tuple(each for each in found if each.before or each.after)


def _differing(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(x for x in before if x not in after), tuple(x for x in after if x not in before)
