# ruff: noqa: S608 - names are quoted, values are bound
"""Finds the row that the server refuses, since LOAD DATA does not name it, and makes its BadRow."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadRow, SinkError, Unavailable
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import DUPLICATE_KEY, VALUE_TOO_LARGE
from luigi_sinks.mariadb.names import quoted
from luigi_sinks.mariadb.schema import SEQ, Schema
from luigi_sinks.mariadb.writer import Complaint
from luigi_sinks.sink import Part
from luigi_sinks.wrong_values import shown

_EQUAL = (
    "the collation {} takes them for equal, as it may ignore case, accents and spaces at the end; "
    "to keep both, declare the column with collation='{}_nopad_bin'"
)

Key = tuple[tuple[Any, ...], str]
"""The values of a key as the server keeps them, and their collation; empty if it has none."""


def refusal(
    part: Part,
    contract: Contract,
    schema: Schema,
    send: Callable[[Sequence[Any]], list[Complaint]],
    stored: Callable[[Sequence[str], Sequence[Any]], Key | None],
) -> SinkError:
    """Return the error for a refused part.

    `send` loads all the rows that it is given, or none; `stored` looks up a key.
    """
    index, complaints = _first_refused(send, part.rows)
    if not complaints:
        return Unavailable(f"{contract.dataset}: the server refused part {part.number} and then took each of its rows")
    given, number = contract.shapes[""].as_given(part.rows[index]), part.row_number(index)
    error, text = complaints[0]
    if error == DUPLICATE_KEY:
        key = next((key for name, key in schema.unique.items() if text.endswith(f"for key '{name}'")), ())
        return _duplicate(part, contract, index, key, stored)
    if error == VALUE_TOO_LARGE:
        return _too_large(contract, number, given, text)
    field = next((name for name in given if any(_names(text, schema.stored_name(name)) for _, text in complaints)), "")
    return contract.bad_row(number, field, f"was refused by MariaDB: {text}")


def stored_key(cursor: Any, table: str, seq: int, key: Sequence[str], values: Sequence[Any]) -> Key | None:
    """Return the key of a version's row that the server finds equal to these values; None if it finds none."""
    names = [quoted(name) for name in key]
    asked = ", ".join((*names, *(f"COLLATION({name})" for name in names)))
    where = " AND ".join(f"{name} = ?" for name in (quoted(SEQ), *names))
    found = rows(cursor, f"SELECT {asked} FROM {table} WHERE {where} LIMIT 1", (seq, *values))
    if not found:
        return None
    kept, collations = found[0][: len(key)], found[0][len(key) :]
    return kept, next((name for name in collations if name and name != "binary"), "")


def _first_refused(
    send: Callable[[Sequence[Any]], list[Complaint]], rows: Sequence[Any]
) -> tuple[int, list[Complaint]]:
    """Find the first row that is refused, by bisection; the rows before it stay loaded."""
    good, bad = 0, len(rows)
    while bad - good > 1:
        middle = (good + bad) // 2
        if send(rows[good:middle]):
            bad = middle
        else:
            good = middle
    return good, send(rows[good:bad])


def _duplicate(
    part: Part,
    contract: Contract,
    index: int,
    key: Sequence[str],
    stored: Callable[[Sequence[str], Sequence[Any]], Key | None],
) -> BadRow:
    """Name the row that has the key, if it is of this part, and how two keys that differ can be equal."""
    keys = [_values(contract, row, key) for row in part.rows[: index + 1]]
    values = keys.pop()
    kept, collation = (stored(key, values) if key else None) or (values, "")
    differs = any(isinstance(value, str) and value != found for value, found in zip(values, kept, strict=True))
    first = kept if differs else values
    earlier = part.row_number(keys.index(first)) if first in keys else None
    why = f", {', '.join(map(shown, kept))}: {_EQUAL.format(collation, collation.partition('_')[0])}" if differs else ""
    return contract.duplicate(part.row_number(index), key, values, earlier=earlier, why=why)


def _values(contract: Contract, row: Any, key: Sequence[str]) -> tuple[Any, ...]:
    given = contract.shapes[""].as_given(row)
    return tuple(given.get(name) for name in key)


def _too_large(contract: Contract, number: int, given: Any, text: str) -> BadRow:
    sizes = {name: len(value) for name, value in given.items() if isinstance(value, bytes)}
    field = max(sizes, key=sizes.__getitem__, default="")
    (limit,) = re.findall(r"\((\d+)\)", text) or ("",)
    return contract.bad_row(
        number,
        field,
        f"is {sizes.get(field)} bytes long, more than the server's max_allowed_packet = {limit}; raise that, "
        "or divide it",
    )


def _names(text: str, field: str) -> bool:
    """Tell whether a message of the server names the field."""
    return any(sign in text for sign in (f"'{field}' at row", f"`{field}` at row", f".{field}` failed"))
