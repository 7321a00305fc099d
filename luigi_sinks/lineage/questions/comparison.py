"""What differs between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from luigi_sinks.lineage.ask import Ask
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
    row = only(ask(_INPUTS, key=run), f"there is no run {run!r} in the lineage")
    inputs: dict[str, tuple[str, ...]] = {}
    for dataset, version in row["inputs"]:
        inputs[dataset] = (*inputs.get(dataset, ()), version.removeprefix(dataset).lstrip("#"))
    return {
        "inputs": inputs,
        "params": {name: (value,) for name, value in params(row["params"]).items()},
        "code": {name: (row[name],) for name in ("job", "source", "commit") if row[name]},
    }


def _changes(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> tuple[Change, ...]:
    """Return by name which values only one of the two has."""
    names = sorted({*before, *after})
    found = [Change(name, *_differing(before.get(name, ()), after.get(name, ()))) for name in names]
    return tuple(each for each in found if each.before or each.after)


def _differing(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(x for x in before if x not in after), tuple(x for x in after if x not in before)
