"""How two rows of the same keys become one, so that one statement writes both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = list[Any]


def highest(position: int) -> Callable[[Row, Row], Row]:
    """Return what keeps the row that is higher from a position on; None is lowest."""
    return lambda row, other: max(row, other, key=lambda x: [(v is not None, v) for v in x[position:]])


def either(row: Row, other: Row) -> Row:
    """Keep one of two rows that say the same."""
    del other
    return row


def widest(row: Row, other: Row) -> Row:
    """Keep the first time, the last time, and whether any was observed."""
    *key, first, last, is_observed = row
    return [*key, min(first, other[-3]), max(last, other[-2]), is_observed or other[-1]]


def largest(keys: int) -> Callable[[Row, Row], Row]:
    """Return what keeps the larger one of each value behind the keys."""
    return lambda row, other: row[:keys] + [max(pair) for pair in zip(row[keys:], other[keys:], strict=True)]


def joined(row: Row, other: Row) -> Row:
    """Join the sets at the end of two rows."""
    return [*row[:-1], sorted({*row[-1], *other[-1]})]
