"""The commands that change what readers see, and what is kept."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from luigi_sinks import dropping, exposing, pruning, releases, retention, versions
from luigi_sinks.cli import dataset_names as names
from luigi_sinks.cli import rehearsal
from luigi_sinks.cli import version_answers as answers
from luigi_sinks.cli.console import reporting
from luigi_sinks.cli.looking import VERSION, Dataset, Json, Partition, Version
from luigi_sinks.errors import BadSetting
from luigi_sinks.record import Record, Transition
from luigi_sinks.retention import Retention

app = typer.Typer()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Why = Annotated[str, typer.Option(help="The reason, for the record.")]


@app.command("rollback")
@reporting
def rollback(
    version: Annotated[str, typer.Argument(help=VERSION)] = "",
    release: Annotated[str, typer.Option(metavar="NAME", help="Take all of the newest release back instead.")] = "",
    why: Why = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Publish a version again that was the head before, or all that a release replaced."""
    if bool(version) == bool(release):
        raise BadSetting("what is to be rolled back? Give a VERSION to publish, or --release NAME")
    if release:
        _roll_back_release(release, why, dry_run=dry_run, json=json)
        return
    named, record = names.version(version)
    if dry_run:
        rehearsal.roll_back(named.catalog, record)
    else:
        record = versions.roll_back(named.catalog, record.version, why=why)
    _tell(record, "published", dry_run=dry_run, json=json, head=record)


@app.command("withdraw")
@reporting
def withdraw(
    version: Version,
    why: Annotated[str, typer.Option(help="What is wrong with it, for the record. Required.")],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Declare a version wrong: its task is incomplete again, and readers see the newest sound version, or nothing."""
    if not why.strip():
        raise BadSetting("--why is empty; say what is wrong with the version: it stays in its record")
    named, record = names.version(version)
    if dry_run:
        shown = rehearsal.withdraw(named.catalog, record)
    else:
        record = versions.withdraw(named.catalog, record.version, why=why)
        shown = named.catalog.head(record.version.partition).record
    _tell(record, "withdrawn", dry_run=dry_run, json=json, head=shown)


@app.command("pin")
@reporting
def pin(version: Version, dry_run: DryRun = False, json: Json = False) -> None:
    """Keep the rows of a version until it is unpinned."""
    named, record = names.version(version)
    shown = _rehearsed(named, record, retention.pin)
    record = shown if dry_run else versions.pin(named.catalog, record.version)
    _tell(record, "pinned", dry_run=dry_run, json=json)


@app.command("unpin")
@reporting
def unpin(version: Version, dry_run: DryRun = False, json: Json = False) -> None:
    """Let the rows of a pinned version be deleted again."""
    named, record = names.version(version)
    shown = _rehearsed(named, record, retention.unpin)
    record = shown if dry_run else versions.unpin(named.catalog, record.version)
    _tell(record, "unpinned", dry_run=dry_run, json=json)


@app.command("expose")
@reporting
def expose(
    version: Annotated[str, typer.Argument(help=VERSION)] = "",
    as_: Annotated[str, typer.Option("--as", metavar="NAME", help="The name that readers find it under.")] = "",
    drop: Annotated[str, typer.Option(metavar="NAME", help="Remove this name instead, of any version.")] = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Show a version beside the head, under a name of its own; it is not deleted while it has one."""
    if bool(as_) == bool(drop) or (as_ and not version):
        raise BadSetting("what is to be done? Give a VERSION and --as NAME, or --drop NAME")
    named, record = names.version(version) if version else names.exposed(drop)
    if dry_run and as_:
        exposing.refuse(named.catalog, record, as_)
    elif dry_run:
        _rehearsed(named, record, partial(retention.hide, name=drop))
    else:
        act = exposing.expose if as_ else exposing.hide
        act(named.catalog, record.version, as_ or drop)
    _tell(record, f"exposed as {as_}" if as_ else f"no longer exposed as {drop}", dry_run=dry_run, json=json)


@app.command("prune")
@reporting
def prune(
    dataset: Dataset,
    keep: Annotated[int, typer.Option(help="How many versions of each partition to keep, at least 2.")],
    min_age: Annotated[str, typer.Option(help="Keep each for so long after readers saw it last: 7d, 12h, 30m.")] = "1h",
    partition: Partition = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Delete the rows of old versions, and what dead processes left; never a head, a pin, or what is being loaded."""
    catalog = names.find(dataset).catalog
    plan = pruning.plan_prune(catalog, Retention(keep, names.age(min_age)), partition=partition)
    gone = plan.versions if dry_run else pruning.prune_all(catalog, plan)
    would = "would be deleted" if dry_run else "is deleted"
    lines = [f"{version} {would}" for version in gone] or ["nothing is to be deleted"]
    answers.tell({"dry_run": dry_run, "deleted": [str(version) for version in gone]}, "\n".join(lines), json=json)


@app.command("drop-dataset")
@reporting
def drop_dataset(
    yes_really: Annotated[str, typer.Option(metavar="NAME", help="The dataset's name. It is gone for good.")],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Delete a dataset: the rows of all versions, its history, and what readers use."""
    named = names.find(yes_really)
    catalog = named.catalog
    dropping.refuse_use(catalog)
    count = sum(1 for _ in catalog.records())
    if not dry_run:
        dropping.drop_dataset(catalog, really=catalog.dataset)
    would = "would be" if dry_run else "is"
    answer = {"dry_run": dry_run, "dataset": named.name, "versions": count}
    answers.tell(answer, f"{named.name} {would} deleted, with {count} versions", json=json)


def _roll_back_release(name: str, why: str, *, dry_run: bool, json: bool) -> None:
    release = releases.newest((named.catalog for named in names.datasets()), name)
    plan = releases.plan_roll_back(release) if dry_run else releases.roll_back(release, why=why)
    places = {each.version: str(each.found.member) for each in plan}
    shown = {each.version: str(each.before.version) if each.before else None for each in plan}
    is_, see = ("would be", "would see") if dry_run else ("is", "see")
    lines = [f"{places[version]} {is_} taken back; readers {see} {shown[version] or 'nothing'}" for version in shown]
    lines = lines or [f"release {name} was taken back already; nothing {'would be' if dry_run else 'is'} changed"]
    taken = [{"version": places[version], "head": head} for version, head in shown.items()]
    answers.tell({"dry_run": dry_run, "release": name, "versions": taken}, "\n".join(lines), json=json)


def _rehearsed(named: names.Named, record: Record, become: Transition) -> Record:
    """Return the record as a change would make it. Raises what refuses the change."""
    return become(record, named.catalog.head(record.version.partition).pointer)


def _tell(record: Record, done: str, *, dry_run: bool, json: bool, **head: Record | None) -> None:
    """Say what was done to a version, and what readers see then, where a `head` is given."""
    text = f"{record.version} {'would be' if dry_run else 'is'} {done}"
    shown = {name: str(each.version) if each else None for name, each in head.items()}
    for version in shown.values():
        text += f"; readers {'would see' if dry_run else 'see'} {version or 'nothing'}"
    answers.tell({"dry_run": dry_run, "version": str(record.version), **shown}, text, json=json)
