"""The commands that look at datasets and versions, and change nothing but what `verify` heals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from luigi_sinks import verification
from luigi_sinks import versions as verbs
from luigi_sinks.cli import dataset_names as names
from luigi_sinks.cli import version_answers as answers
from luigi_sinks.cli.console import UNUSABLE, WRONG, err, reporting
from luigi_sinks.cli.lineage_text import counted
from luigi_sinks.errors import BadSetting, CredentialError, Forbidden, SinkError
from luigi_sinks.retry import patient

app = typer.Typer()

DATASET = "A dataset: STORE:DATASET, STORE.CONNECTION:DATASET, or the bare name if only one is called so."
VERSION = "A version: its id, or DATASET/PARTITION/ID."

Dataset = Annotated[str, typer.Argument(help=DATASET)]
Version = Annotated[str, typer.Argument(help=VERSION)]
Partition = Annotated[str | None, typer.Option(help="Only this partition.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("datasets")
@reporting
def datasets(json: Json = False) -> None:
    """List the datasets of all connections, and how many rows readers see."""
    found: list[dict[str, Any]] = []
    failed: list[str] = []
    for connection in names.connections():
        with _noted(failed, connection.key):
            for name in connection.datasets():
                full = f"{connection.key}:{name}"
                with _noted(failed, full):
                    if catalog := connection.listed(name):
                        found.append(answers.of_dataset(full, catalog.heads()))
    answers.tell(found, answers.of_datasets(found), json=json)
    if failed:
        raise typer.Exit(UNUSABLE)


@contextmanager
def _noted(failed: list[str], name: str) -> Iterator[None]:
    """Say what is wrong with a connection or a dataset, so that the others are listed all the same."""
    try:
        yield
    except (SinkError, CredentialError) as error:
        failed.append(name)
        err.print(Text(f"{name}: {error}", style="red"))


@app.command("versions")
@reporting
def versions(dataset: Dataset, partition: Partition = None, json: Json = False) -> None:
    """List the versions of a dataset, oldest first."""
    records = list(names.find(dataset).catalog.records(partition=partition))
    answers.tell([answers.of_record(record) for record in records], answers.of_records(records), json=json)


@app.command("show")
@reporting
def show(version: Version, json: Json = False) -> None:
    """Show all that is known of a version, and how its schema differs from that of the head."""
    named, record = names.version(version)
    head = named.catalog.head(record.version.partition).record
    differs = answers.schema_difference(record.schema, head.schema) if head else []
    answer = {**answers.of_record(record), "schema": record.schema, "schema_difference": differs}
    answers.tell(answer, answers.of_version(answer), json=json)


@app.command("head")
@reporting
def head(dataset: Dataset, partition: Partition = None, json: Json = False) -> None:
    """Show which version readers see of each partition."""
    catalog = names.find(dataset).catalog
    heads = catalog.heads() if partition is None else {partition: catalog.head(partition)}
    answers.tell([answers.of_head(*each) for each in heads.items()], answers.of_heads(heads), json=json)


@app.command("diff")
@reporting
def diff(
    before: Version,
    after: Version,
    examples: Annotated[int, typer.Option(min=0, help="How many rows of each kind of difference to show.")] = 10,
    json: Json = False,
) -> None:
    """Count the rows that were added, removed and changed between two versions of a dataset, by key, and show some."""
    (named, old), (other, new) = names.version(before), names.version(after)
    if named.name != other.name:
        raise BadSetting(f"{before} is a version of {named.name}, and {after} of {other.name}; give two of one dataset")
    found = verbs.diff(named.catalog, old.version, new.version, examples=examples)
    answer = {"before": str(old.version), "after": str(new.version), **asdict(found)}
    answers.tell(answer, answers.of_diff(found), json=json)


@app.command("verify")
@reporting
def verify(
    dataset: Annotated[str, typer.Argument(help=f"{DATASET} All, if none is given.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Heal nothing.")] = False,
    json: Json = False,
) -> None:
    """Compare datasets with their registries, and delete what no version needs; end with 1 if something stays wrong."""
    named = [names.find(dataset)] if dataset else list(names.datasets())
    found = [(each.name, finding) for each in named for finding in _verified(each, heal=not dry_run)]
    lines = [f"{finding.version}: {finding.problem}{' (healed)' if finding.is_healed else ''}" for _, finding in found]
    healed = sum(each.is_healed for _, each in found)
    lines.append(f"{counted(len(named), 'dataset', 'datasets')}: {len(found) - healed} wrong, {healed} healed")
    answer = [
        {"dataset": name, "version": str(each.version), "problem": each.problem, "healed": each.is_healed}
        for name, each in found
    ]
    answers.tell(answer, "\n".join(lines), json=json)
    if healed < len(found):
        raise typer.Exit(WRONG)


def _verified(named: names.Named, *, heal: bool) -> Iterator[verification.Finding]:
    """Yield what is wrong with a dataset; what keeps it from being looked at is wrong, too, and stops no other."""
    try:
        yield from verification.verify(patient(named.catalog), heal=heal)
    except Forbidden:
        raise
    except SinkError as error:
        yield verification.unreadable(named.catalog, error)
