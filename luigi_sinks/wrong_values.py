"""Explains in plain words what is wrong with a value, and shows the value."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Raw, ValidationError
from msgspec.json import decode

from luigi_sinks.plain import NotPlain, plain

_LONGEST_SHOWN = 40
_WHERE = re.compile(r" - at (?P<key>`key` in )?`\$\[(?P<row>\d+)\](?P<path>.*)`$")
_STEP = re.compile(r"\[(\d+)\]|\.(\w+)")
_UNREADABLE = "holds a value that cannot be read, such as a lone surrogate or a signalling NaN; correct or remove it"
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST_SHOWN


def located(error: ValidationError, shape: Any, rows: Sequence[Any]) -> tuple[int, str, str]:
    """Return the index of the row that msgspec refuses, the field, and what is wrong with it."""
    message = str(error)
    where = _WHERE.search(message)
    if where is None:
        raise AssertionError(f"no row in {message!r}")
    index, path = int(where["row"]), where["path"]
    if where["key"]:
        return index, shape.field_at(path), "has a key that is not text; give dicts with text keys"
    reason = message[: where.start()].replace("`null`", "None").replace("`", "")
    try:
        value = _value_at(shape.names, rows[index], path)
    except (LookupError, TypeError, ValueError):
        return index, shape.field_at(path), reason
    return index, shape.field_at(path), explained(reason, value)


def _value_at(names: Sequence[str], row: Any, path: str) -> Any:
    """Return the value at a path of msgspec in a row that is a dict, or a tuple in the order of the fields."""
    steps = [name or int(number) for number, name in _STEP.findall(path)]
    if not steps or _STEP.sub("", path):
        raise LookupError(path)
    first, *others = steps
    if isinstance(row, Mapping):
        value = row[names[first] if isinstance(first, int) else first]
    else:
        value = row[first if isinstance(first, int) else names.index(first)]
    for step in others:
        value = value[step]
    return value


def unreadable(is_readable: Callable[[Any], bool], names: Sequence[str], rows: Sequence[Any]) -> tuple[int, str, str]:
    """Return the index of the row that cannot be validated at all, the field without which it could be, and why."""
    index = next(index for index, row in enumerate(rows) if not is_readable(row))
    row = rows[index] if isinstance(rows[index], Mapping) else dict(zip(names, rows[index], strict=False))
    backwards = reversed(tuple(row))  # a field before the wrong one must stay right, as it is validated first
    return index, next((str(name) for name in backwards if is_readable({**row, name: None})), ""), _UNREADABLE


def dirty_value(shape: Any, rows: Sequence[Any]) -> tuple[int, str, str]:
    """Return the index of the first row with text that no store keeps, the field, and what is wrong with it."""
    for index, row in enumerate(rows):
        for field, value in shape.as_given(row).items():
            for text in texts(value):
                if type(text) is not str:
                    return index, field, f"is text of the class {type(text).__name__}; convert it by str()"
                if "\0" in text:
                    return index, field, "contains NUL, which not every store can keep; remove it"
                if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
                    return (
                        index,
                        field,
                        "contains a lone surrogate, which is not valid text; decode the source as UTF-8",
                    )
    raise AssertionError("no text with NUL or surrogates found")


def texts(value: Any) -> Iterable[str]:
    """Yield all strings in a value, including keys of mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Raw):
        yield from texts(decode(value))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)


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
    if reason := _not_plain(value):
        return reason
    *others, last = (_KINDS.get(kind, kind) for kind in kinds.split(" | "))
    is_missing = (isinstance(value, str) and not value) or _is_nan(value)
    hint = "; give None where there is no value" if is_missing else ""
    return f"expected {', '.join(others) + ' or ' if others else ''}{last}, got {_typed(value)}{hint}"


def _is_nan(value: Any) -> bool:
    """Return whether it is what pandas has in the place of a missing value: NaN, or an NA that equals nothing."""
    return (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"


def _not_plain(value: Any) -> str:
    """Return why a time of another library cannot become one of Python; empty if that is not what is wrong."""
    if not isinstance(value, (date, timedelta)) and not hasattr(value, "dtype"):
        return ""
    try:
        plain(value)
    except NotPlain as unfit:
        return unfit.reason
    return ""


def _wrong_length(value: Any, kind: str, sign: str, limit: str) -> str:
    unit = {"str": "characters", "bytes": "bytes"}.get(kind, "values")
    return f"is {len(value)} {unit} long; the field takes at {'most' if sign == '<=' else 'least'} {limit}"


def _out_of_range(value: Any, sign: str, limit: str) -> str:
    if isinstance(value, int):
        return f"is {shown(value)}; the field takes at {'most' if sign == '<=' else 'least'} {limit}"
    if math.isfinite(value):
        return f"is {shown(value)}; the field takes numbers {'up to' if sign == '<=' else 'from'} {limit}"
    hint = "; give None where there is no value" if _is_nan(value) else ""
    return f"is {shown(value)}; the field takes finite numbers only{hint}"


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
