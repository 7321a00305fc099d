# ruff: noqa: S608 - names are quoted, numbers are the registry's
"""Has the server make the rows of a version by a SELECT, and refuses what LOAD DATA would not take either."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mariadb

from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadSetting, CheckFailed, SinkError, did_you_mean
from luigi_sinks.mariadb import layout
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import is_refusal
from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.query import Select, Source
from luigi_sinks.mariadb.schema import SEQ, Schema


def refuse_other_columns(cursor: Any, contract: Contract, select: Select) -> None:
    """Raise BadSetting unless the query gives the columns that the table has, in any order."""
    wanted = contract.shapes[""].names
    with _refused(BadSetting, f"table {contract.dataset!r}: MariaDB refuses the query", "correct it"):
        cursor.execute(f"{select.of('q.*')} LIMIT 0", select.values)
    given = [name for name, *_ in cursor.description]
    cursor.fetchall()
    for name in given:
        if name not in wanted:
            raise BadSetting(
                f"table {contract.dataset!r}: the query gives a column {name!r}; {did_you_mean(name, wanted)}"
            )
    for name in wanted:
        if name not in given:
            raise BadSetting(f"table {contract.dataset!r}: the query gives no column {name!r}; select one, as {name}")


def fill(cursor: Any, names: Names, schema: Schema, seq: int, select: Select) -> int:
    """Add what a SELECT gives to a version; return how many rows. Raises CheckFailed for a row that does not fit."""
    targets = ", ".join([*(quoted(schema.stored_name(name)) for name in schema.codecs), SEQ])
    asked = ", ".join([*(f"q.{quoted(name)}" for name in schema.codecs), str(seq)])
    said, way_out = f"table {names.dataset!r}: {select.source.gives} a", select.source.way_out
    with _refused(CheckFailed, f"{said} row that was refused", way_out, schema.stored):
        cursor.execute(f"INSERT INTO {names.add} ({targets}) {select.of(asked)}", select.values)
    count = int(cursor.rowcount)
    if cursor.warnings:  # a value was changed to fit
        found = "; ".join(text for _, _, text in cursor.connection.show_warnings() or ())
        raise CheckFailed(f"{said} value that would be changed: {_for_readers(found, schema.stored)}; {way_out}")
    return count


def refuse_none(cursor: Any, names: Names, schema: Schema, seq: int, source: Source) -> None:
    """Raise CheckFailed for a row without a value that it must have: the table requires none in a changed column."""
    found = {each.name: each for each in layout.read(cursor, names.base, schema).stored}
    required = (name for name in schema.codecs if name not in schema.optional)
    loose = [name for name in required if found[schema.stored_name(name)].is_nullable]
    if not loose:
        return
    is_none = [f"{quoted(schema.stored_name(name))} IS NULL" for name in loose]
    query = f"SELECT {', '.join(is_none)} FROM {names.base} WHERE {SEQ} = {seq} AND ({' OR '.join(is_none)}) LIMIT 1"
    for row in rows(cursor, query):
        missing = loose[row.index(1)]
        raise CheckFailed(
            f"table {names.dataset!r}: {source.gives} a row without a value for {missing!r}, which must have one; "
            f"{source.way_out}"
        )


@contextmanager
def _refused(kind: type[SinkError], what: str, way_out: str, stored: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn what the server refuses for every login into an error with a way out; `stored` as in a Schema."""
    try:
        yield
    except mariadb.Error as error:
        if not is_refusal(error):
            raise
        raise kind(f"{what}: {_for_readers(str(error), stored or {})}; {way_out}") from error


def _for_readers(text: str, stored: Mapping[str, str]) -> str:
    """Return a message of the server with the columns' names as readers know them."""
    for name, held in stored.items():
        text = re.sub(rf"(['`]){re.escape(held)}\1", rf"\1{name}\1", text)
    return text
