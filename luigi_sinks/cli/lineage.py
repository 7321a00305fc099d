"""The commands `luigi-sinks lineage ...`: they deliver what was recorded, and ask about it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from luigi_sinks import config
from luigi_sinks.cli import lineage_names as names
from luigi_sinks.cli import lineage_tables as tables
from luigi_sinks.cli.console import WRONG, err, out, reporting
from luigi_sinks.cli.lineage_text import as_json, counted, parse
from luigi_sinks.errors import BadSetting
from luigi_sinks.lineage import flush, lookup, mermaid, page, snapshot
from luigi_sinks.lineage.ask import Ask, asking, connection_settings
from luigi_sinks.lineage.flush import Report
from luigi_sinks.lineage.questions import (
    comparison,
    durations,
    job_runs,
    lateness,
    relations,
    staleness,
    writers,
)
from luigi_sinks.lineage.questions.relations import Related
from luigi_sinks.recording import clock
from luigi_sinks.recording import settings as recording

app = typer.Typer(
    no_args_is_help=True,
    help="Delivers what runs recorded, and answers from Neo4j: what feeds this, who made it late, what is stale.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Mermaid = Annotated[bool, typer.Option("--mermaid", help="Print a drawing for Mermaid.")]
Fail = Annotated[bool, typer.Option("--fail", help="End with 1 if something was found, for alerts.")]
Of = Annotated[str, typer.Argument(help="A dataset or a job, or the end of its name after a dot or slash.")]
AsOf = Annotated[str, typer.Option(help="Of what readers saw then, a time as 2026-11-27T06:00:00+01:00.")]
Version = Annotated[str, typer.Option(help="Of this version: its id, or its key.")]
RunOf = Annotated[str, typer.Option("--run", help="Of what this run did: its id, or the start of that.")]
Partition = Annotated[str, typer.Option(help="With --as-of: the partition, else the one that was published last.")]
Versions = Annotated[bool, typer.Option("--versions", help="Show each version.")]
Since = Annotated[str, typer.Option(help="Since a time; by default of the last 30 days.")]

_DEFAULT_DAYS = 30


@app.command("flush")
@reporting
def flush_spool(
    follow: Annotated[bool, typer.Option("--follow", help="Go on until stopped.")] = False,
    interval: Annotated[float, typer.Option(help="With --follow: the seconds between.")] = 1.0,
) -> None:
    """Deliver what runs recorded to Neo4j and OpenLineage, as luigi.cfg says."""
    settings = _settings()
    if follow:
        with suppress(KeyboardInterrupt):
            flush.follow(settings, interval, _tell_changes())
        return
    report = flush.flush_once(settings)
    _tell(report)
    if not report.deliveries and not report.is_busy:
        raise BadSetting(
            f"nothing to deliver to: add a section [{config.ROOT}.neo4j], or openlineage_url in "
            f"[{config.ROOT}.lineage]; what was recorded stays in {settings.spool}"
        )
    if not report.is_complete:
        raise typer.Exit(WRONG)


@app.command("upstream")
@reporting
def upstream(
    of: Of = "",
    as_of: AsOf = "",
    version: Version = "",
    run: RunOf = "",
    partition: Partition = "",
    versions: Versions = False,
    json: Json = False,
    drawn: Mermaid = False,
) -> None:
    """Show what feeds a dataset or job, or exactly what went into a version or run."""
    _once(json=json, drawn=drawn)
    with _asking() as ask:
        start = names.start(ask, of, as_of=as_of, version=version, run=run, partition=partition, versions=versions)
        found, key = (relations.upstream_of, start) if start else (relations.upstream, lookup.node(ask, of))
        answer = found(ask, key, versions=versions)
    _show(answer, tables.of_upstream(answer), json=json, drawing=_flowchart(answer) if drawn else "")


@app.command("downstream")
@reporting
def downstream(
    of: Of = "",
    as_of: AsOf = "",
    version: Version = "",
    run: RunOf = "",
    partition: Partition = "",
    versions: Versions = False,
    json: Json = False,
    drawn: Mermaid = False,
) -> None:
    """Show what a dataset or job feeds, or exactly what a version or run went into."""
    _once(json=json, drawn=drawn)
    with _asking() as ask:
        start = names.start(ask, of, as_of=as_of, version=version, run=run, partition=partition, versions=versions)
        found, key = (relations.downstream_of, start) if start else (relations.downstream, lookup.node(ask, of))
        answer = found(ask, key, versions=versions)
    _show(answer, tables.of_downstream(answer), json=json, drawing=_flowchart(answer) if drawn else "")


@app.command("why-late")
@reporting
def why_late(
    run: Annotated[str, typer.Argument(help="A run, the start of its id, a task, or a job, whose last task it is.")],
    json: Json = False,
    drawn: Mermaid = False,
    fail: Annotated[
        bool, typer.Option("--fail", help="End with 1 if it is late or failed, or cannot run, for alerts.")
    ] = False,
) -> None:
    """Show which waiting, failed and running time made a run end when it did, back to the start of its build."""
    _once(json=json, drawn=drawn)
    now = clock.now()
    with _asking() as ask:
        answer = names.why_late(ask, run, now)
    drawing = mermaid.gantt(answer.path, now) if drawn else ""
    _show(replace(answer, path=answer.path[::-1]), tables.of_lateness(answer), json=json, drawing=drawing)
    if fail and (answer.is_late or answer.has_failed):
        raise typer.Exit(WRONG)


@app.command("stale")
@reporting
def stale(json: Json = False, fail: Fail = False) -> None:
    """Show datasets that are older than was promised by `max_age`, who reads them, and which tasks wait."""
    known = recording.read()
    now = clock.now()
    with _asking() as ask:
        answer = staleness.stale(ask, now, max_age=known.max_age if known else 0.0)
    _show(answer, tables.of_stale(answer, now), json=json)
    if fail and answer:
        raise typer.Exit(WRONG)


@app.command("slow")
@reporting
def slow(
    since: Since = "",
    ratio: Annotated[float, typer.Option(help="How many times the median the 95th percentile is at least.")] = 2.0,
    json: Json = False,
    fail: Fail = False,
) -> None:
    """Show jobs whose runs take very different times, and their longest runs; of jobs with five complete runs."""
    begin = parse(since) if since else clock.now() - _DEFAULT_DAYS * clock.DAY
    with _asking() as ask:
        answer = durations.slow(ask, begin, ratio=ratio)
    _show(answer, tables.of_slow(answer, ratio), json=json)
    if fail and answer:
        raise typer.Exit(WRONG)


@app.command("runs")
@reporting
def runs(
    job: Annotated[str, typer.Argument(help="A job, or the end of its name.")],
    most: Annotated[int, typer.Option(help="How many.")] = 20,
    json: Json = False,
) -> None:
    """Show the last runs of a job, the newest first."""
    with _asking() as ask:
        key = lookup.job(ask, job)
        answer = job_runs.runs(ask, key, most=most)
        waiting = "" if answer else tables.of_lateness(lateness.why_job(ask, key, clock.now()))
    _show(answer, tables.of_runs(answer) if answer else f"{key} has not run\n{waiting}", json=json)


@app.command("who-wrote")
@reporting
def who_wrote(
    version: Annotated[str, typer.Argument(help="A version, its id or its key; or a dataset, for its last version.")],
    json: Json = False,
) -> None:
    """Show which run wrote a version, with which parameters and code."""
    with _asking() as ask:
        answer = writers.who_wrote(ask, names.version(ask, version))
    _show(answer, tables.of_writer(answer), json=json)


@app.command("diff")
@reporting
def diff(
    before: Annotated[str, typer.Argument(help="A run, the start of its id, or a job or task, for its last run.")],
    after: Annotated[str, typer.Argument(help="Another run; the same job again compares its last two runs.")],
    json: Json = False,
) -> None:
    """Show how two runs differ: in what they read, in their parameters, in their code, and how they ended."""
    with _asking() as ask:
        answer = comparison.diff(ask, *names.pair(ask, before, after))
    if len(jobs := next((each.before + each.after for each in answer.code if each.name == "job"), ())) > 1:
        err.print(Text(f"these are runs of different jobs: {' and '.join(jobs)}", style="yellow"))
    _show(answer, tables.of_difference(answer), json=json)


@app.command("page")
@reporting
def write_page(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file.")] = Path("lineage.html"),
    as_of: Annotated[str, typer.Option(help="As it was at a time, as 2026-11-27T06:00:00+01:00.")] = "",
    run: Annotated[str, typer.Option(help="Show why this run, or the last task of this job, ended when it did.")] = "",
    title: Annotated[str, typer.Option(help="The page's title.")] = "Lineage",
) -> None:
    """Write one HTML file that shows all datasets and jobs, and how they are; it fetches nothing."""
    max_age, now = recording.read().max_age, clock.now()
    with _asking() as ask:
        found = snapshot.network(ask, now=now, as_of=parse(as_of) if as_of else 0, max_age=max_age)
        found = snapshot.along(ask, found, names.why_late(ask, run, now).path) if run else found
    try:
        page.write(found, output, title)
    except OSError as error:
        raise BadSetting(f"cannot write {output}: {error.strerror or error}; name another file with -o") from None
    out.print(Text(f"{output}: {len(found.datasets)} datasets, {len(found.jobs)} jobs"))


@app.command("prune")
@reporting
def prune(
    before: Annotated[str, typer.Option(help="Forget what is older: a time, as 2026-01-01.")],
    yes: Annotated[bool, typer.Option("--yes", help="Delete, instead of counting.")] = False,
) -> None:
    """Forget runs and versions in Neo4j that are older than a time; heads, and the runs that wrote them, stay."""
    from luigi_sinks.lineage import pruning  # noqa: PLC0415 - it imports the driver, which other commands do without

    settings, time = connection_settings(recording.read()), parse(before)
    with asking(settings):
        found = pruning.prune(settings, time) if yes else pruning.count(settings, time)
    said = ", ".join(f"{count} {what}" for what, count in found.items() if count) or "nothing"
    out.print(Text(f"{'deleted' if yes else 'older than that, to be deleted with --yes'}: {said}"))


def print_grants() -> None:
    """Print the roles that lineage needs in Neo4j."""
    from luigi_sinks.lineage import grants  # noqa: PLC0415 - as above

    settings = connection_settings(recording.read())
    heading = f"// Lineage in Neo4j at {settings.host}:{settings.port}"
    out.print(Text(f"{heading}\n\n{grants.text(settings.database)}"), end="")


@contextmanager
def _asking() -> Generator[Ask, None, None]:
    with asking(connection_settings(recording.read())) as ask:
        yield ask


def _settings() -> recording.LineageSettings:
    found = recording.read()
    if found is None:
        raise BadSetting(f"there is no section [{recording.SECTION}] in {config.where()}; add it, and set spool")
    return found


def _tell(report: Report) -> None:
    """Print what a flush did."""
    if report.is_busy:
        err.print(Text("another process is flushing this folder; nothing was done", style="yellow"))
    for each in report.deliveries:
        refused = f", {each.refused} refused" if each.refused else ""
        none = "nothing new; what a program records is delivered when it ends"
        said = counted(each.events, "event", "events") + refused if each.events or each.error else none
        out.print(Text(f"{each.name}: {said}"))
        if each.error:
            err.print(Text(f"{each.name}: the rest stays in the spool: {each.error}", style="red"))
    counts = {
        counted(report.aborted, "run", "runs") + " closed as the process was killed": report.aborted,
        counted(report.broken, "line", "lines") + " that could not be read": report.broken,
        counted(report.lost, "event", "events") + " that could not be kept": report.lost,
    }
    for what, count in counts.items():
        if count:
            err.print(Text(what, style="yellow"))
    for reason in report.unread:
        err.print(Text(reason, style="red"))


def _tell_changes() -> Callable[[Report], None]:
    """Return what prints only reports that say something new."""
    before: list[Any] = [None]

    def tell(report: Report) -> None:
        trouble = (report.is_busy, report.unread, tuple(each.error for each in report.deliveries))
        if any(each.events for each in report.deliveries) or trouble != before[0]:
            _tell(report)
        before[0] = trouble

    return tell


def _once(*, json: bool, drawn: bool) -> None:
    """Refuse two forms at once."""
    if json and drawn:
        raise BadSetting("give one of --json and --mermaid")


def _flowchart(answer: Related) -> str:
    return mermaid.flowchart(answer.reads, answer.writes, answer.of)


def _show(answer: Any, text: str, *, json: bool, drawing: str = "") -> None:
    """Print an answer, as it was asked for."""
    out.print(Text(as_json(answer) if json else drawing or text))
