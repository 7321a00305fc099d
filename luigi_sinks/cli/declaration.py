"""The command that writes what exists in a store as Python."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from luigi_sinks import stores
from luigi_sinks.cli.console import out, reporting
from luigi_sinks.cli.dataset_names import connections
from luigi_sinks.errors import BadSetting

Existing = Annotated[str, typer.Argument(help="What exists: STORE:NAME, STORE.CONNECTION:NAME, or its bare name.")]


@reporting
def declare(name: Existing) -> None:
    """Print the columns of a table, the mapping of an index, or the nodes of a label, to paste into a task.

    What no declaration can say is listed as comments. Nothing is changed.
    """
    key, _, name = name.rpartition(":")
    store, _, connection = (key or _only_connection()).partition(".")
    out.print(Text(str(stores.find(store).declaration(name, connection))))


def _only_connection() -> str:
    known = [connection.key for connection in connections()]
    if len(known) != 1:
        raise BadSetting(f"of which store? Name it as STORE:NAME; luigi.cfg has: {', '.join(known)}")
    return known[0]
