"""Tells whether a store gives back the value that it was given, or another one.

A field of a known type takes other spellings of the same value: text for a date, an int
for a float, a tuple for a list. A field that holds JSON takes only what JSON gives back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from luigi_sinks.plain import MOST_LEVELS, TOO_DEEP, NotPlain, is_too_deep, plain

_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder()
_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{6}\d*[1-9]")
_MINUTE = timedelta(minutes=1)
_JSON_TYPES = (dict, list, str, int, float, bool, type(None))
_ONLY_JSON = "give dicts with text keys, lists, text, whole numbers, finite floats, bools and None"


def change(given: Any, kept: Any) -> tuple[str, str] | None:
    """Return where and how a value differs from what its field keeps of it; None if they are the same value.

    The place is the path of keys within the value, such as `.legs.day`; empty for the value itself.

    Example:
        >>> change(2**53 + 1, float(2**53 + 1))
        ('', 'is an int that a float cannot hold; round it, or declare a type that can')

    """
    if given is kept:
        return None
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        return _first(_within(f".{key}", change(value, kept.get(key))) for key, value in given.items())
    if isinstance(given, (list, tuple)) and isinstance(kept, list):
        return _first(map(change, given, kept))
    reason = _change(given, kept)
    return ("", reason) if reason else None


def as_json(value: Any) -> msgspec.Raw | None:
    """Return a value as JSON that gives back the same value; None stays None. Raises NotPlain if there is no such.

    Example:
        >>> bytes(as_json({"a": [1, None]}))
        b'{"a":[1,null]}'
        >>> as_json({"a": [1, (2, 3)]})
        Traceback (most recent call last):
            ...
        luigi_sinks.plain.NotPlain: holds a tuple, which JSON would change; give dicts with text keys, lists, text, whole numbers, finite floats, bools and None

    """  # noqa: E501 - an error is one line
    if value is None:
        return None
    text = _exact_json(value) or _exact_json(value := plain(value))
    if text is None:
        raise NotPlain(f"holds {next(_not_json(value), 'a value')}, which JSON would change; {_ONLY_JSON}")
    return msgspec.Raw(text)


def change_in_json(value: Any) -> str | None:
    """Return how JSON would change a value; None if it would not."""
    try:
        as_json(value)
    except NotPlain as unfit:
        return unfit.reason
    return None


def odd_offset(moment: datetime | time) -> str | None:
    """Return why ISO text does not keep a time's offset from UTC; None if it does, or if there is none.

    Before 1972 some zones had seconds in theirs.
    """
    offset = moment.utcoffset()
    if not offset or not offset % _MINUTE:
        return None
    return f"has an offset of {offset}, and only whole minutes are kept; convert it to UTC"


def _exact_json(value: Any) -> bytes | None:
    """Return a value as JSON, or None if that would give back another value."""
    try:
        text = _ENCODER.encode(value)
        if (copy := _DECODER.decode(text)) != value:
            return None
    except RecursionError:
        raise NotPlain(TOO_DEEP) from None
    except (TypeError, ValueError, OverflowError):
        return None
    if text.count(b"[") + text.count(b"{") > MOST_LEVELS and is_too_deep(copy):
        raise NotPlain(TOO_DEEP)
    return text


def _change(given: Any, kept: Any) -> str | None:
    if isinstance(given, str) and isinstance(kept, Decimal):
        is_odd = "_" in given or not given.isascii()
        return f"is {given[:40]!r}, in which digits are not plain; write them as in '12.50'" if is_odd else None
    if isinstance(given, str):
        is_cut = isinstance(kept, (date, time)) and _FINER_THAN_MICROSECONDS.search(given)
        return "has digits after the microseconds, which would be rounded; cut them off" if is_cut else None
    if isinstance(given, (set, frozenset)):
        return "is a set, whose values have no order; give a list"
    kind = type(given).__name__
    if isinstance(kept, str):
        return f"is a {kind}, which would be kept as text; convert it to the field's type"
    try:
        is_same = bool(type(given)(kept) == given)
    except (TypeError, ValueError, ArithmeticError):
        is_same = False
    if is_same:
        return None
    article = "an" if kind[0] in "aeio" else "a"
    return f"is {article} {kind} that a {type(kept).__name__} cannot hold; round it, or declare a type that can"


def _within(place: str, found: tuple[str, str] | None) -> tuple[str, str] | None:
    return (place + found[0], found[1]) if found else None


def _first(found: Iterable[tuple[str, str] | None]) -> tuple[str, str] | None:
    return next(filter(None, found), None)


def _not_json(value: Any) -> Iterator[str]:
    """Yield what JSON would change within a value, in words."""
    kind = type(value)
    if kind is dict:
        for key, inner in value.items():
            yield from _not_json(key) if isinstance(key, str) else [f"a key of type {type(key).__name__}"]
            yield from _not_json(inner)
    elif kind is list:
        for inner in value:
            yield from _not_json(inner)
    elif kind not in _JSON_TYPES:
        yield f"a {kind.__name__}"
    elif kind is str and value.encode(errors="ignore").decode() != value:
        yield "a lone surrogate"
    elif kind is float and value - value != 0:
        yield f"the float {value}"
