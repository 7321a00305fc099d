"""Explains in plain words what is wrong with a value, and shows the value."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

_LONGEST_SHOWN = 40
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST_SHOWN


def explained(reason: str, value: Any) -> str:
    """Return what msgspec says of a value in plain words, with the value; its own words if they are not known.

    Example:
        >>> explained("Expected `int`, got `str`".replace("`", ""), "abc")
        "expected a whole number (int), got str 'abc'"

    """
    for pattern, explain in _EXPLANATIONS:
        if found := pattern.fullmatch(reason):
            return explain(value, *found.groups())
    return reason


def _wrong_type(value: Any, kinds: str) -> str:
    *others, last = (_KINDS.get(kind, kind) for kind in kinds.split(" | "))
    return f"expected {', '.join(others) + ' or ' if others else ''}{last}, got {_typed(value)}"


def _wrong_length(value: Any, kind: str, sign: str, limit: str) -> str:
    unit = {"str": "characters", "bytes": "bytes"}.get(kind, "values")
    return f"is {len(value)} {unit} long; the field takes at {'most' if sign == '<=' else 'least'} {limit}"


def _out_of_range(value: Any, sign: str, limit: str) -> str:
    if isinstance(value, int):
        return f"is {shown(value)}; the field takes at {'most' if sign == '<=' else 'least'} {limit}"
    if math.isfinite(value):
        return f"is {shown(value)}; the field takes numbers {'up to' if sign == '<=' else 'from'} {limit}"
    return f"is {shown(value)}; the field takes finite numbers only"


def _wrong_zone(value: Any, which: str) -> str:
    if which == "no":
        return (
            f"has a time zone, which the field does not keep: {_typed(value)}; convert it to UTC, and remove the zone"
        )
    return f"has no time zone: {_typed(value)}; add one, such as datetime.UTC"


def _typed(value: Any) -> str:
    if value is None:
        return "None"
    plain = isinstance(value, (Decimal, date, time, UUID))
    return f"{type(value).__name__} {str(value)[:_LONGEST_SHOWN] if plain else shown(value)}"


def shown(value: Any) -> str:
    """Return a value as in Python, cut where it is long."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "too long to show"
    return text if len(text) <= _LONGEST_SHOWN + 2 else f"{text[:_LONGEST_SHOWN]}..."


_KINDS = {
    "int": "a whole number (int)",
    "float": "a number (float or int)",
    "bool": "True or False",
    "str": "text (str)",
    "bytes": "bytes",
    "decimal": "an exact number (Decimal, int, or text such as '12.50')",
    "date": "a date (YYYY-MM-DD text or datetime.date)",
    "datetime": "a time (YYYY-MM-DDTHH:MM:SS text or datetime.datetime)",
    "time": "a time of day (HH:MM:SS text or datetime.time)",
    "uuid": "a UUID (its text or uuid.UUID)",
    "array": "a list",
    "object": "a dict",
    "null": "None",
}
_INVALID = {"decimal string": "decimal", "UUID": "uuid", "UUID bytes": "uuid"}
_EXPLANATIONS: Sequence[tuple[re.Pattern[str], Callable[..., str]]] = (
    (re.compile(r"Expected (.+), got .+"), _wrong_type),
    (re.compile(r"Expected (str|bytes|array) of length ([<>]=) (\d+)"), _wrong_length),
    (re.compile(r"Expected (?:int|float) ([<>]=) (\S+)"), _out_of_range),
    (re.compile(r"Expected (?:date)?time with (a|no) timezone component"), _wrong_zone),
    (re.compile(r"Invalid RFC3339 encoded (\w+)"), _wrong_type),
    (re.compile(r"Invalid (decimal string|UUID bytes|UUID)"), lambda value, what: _wrong_type(value, _INVALID[what])),
    (
        re.compile(r"Invalid enum value .+", re.DOTALL),
        lambda value: f"is {shown(value)}, which is not one of the choices",
    ),
    (
        re.compile("Number out of range"),
        lambda value: f"is {shown(value)}; the field takes numbers up to about 1.8e308",
    ),
)
"""What msgspec says of a value, and how it reads in plain words."""
