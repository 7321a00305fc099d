"""What people read of each answer about lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from luigi_sinks.cli.lineage_text import shown, table, took
from luigi_sinks.lineage.graph.keys import shown as named
from luigi_sinks.lineage.graph.keys import within
from luigi_sinks.lineage.network import Step
from luigi_sinks.lineage.questions.comparison import Difference
from luigi_sinks.lineage.questions.durations import LEAST, Slow
from luigi_sinks.lineage.questions.job_runs import JobRun
from luigi_sinks.lineage.questions.lateness import Lateness
from luigi_sinks.lineage.questions.relations import Related, Use
from luigi_sinks.lineage.questions.staleness import Stale
from luigi_sinks.lineage.questions.writers import Writer
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Ended


def of_upstream(answer: Related) -> str:
    """Return what is upstream: the versions if they were asked for, else the datasets and the jobs that wrote them."""
    if not answer.datasets:
        required = f"; it requires {_and(answer.requires)}: ask what is upstream of that" if answer.requires else ""
        return f"nothing is upstream of {named(answer.of)}{required}"
    heading = f"upstream of {named(answer.of)}{_starts(answer, 'partitions, as readers see them')}"
    return f"{heading}\n{_versions(answer) or _datasets(answer, answer.datasets, by='written by')}"


def of_downstream(answer: Related) -> str:
    """Return what is downstream: the versions if they were asked for, else the datasets and the jobs that read them."""
    if not answer.datasets and not answer.reads:
        return f"nothing is downstream of {named(answer.of)}"
    itself = [Use(answer.of)] if any(flow.dataset == answer.of for flow in answer.reads) else []
    heading = f"downstream of {named(answer.of)}{_starts(answer, 'versions, those written last')}"
    return f"{heading}\n{_versions(answer) or _datasets(answer, [*itself, *answer.datasets], by='read by')}"


def _starts(answer: Related, what: str) -> str:
    """Return which versions answer for a dataset, or that the answer is by job."""
    if not answer.starts:
        return ", by job: of any of its runs"
    if answer.starts == (answer.of,):
        return ""
    one = len(answer.starts) == 1
    return f", version {within(answer.of, answer.starts[0])}" if one else f", {len(answer.starts)} {what}"


def _versions(answer: Related) -> str:
    rows = [(named(x.dataset), within(x.dataset, x.key), shown(x.written), x.run) for x in answer.versions]
    return table(("dataset", "version", "written", "run"), rows) if rows else ""


def _datasets(answer: Related, datasets: Sequence[Use], by: str) -> str:
    jobs: dict[str, list[str]] = {}
    for flow in answer.writes if by == "written by" else answer.reads:
        jobs.setdefault(flow.dataset, []).append(flow.job)
    rows = [
        (named(x.dataset), x.versions or "", shown(x.oldest), shown(x.newest), ", ".join(jobs.get(x.dataset, ())))
        for x in datasets
    ]
    return table(("dataset", "versions", "oldest", "newest", by), rows)


def of_lateness(answer: Lateness) -> str:
    """Return the critical path from the start of the build on, and what cost the most."""
    heads = ("job", "owner", "waited", "failed", "ran", "usually", "started", "outcome", "run")
    rows = [
        (
            step.job,
            step.owner,
            took(step.waited) if step.waited else "",
            _failed(step),
            took(step.ran) if step.started and step.outcome != Ended.ABORTED else "",
            took(step.usual) if step.usual else "",
            shown(step.started),
            _outcome(step),
            step.run,
        )
        for step in reversed(answer.path)
    ]
    return "\n".join(filter(None, (_headline(answer), table(heads, rows), _worst(answer))))


def _failed(step: Step) -> str:
    failed = sum(attempt.outcome != Ended.SUSPENDED for attempt in step.attempts)
    return f"{took(step.failed)} in {failed}" if failed else ""


def _outcome(run: JobRun | Step) -> str:
    """Return how a run ended; of one that was aborted the end is not known, only when it was last heard of."""
    heard = f" after {shown(run.ended)[-9:]}" if run.outcome == Ended.ABORTED and run.ended else ""
    return (run.outcome or "running") + heard


def _headline(answer: Lateness) -> str:
    first = answer.path[0]
    what = f"{first.task}: {first.outcome or 'running'}"
    if answer.failed:
        found = _and([f"{run.task} ({run.error or run.outcome})" for run in answer.failed])
        cannot = f"waiting; it cannot run: {found} failed"
        return (
            f"{first.task}: never ran: its build ended with {found}"
            if answer.build_ended
            else f"{first.task}: {cannot}"
        )
    if not answer.took:
        return what
    usual = f", usually {took(answer.usual)}" if answer.usual else ""
    return f"{what}, {took(answer.took)} from the start of the build{usual}{'; it is late' if answer.is_late else ''}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _worst(answer: Lateness) -> str:
    """Return which part of which step cost the most; nothing if it is said already why a task cannot run."""
    step = answer.worst
    costs = {_waited(step): step.waited, _tried(step): step.failed, _ran(step): step.ran - step.usual}
    what, seconds = max(costs.items(), key=lambda cost: cost[1])
    if seconds <= 0 or answer.failed:
        return ""
    beyond = " beyond the usual" if any(each.usual for each in answer.path) else ""
    return f"most of it{beyond}: {_owned(step.job, step.owner)} {what}"


def _waited(step: Step) -> str:
    said = f"waited {took(step.waited)}"
    if step.paused > step.waited / 2:
        return f"{said} to be retried{_errors(step, ' after ')}"
    return f"{said} for a worker, which ran {_owned(step.held_by, step.held_by_owner)}" if step.held_by else said


def _tried(step: Step) -> str:
    return f"spent {took(step.failed)} in attempts that failed{_errors(step, ': ')}"


def _ran(step: Step) -> str:
    said = f"ran {took(step.ran - step.usual)} longer than usual" if step.usual else f"ran {took(step.ran)}"
    return said + _errors(step, ", and failed: ", attempts=False)


def _errors(step: Step, before: str, *, attempts: bool = True) -> str:
    tried = [attempt.error for attempt in step.attempts] if attempts else [step.error]
    errors = ", ".join(sorted({*tried} - {""}))
    return f"{before}{errors}" if errors else ""


def _owned(job: str, owner: str) -> str:
    return f"{job} of {owner}" if owner else job


def of_stale(answer: Sequence[Stale], now: int) -> str:
    """Return the datasets that are stale, the jobs that read them, and the tasks that wait."""
    if not answer:
        return "no dataset is older than was promised"
    heads = ("dataset", "owner", "updated", "stale for", "read by", "waiting")
    rows = [
        (
            named(each.dataset),
            each.owner,
            shown(each.updated),
            took((now - each.stale_from) / SECOND),
            _some([reader.job for reader in each.readers]),
            _some([waiting.task for waiting in each.waiting]),
        )
        for each in answer
    ]
    return table(heads, rows)


def of_slow(answer: Sequence[Slow], ratio: float) -> str:
    """Return the jobs with slow runs, and of each its longest run."""
    if not answer:
        return f"no job with {LEAST} complete runs or more has a 95th percentile of {ratio:g} times its median"
    heads = ("job", "owner", "runs", "median", "p95", "longest", "run")
    rows = [
        (
            each.job,
            each.owner,
            str(each.count),
            *(took(seconds) for seconds in (each.p50, each.p95, each.longest)),
            each.outliers[0].run if each.outliers else "",
        )
        for each in answer
    ]
    return table(heads, rows)


def of_runs(answer: Sequence[JobRun]) -> str:
    """Return runs, the newest first."""
    rows = [
        (
            shown(each.started),
            took((each.ended - each.started) / SECOND) if each.ended and each.outcome != Ended.ABORTED else "",
            _outcome(each),
            each.error,
            each.message,
            _params(each.params),
            each.task,
            each.run,
        )
        for each in answer
    ]
    return table(("started", "took", "outcome", "error", "message", "params", "task", "run"), rows)


def _params(params: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def of_writer(answer: Writer) -> str:
    """Return what is known of a version, a line for each fact."""
    facts = {
        **vars(answer),
        **{name: shown(getattr(answer, name)) for name in ("written", "started", "ended", "removed")},
        "version": within(answer.dataset, answer.version),
        "dataset": named(answer.dataset),
        "published": ", ".join(map(shown, answer.published)),
        "params": _params(answer.params),
    }
    head, *rows = ((name, str(value)) for name, value in facts.items() if value)
    return table(head, rows)


def of_difference(answer: Difference) -> str:
    """Return what differs between two runs, how they ended, and how long they took."""
    changes = [
        (about, named(change.name), ", ".join(change.before) or "-", ", ".join(change.after) or "-")
        for about, changes in (("inputs", answer.inputs), ("params", answer.params), ("code", answer.code))
        for change in changes
    ]
    ended = [
        ("run", "outcome", *(outcome or "running" for outcome in answer.outcomes)),
        ("run", "took", *(took(seconds) if seconds else "-" for seconds in answer.took)),
    ]
    found = table(("in", "name", answer.before, answer.after), [*changes, *ended])
    return found if changes else f"{found}\nnothing differs in inputs, parameters and code"


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
