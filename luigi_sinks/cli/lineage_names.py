"""What the words of a command name: the version, run or runs that it asks about."""

from __future__ import annotations

from luigi_sinks.cli.lineage_text import parse
from luigi_sinks.errors import BadSetting
from luigi_sinks.lineage import lookup
from luigi_sinks.lineage.ask import Ask
from luigi_sinks.lineage.questions import heads, lateness
from luigi_sinks.lineage.questions.lateness import Lateness
from luigi_sinks.recording import clock


def start(ask: Ask, of: str, *, as_of: str, version: str, run: str, partition: str, versions: bool) -> str:
    """Return the version or run that is asked about; an empty string if it is a dataset, or a job as a whole."""
    if sum(map(bool, (as_of, version, run))) > 1:
        raise BadSetting("give one of --as-of, --version and --run")
    if not of and not version and not run:
        raise BadSetting("of what? Give a dataset or a job, --version or --run")
    if version:
        return lookup.version(ask, version, lookup.dataset(ask, of) if of else "")
    if run:
        return lookup.run(ask, run)
    if not (as_of or partition):
        return _run_of(ask, of, versions=versions)
    dataset = lookup.dataset(ask, of)
    time = parse(as_of) if as_of else clock.now()
    found = heads.head(ask, dataset, as_of=time, partition=partition or None)
    if not found:
        raise BadSetting(f"{dataset} had no version {'then' if as_of else 'yet'}")
    return found


def _run_of(ask: Ask, of: str, *, versions: bool) -> str:
    """Return the last run of a task, or of a job whose versions are asked for; else an empty string."""
    is_run = not lookup.find_dataset(ask, of) and (versions if lookup.find_job(ask, of) else lookup.find_task(ask, of))
    return lookup.run(ask, of) if is_run else ""


def why_late(ask: Ask, text: str, now: int) -> Lateness:
    """Return why a run was late, or the last task of a job."""
    if (key := lookup.find_run(ask, text)) is not None:
        return lateness.why_late(ask, key, now)
    if not lookup.find_job(ask, text) and (task := lookup.find_task(ask, text)):
        return lateness.why_task(ask, task, now)
    return lateness.why_job(ask, lookup.job(ask, text, what="run, job or task"), now)


def pair(ask: Ask, before: str, after: str) -> tuple[str, str]:
    """Return the two runs to compare. Raises BadSetting if it is one."""
    if before == after and lookup.find_run(ask, before) is None and (job := lookup.find_job(ask, before)):
        later, *earlier = lookup.last_runs(ask, job, 2) or [""]
        if not earlier:
            raise BadSetting(f"{job} has not run twice yet")
        return earlier[0], later
    found = lookup.run(ask, before), lookup.run(ask, after)
    if found[0] == found[1]:
        raise BadSetting(f"both are the run {found[0]}; give two, as `luigi-sinks lineage runs JOB` shows them")
    return found


def version(ask: Ask, text: str) -> str:
    """Return a version, or the last one of a dataset. Raises BadSetting if there is none."""
    dataset = "" if lookup.find_version(ask, text) else lookup.find_dataset(ask, text)
    found = heads.head(ask, dataset) if dataset else lookup.version(ask, text)
    if not found:
        raise BadSetting(f"no version of {dataset} is known")
    return found
