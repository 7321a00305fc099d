"""Sends rows by LOAD DATA, and finds the row that the server does not take.

A part's text is whole, in a file in memory, before the server sees its first
byte: what the statement cannot tell from a clean end, a stream that was cut
short, cannot happen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from luigi_sinks.mariadb.names import quoted
from luigi_sinks.mariadb.schema import SEQ, Schema

Complaint = tuple[int, str]
"""An error number of the server and its message."""


def encode(schema: Schema, rows: Sequence[Any]) -> bytes:
    """Return rows as lines of text, a column at a time, which is faster than by row."""
    columns = zip(schema.codecs.values(), zip(*rows, strict=True), strict=True)
    texts = [codec.texts(values) for codec, values in columns]
    return ("\n".join(map("\t".join, zip(*texts, strict=True))) + "\n").encode()


def statement(schema: Schema, table: str, seq: int, path: str) -> str:
    """Return the statement that loads a file into one version."""
    targets, settings = [], [f"{SEQ} = {seq}"]
    for number, (name, codec) in enumerate(schema.codecs.items()):
        variable = f"@v{number}"
        targets.append(variable if codec.load else quoted(name))
        if codec.load:
            settings.append(f"{quoted(name)} = {codec.load.format(variable)}")
    return (
        f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4"
        r" FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'"
        f" ({', '.join(targets)}) SET {', '.join(settings)}"
    )


def send(cursor: Any, schema: Schema, table: str, seq: int, rows: Sequence[Any]) -> Complaint | None:
    """Load rows into a version, all or none; return the server's first complaint if it is none.

    LOCAL makes warnings of errors and skips rows that repeat a key, so only as
    many rows as were sent and no warning mean success.
    """
    cursor.execute("SAVEPOINT part")
    with os.fdopen(os.memfd_create("part"), "wb", buffering=0) as file:
        file.write(encode(schema, rows))
        cursor.execute(statement(schema, table, seq, f"/dev/fd/{file.fileno()}"))
    if cursor.rowcount == len(rows) and not cursor.warnings:
        return None
    found = [(number, text) for _, number, text in cursor.connection.show_warnings() or ()]
    complaint = found[0] if found else (0, f"took {cursor.rowcount} of {len(rows)} rows")
    cursor.execute("ROLLBACK TO SAVEPOINT part")
    return complaint


def first_refused(
    send: Callable[[Sequence[Any]], Complaint | None], rows: Sequence[Any]
) -> tuple[int, Complaint] | None:
    """Find the first of the rows that is refused, by halves; those before it are sent."""
    good, bad = 0, len(rows)
    while bad - good > 1:
        middle = (good + bad) // 2
        if send(rows[good:middle]) is None:
            good = middle
        else:
            bad = middle
    complaint = send(rows[good:bad])
    return (good, complaint) if complaint else None
