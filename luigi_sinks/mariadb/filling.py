"""Has the server make the rows of a version by a SELECT, and refuses what LOAD DATA would not take either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mariadb

from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadSetting, CheckFailed, SinkError, did_you_mean
from luigi_sinks.mariadb.errors import is_refusal
from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.query import Select
from luigi_sinks.mariadb.schema import SEQ, Schema

_WAY_OUT = "cast, round or filter it in the query, or declare another column"


def refuse_other_columns(cursor: Any, contract: Contract, select: Select) -> None:
    """Raise BadSetting unless the query gives the columns that the table has, in any order."""
    wanted = contract.shapes[""].names
    with _refused(BadSetting, f"table {contract.dataset!r}: MariaDB refuses the query", "correct it"):
        select.execute(cursor, "q.*", after="LIMIT 0")
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
    """Add what the query gives to a version; return how many rows. Raises CheckFailed for a row that does not fit."""
    targets = ", ".join([*(quoted(schema.stored_name(name)) for name in schema.codecs), SEQ])
    asked = ", ".join([*(f"q.{quoted(name)}" for name in schema.codecs), str(seq)])
    with _refused(CheckFailed, f"table {names.dataset!r}: the query gives a row that was refused", _WAY_OUT):
        select.execute(cursor, asked, before=f"INSERT INTO {names.add} ({targets})")
    count = int(cursor.rowcount)
    if cursor.warnings:  # a value was changed to fit
        reason = "; ".join(text for _, _, text in cursor.connection.show_warnings() or ())
        raise CheckFailed(
            f"table {names.dataset!r}: the query gives a value that would be changed: {reason}; {_WAY_OUT}"
        )
    return count


@contextmanager
def _refused(kind: type[SinkError], what: str, way_out: str) -> Iterator[None]:
    """Turn what the server refuses for every login into an error with a way out."""
    try:
        yield
    except mariadb.Error as error:
        if not is_refusal(error):
            raise
        raise kind(f"{what}: {error}; {way_out}") from error
