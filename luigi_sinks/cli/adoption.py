"""The command that takes over marks of `luigi.contrib`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from luigi_sinks import config, marks, stores
from luigi_sinks.cli.console import WRONG, err, out, reporting
from luigi_sinks.errors import BadSetting
from luigi_sinks.mark import Marks
from luigi_sinks.stores import Store

Source = Annotated[str, typer.Argument(help="The table or index of the marks: table_updates, or update_log.")]
Connection = Annotated[
    str, typer.Option(help="Where it is: a section of luigi.cfg, such as mariadb, mariadb.NAME or elasticsearch.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be taken over.")]


@reporting
def adopt_marks(source: Source, connection: Connection = "", dry_run: DryRun = False) -> None:
    """Take over the marks that tasks of luigi.contrib left, so that what is complete does not run again.

    Each mark goes under the name of the table or index that it was for. Markers of that name, and tasks of
    luigi_sinks.contrib for it, are complete by it. Nothing of the old marks is changed.
    """
    store, name = _chosen(connection)

    def open_marks(dataset: str) -> Marks:
        return store.marks(config.common().dataset(dataset), name)

    counts, skipped = marks.adopt(open_marks, store.marks_of_contrib(source, name), source, is_dry=dry_run)
    for dataset, count in counts.items():
        out.print(Text(f"{dataset}: {count} marks {'would be ' if dry_run else ''}adopted"))
    for reason in skipped:
        err.print(Text(f"left out: {reason}", style="yellow"))
    if not counts and not skipped:
        out.print(Text(f"{source} holds no marks"))
    if skipped:
        raise typer.Exit(WRONG)


def _chosen(connection: str) -> tuple[Store, str]:
    """Return the store and the name of a connection; without one, of the only one that may lead to such marks."""
    if connection:
        store, _, name = connection.partition(".")
        return stores.find(store), name
    known = [
        (store, name)
        for store in map(stores.find, stores.configured())
        if store.old_marks
        for name in store.connections()
    ]
    if len(known) != 1:
        listed = ", ".join(config.connection_key(store.name, name) for store, name in known) or "none"
        raise BadSetting(f"of which connection? Give --connection; luigi.cfg has: {listed}")
    return known[0]
