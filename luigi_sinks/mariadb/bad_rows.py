"""Finds the row that the server refuses, since LOAD DATA does not name it, and makes its BadRow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadRow, SinkError, Unavailable
from luigi_sinks.mariadb.errors import DUPLICATE_KEY
from luigi_sinks.mariadb.schema import Schema
from luigi_sinks.mariadb.writer import Complaint
from luigi_sinks.sink import Part


def refusal(
    part: Part, contract: Contract, schema: Schema, send: Callable[[Sequence[Any]], list[Complaint]]
) -> SinkError:
    """Return the error for a refused part; `send` loads all the rows that it is given, or none."""
    index, complaints = _first_refused(send, part.rows)
    if not complaints:
        return Unavailable(f"{contract.dataset}: the server refused part {part.number} and then took each of its rows")
    return _bad_row(contract, schema, part.first_row + index, part.rows[index], complaints)


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


def _bad_row(contract: Contract, schema: Schema, number: int, row: Any, complaints: Sequence[Complaint]) -> BadRow:
    given = contract.shapes[""].as_given(row)
    error, text = complaints[0]
    if error == DUPLICATE_KEY:
        key = next((key for name, key in schema.unique.items() if text.endswith(f"for key '{name}'")), ())
        return contract.duplicate(number, key, [given.get(name) for name in key])
    field = next((name for name in given if any(_names(text, name) for _, text in complaints)), "")
    return contract.bad_row(number, field, f"was refused by MariaDB: {text}")


def _names(text: str, field: str) -> bool:
    """Tell whether a message of the server names the field."""
    return any(sign in text for sign in (f"'{field}' at row", f"`{field}` at row", f".{field}` failed"))
