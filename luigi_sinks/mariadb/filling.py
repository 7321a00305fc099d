# ruff: noqa: S608 - names are quoted, numbers are the registry's
"""Has the server make the rows of a version by a SELECT, and refuses what LOAD DATA would not take either."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import mariadb

from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadSetting, CheckFailed, did_you_mean
from luigi_sinks.mariadb import layout
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import NO_DATABASE, NULL_REFUSED, is_refusal
from luigi_sinks.mariadb.fitting import Fit, Given, fit
from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.query import Select, Source
from luigi_sinks.mariadb.schema import SEQ, Schema
from luigi_sinks.wrong_values import shown

_NAMING = (
    "the query reads a table without its database: name inputs in braces, others as database.table, and write WITH "
    "before the first SELECT only"
)


def refuse_other_columns(cursor: Any, contract: Contract, select: Select) -> None:
    """Raise BadSetting unless the query gives the columns that the table has, in any order."""
    wanted = contract.shapes[""].names
    try:
        given = _described(cursor, select)
    except mariadb.Error as error:
        if not is_refusal(error):
            raise
        way_out = _NAMING if error.errno == NO_DATABASE else "correct it"
        raise BadSetting(f"table {contract.dataset!r}: MariaDB refuses the query: {error}; {way_out}") from error
    for name in given:
        if name not in wanted:
            raise BadSetting(
                f"table {contract.dataset!r}: the query gives a column {name!r}; {did_you_mean(name, wanted)}"
            )
    for name in wanted:
        if name not in given:
            raise BadSetting(f"table {contract.dataset!r}: the query gives no column {name!r}; select one, as {name}")


def misfit(cursor: Any, schema: Schema, select: Select) -> str:
    """Return the first value that a column would not keep, and why; empty if the columns keep all.

    Example: column 'at' the value '25:30:00', which is no time of a day
    """
    fits = _fits(cursor, schema, select)
    if not fits:
        return ""
    asked = [f"CONVERT(q.{quoted(name)} USING utf8mb4), {each.kept}" for name, each in fits.items()]
    select.execute(cursor, ", ".join(asked), after=f"WHERE NOT ({_all(fits)}) LIMIT 1")
    for row in cursor.fetchall():
        for (name, each), value, is_kept in zip(fits.items(), row[::2], row[1::2], strict=True):
            if not is_kept:
                return f"column {name!r} the value {shown(value)}, which {each.otherwise}"
    return ""


def fill(cursor: Any, names: Names, schema: Schema, seq: int, select: Select) -> int:
    """Add what a SELECT gives to a version; return how many rows. Raises CheckFailed for a row that does not fit.

    A row with a value that its column would not keep gets no number of a version, which the server refuses.
    """
    place, way_out = f"table {names.dataset!r}: {select.source.gives}", select.source.way_out
    targets = ", ".join([*(quoted(schema.stored_name(name)) for name in schema.codecs), SEQ])
    number = f"IF({_all(_fits(cursor, schema, select))}, {seq}, NULL)"
    asked = ", ".join([*(f"q.{quoted(name)}" for name in schema.codecs), number])
    try:
        select.execute(cursor, asked, before=f"INSERT INTO {names.add} ({targets})")
    except mariadb.Error as error:
        if not is_refusal(error):
            raise
        found = misfit(cursor, schema, select) if error.errno == NULL_REFUSED and f"'{SEQ}'" in str(error) else ""
        said = _for_readers(str(error), schema.stored)
        raise CheckFailed(f"{place} {found or f'a row that was refused: {said}'}; {way_out}") from error
    count = int(cursor.rowcount)
    if cursor.warnings:  # a value was changed to fit
        reason = _for_readers("; ".join(text for _, _, text in cursor.connection.show_warnings() or ()), schema.stored)
        raise CheckFailed(f"{place} a value that would be changed: {reason}; {way_out}")
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


def _for_readers(text: str, stored: Mapping[str, str]) -> str:
    """Return a message of the server with the columns' names as readers know them."""
    for name, held in stored.items():
        text = re.sub(rf"(['`]){re.escape(held)}\1", rf"\1{name}\1", text)
    return text


def _described(cursor: Any, select: Select) -> Mapping[str, Given]:
    """Return the columns that a query gives."""
    select.execute(cursor, "q.*", after="LIMIT 0")
    found = {name: Given(type_, scale) for name, type_, _, _, _, scale, *_ in cursor.description}
    cursor.fetchall()
    return found


def _fits(cursor: Any, schema: Schema, select: Select) -> Mapping[str, Fit]:
    """Return what is to be tested, by columns."""
    given = _described(cursor, select)
    found = {name: fit(kind, given[name], f"q.{quoted(name)}") for name, kind in schema.types.items()}
    return {name: each for name, each in found.items() if each}


def _all(fits: Mapping[str, Fit]) -> str:
    return " AND ".join(each.kept for each in fits.values()) or "TRUE"
