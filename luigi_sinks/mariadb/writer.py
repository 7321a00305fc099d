"""Sends rows, as lines of JSON, and data frames, as CSV, by LOAD DATA.

A part's text is complete, in a file in memory, before the server reads its first byte:
LOAD DATA takes a stream that was cut short for a complete one.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import mariadb
import msgspec

from luigi_sinks.mariadb.errors import ROW_TOO_LARGE
from luigi_sinks.mariadb.names import quoted
from luigi_sinks.mariadb.schema import SEQ, Schema

_JSON = msgspec.json.Encoder()
_LINES_OF_JSON = (
    r"""FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\' LINES STARTING BY '[' TERMINATED BY ']\n'"""
)
_CSV = r"""FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '' LINES TERMINATED BY '\n'"""
"""Without an escape character, a word without quotation marks is NULL, and one within them never is."""

Complaint = tuple[int, str]
"""An error number of the server, and its message."""


def encode(schema: Schema, rows: Sequence[Any]) -> bytes:
    """Return rows as lines of JSON, which LOAD DATA reads as they are, except that NULL is in upper case."""
    spelled = {}
    for index, codec in enumerate(schema.codecs.values()):
        if codec.spell:
            given = list(map(itemgetter(index), rows))
            values = codec.spell(given)
            if values is not given:
                spelled[index] = values
    return _JSON.encode_lines(_with_columns(rows, spelled)).replace(b"null", b"NULL")


def encode_frame(frame: Any) -> bytes:
    """Return a data frame of Polars as CSV."""
    text = io.BytesIO()
    frame.write_csv(
        text,
        include_header=False,
        null_value="NULL",
        quote_style="non_numeric",
        datetime_format="%Y-%m-%d %H:%M:%S%.f",
        time_format="%H:%M:%S%.f",
    )
    return text.getvalue()


def _with_columns(rows: Sequence[Any], columns: Mapping[int, Sequence[Any]]) -> Sequence[Any]:
    if not columns:
        return rows
    given = zip(*rows, strict=True)
    return list(zip(*(columns.get(index, values) for index, values in enumerate(given)), strict=True))


def statement(schema: Schema, table: str, seq: int, path: str, *, of_frames: bool = False) -> str:
    """Return the statement that loads a file into one version."""
    targets, settings = [], [f"{SEQ} = {seq}"]
    for number, (name, codec) in enumerate(schema.codecs.items()):
        variable = f"@v{number}"
        target = quoted(schema.stored_name(name))
        targets.append(variable if codec.load else target)
        if codec.load:
            settings.append(f"{target} = {codec.load.format(variable)}")
    form = _CSV if of_frames else _LINES_OF_JSON
    return (
        f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 {form}"
        f" ({', '.join(targets)}) SET {', '.join(settings)}"
    )


def send(
    cursor: Any, schema: Schema, table: str, seq: int, text: bytes, count: int, *, of_frames: bool = False
) -> list[Complaint]:
    """Load encoded rows, or frames, into a version, all or none; return the server's complaints.

    LOCAL turns errors into warnings and skips rows that repeat a key, so a load
    succeeded only if it took all rows without a warning.
    """
    cursor.execute("SAVEPOINT part")
    with os.fdopen(os.memfd_create("part"), "wb") as file:
        file.write(text)
        file.flush()
        try:
            cursor.execute(statement(schema, table, seq, f"/dev/fd/{file.fileno()}", of_frames=of_frames))
        except mariadb.Error as error:
            if error.errno != ROW_TOO_LARGE:
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT part")
            return [(ROW_TOO_LARGE, str(error))]
    if cursor.rowcount == count and not cursor.warnings:
        return []
    complaints = [(number, text) for _, number, text in cursor.connection.show_warnings() or ()]
    taken = cursor.rowcount
    cursor.execute("ROLLBACK TO SAVEPOINT part")
    return complaints or [(0, f"took {taken} of {count} rows")]
