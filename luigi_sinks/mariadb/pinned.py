"""The versions that a query reads: those that readers see, of the partitions that a task requires, when it starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.mariadb import layout, views
from luigi_sinks.mariadb.connection import run
from luigi_sinks.mariadb.query import Query
from luigi_sinks.mariadb.target import MariaDBTarget
from luigi_sinks.versions import reading_head


def pin(query: Query, address: str, inputs: Iterable[Any], reading: ExitStack) -> dict[str, str]:
    """Return, for each table of a query, the SELECT of the versions that its inputs have now.

    `address` is that of the server which answers the query. `reading` tells, when it is
    closed, that the versions were read. Raises BadSetting for a table that is none of the
    inputs or on another server, and what `versions.reading_head` raises.
    """
    targets: dict[str, list[MariaDBTarget]] = {}
    for target in inputs:
        if isinstance(target, MariaDBTarget):
            targets.setdefault(target.name, []).append(target)
    if unknown := [table for table in query.tables if table not in targets]:
        raise BadSetting(
            f"table {query.table!r}: the query reads {unknown[0]!r}, which no task in requires() loads into MariaDB; "
            f"{did_you_mean(unknown[0], targets)}"
        )
    return {table: _source(query, address, targets[table], reading) for table in query.tables}


def _source(query: Query, address: str, targets: Sequence[MariaDBTarget], reading: ExitStack) -> str:
    """Return the SELECT of one version for each of the targets, whose partitions may be the same."""
    opened = [(target.partition, target.open_sink()) for target in targets]
    places = {(sink.settings.address, sink.settings.database) for _, sink in opened}
    if len(places) > 1 or address not in (server for server, _ in places):
        raise BadSetting(
            f"table {query.table!r}: the inputs for {targets[0].name!r} are in {_listed(places)}, and the server at "
            f"{address} answers the query; read one database of this server, or load a copy into it first"
        )
    records = [reading.enter_context(reading_head(sink, partition)) for partition, sink in dict(opened).items()]
    _, sink = opened[0]
    found = run(sink.settings, layout.read, sink.names.base, sink.schema)
    return views.of_versions(sink.names, found.selected, [record.seq for record in records])


def _listed(places: Iterable[tuple[str, str]]) -> str:
    return " and ".join(f"{database} at {server}" for server, database in sorted(places))
