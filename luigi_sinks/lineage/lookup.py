"""Finds what a user means: a dataset, a job, a run or a version, by its key in the graph or by the end of its name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.graph import keys

_SHOWN = 5

_NAMED = """
MATCH (n:{label}) WHERE n.name = $text OR n.name ENDS WITH '.' + $text OR n.name ENDS WITH '/' + $text
RETURN n.key AS key ORDER BY key LIMIT 20"""
_NAMES = "MATCH (n:{label}) RETURN DISTINCT n.name AS name LIMIT 10000"
_BY_KEY = "MATCH (n:{label} {{key: $text}}) RETURN n.key AS key"
_BY_START = "MATCH (n:LineageRun) WHERE n.key STARTS WITH $text RETURN n.key AS key ORDER BY key LIMIT 20"
_BY_VERSION = "MATCH (n:LineageVersion {version: $text}) RETURN n.key AS key ORDER BY key LIMIT 20"
_TASK_BY_END = "MATCH (n:LineageTask) WHERE n.key ENDS WITH '/' + $text RETURN n.key AS key ORDER BY key LIMIT 20"
_LAST_RUNS = """
MATCH (r:LineageRun {job: $job}) WHERE r.started > 0
RETURN r.key AS key ORDER BY r.started DESC, key LIMIT $most"""
_LAST_RUN_OF_TASK = """
MATCH (:LineageTask {key: $task})<-[:OF]-(r:LineageRun)
RETURN r.key AS key ORDER BY r.started DESC, key LIMIT 1"""

_SHORTEST = 6
"""Characters of a run's key that are enough to name it."""


def dataset(ask: Ask, text: str) -> str:
    """Return the key of a dataset, given that, its name, or the end of it after a dot or slash.

    Raises BadSetting if there is none, or several.
    """
    return find_dataset(ask, text) or _unknown(ask, text, "dataset", "LineageDataset")


def find_dataset(ask: Ask, text: str) -> str:
    """Return the key of a dataset as `dataset` does, an empty string if there is none."""
    return _one(_found(ask, "LineageDataset", keys.from_shown(text)), text, "dataset")


def job(ask: Ask, text: str, *, what: str = "job") -> str:
    """Return the key of a job, as `dataset` does; `what` is what an error says that there is none of."""
    return find_job(ask, text) or _unknown(ask, text, what, "LineageJob")


def find_job(ask: Ask, text: str) -> str:
    """Return the key of a job as `job` does, an empty string if there is none."""
    return _one(_found(ask, "LineageJob", text), text, "job")


def node(ask: Ask, text: str) -> str:
    """Return the key of a dataset or of a job, as `dataset` does; of two with the same name, the dataset's."""
    found = find_dataset(ask, text) or find_job(ask, text)
    return found or _unknown(ask, text, "dataset or job", "LineageDataset", "LineageJob")


def run(ask: Ask, text: str) -> str:
    """Return the key of a run, given that or at least six characters of its start, or the last run of a job or task.

    Raises BadSetting as `dataset` does.
    """
    if (found := find_run(ask, text)) is not None:
        return found
    job = find_job(ask, text)
    task = "" if job else find_task(ask, text)
    if not job and not task:
        raise BadSetting(f"there is no run {text!r}, no job and no task; `luigi-sinks lineage runs JOB` shows runs")
    ran = last_runs(ask, job, 1) if job else _keys(ask, _LAST_RUN_OF_TASK, task=task)
    if not ran:
        raise BadSetting(
            f"{job or task} never ran; `luigi-sinks lineage why-late {job or task}` says what it waits for"
        )
    return ran[0]


def last_runs(ask: Ask, job: str, most: int) -> list[str]:
    """Return the last runs of a job, the newest first."""
    return _keys(ask, _LAST_RUNS, job=job, most=most)


def find_task(ask: Ask, text: str) -> str:
    """Return the key of a task, given that or its id, an empty string if there is none."""
    return _one(
        _keys(ask, _BY_KEY.format(label="LineageTask"), text=text) or _keys(ask, _TASK_BY_END, text=text), text, "task"
    )


def find_run(ask: Ask, text: str) -> str | None:
    """Return the key of a run by that, or by its start, if there is one. Raises BadSetting if there are several."""
    found = _keys(ask, _BY_START, text=text)
    if text in found:
        return text
    return _one(found, text, "run") or None if len(text) >= _SHORTEST else None


def version(ask: Ask, text: str, dataset: str = "") -> str:
    """Return the key of a version of one dataset or of any, given that, its id, or its partition, `#` and its id.

    Raises BadSetting as `dataset` does.
    """
    key = find_version(ask, text, dataset)
    if not key:
        of = f" of {dataset}" if dataset else ""
        raise BadSetting(f"there is no version {text!r}{of}; `luigi-sinks lineage upstream ... --versions` shows some")
    return key


def find_version(ask: Ask, text: str, dataset: str = "") -> str:
    """Return the key of a version as `version` does, an empty string if there is none."""
    by_id = [key for key in _keys(ask, _BY_VERSION, text=text.rpartition("#")[2]) if key.endswith(f"#{text}")]
    found = _keys(ask, _BY_KEY.format(label="LineageVersion"), text=keys.from_shown(text)) or by_id
    return _one([each for each in found if each.startswith(f"{dataset}#") or not dataset], text, "version")


def _found(ask: Ask, label: str, text: str) -> list[str]:
    by_key = _keys(ask, _BY_KEY.format(label=label), text=text)
    return by_key or _keys(ask, _NAMED.format(label=label), text=text)


def _one(found: list[str], text: str, what: str) -> str:
    """Return the only one, an empty string if there is none. Raises BadSetting if there are several."""
    if len(found) > 1:
        shown = ", ".join(found[:_SHOWN]) + (" and more" if len(found) > _SHOWN else "")
        raise BadSetting(f"{text!r} may be each of {shown}; name one {what}")
    return found[0] if found else ""


def _unknown(ask: Ask, text: str, what: str, *labels: str) -> str:
    names = [row["name"] for label in labels for row in ask(_NAMES.format(label=label)) if row["name"]]
    similar = get_close_matches(text, names, _SHOWN, cutoff=0.0)
    advice = did_you_mean(text, similar) if similar else "nothing is recorded yet"
    more = len(names) - len(similar)
    others = f" and {more} more" if more and advice.startswith("known are") else ""
    raise BadSetting(f"there is no {what} {text!r}; {advice}{others}")


def _keys(ask: Ask, query: str, **parameters: Any) -> list[str]:
    return [row["key"] for row in ask(query, **parameters)]
