"""Copies values into plain ones, which nothing that the user does later can change.

Plain are the values of `FLAT`, and dicts, lists and tuples of plain values. What is not plain
is converted if the result is equal (a subclass of a basic type, a value of NumPy or pandas,
a view of bytes), and refused if the result would be less. What has no plain form, such as a
set, is left as it is: no type of a field accepts it.
"""

from __future__ import annotations

from array import array
from collections import UserList, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

FLAT = frozenset({str, int, float, bool, NoneType, bytes, date, datetime, time, timedelta, Decimal, UUID})
"""The types of values that cannot be changed and hold no others."""

MOST_LEVELS = 100
"""How deep values may be nested: far below Python's limit of recursion, far above what stores keep."""

TOO_DEEP = f"is nested more than {MOST_LEVELS} levels deep; flatten it, or give it as text"

_FLAT_TYPES = frozenset({str, int, float, bool, NoneType, date, datetime, time, timedelta, Decimal})
"""The types of fields that accept no value that could be changed; a UUID may be given as a bytearray."""

_TEXT = frozenset({str})
_LISTS = (deque, range, UserList, array)
_NUMBERS_AND_TEXT = "biufUS"
"""The kinds of NumPy's data types whose values are Python's."""


class NotPlain(Exception):
    """A value whose plain form would be less than it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def plain(value: Any, level: int = 0) -> Any:
    """Return the value as a plain one that shares nothing with it that can change. Raises NotPlain.

    Example:
        >>> plain({"tags": ("a", bytearray(b"b"))})
        {'tags': ('a', b'b')}

    """
    kind = type(value)
    if kind in FLAT:
        return value
    if level > MOST_LEVELS:
        raise NotPlain(TOO_DEEP)
    if kind is list:
        return [each if type(each) in FLAT else plain(each, level + 1) for each in value]
    if kind is dict and _TEXT.issuperset(map(type, value)):
        copied = value.copy()
        for key, each in value.items():
            if type(each) not in FLAT:
                copied[key] = plain(each, level + 1)
        return copied
    return _converted(value, level)


def flat_list(value: Any) -> Any:
    """Return the plain form of a value that is right only if it is a list of values that cannot be changed."""
    return value.copy() if type(value) is list else plain(value)


def is_too_deep(value: Any) -> bool:
    """Return whether dicts and lists are nested too deep."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        containers = [each.values() if type(each) is dict else each for each in level if type(each) in {dict, list}]
        level = list(chain.from_iterable(containers))
    return bool(level)


def plainer_row(row: Any) -> Any:
    """Return a row that was taken with values of the basic types in the place of those of their subclasses."""
    if isinstance(row, dict):
        return {name: _plainer(value) for name, value in row.items()}
    return tuple(map(_plainer, row))


def _plainer(value: Any) -> Any:
    """Return a value of a basic type for one of its subclass, or the value itself."""
    try:
        return plain(value)
    except NotPlain:
        return value


def is_flat(kind: Any) -> bool:
    """Return whether a field of this type accepts only values that cannot be changed."""
    if get_origin(kind) is Literal:
        return True
    inner = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    if get_origin(kind) in {Annotated, Union, UnionType}:
        return all(map(is_flat, inner))
    return kind in _FLAT_TYPES


def is_flat_list(kind: Any) -> bool:
    """Return whether a field of this type accepts only lists of values that cannot be changed."""
    if get_origin(kind) in {Annotated, Union, UnionType}:
        return all(is_flat_list(each) or each is NoneType for each in get_args(kind)[:2])
    return get_origin(kind) is list and is_flat(get_args(kind)[0])


def _converted(value: Any, level: int) -> Any:
    for base, convert in _BASES.items():
        if isinstance(value, base):
            return _equal(value, convert)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return plain(_from_numpy(value), level)
    if isinstance(value, tuple):
        return tuple(plain(each, level + 1) for each in value)
    if isinstance(value, Mapping):
        return {plain(key, level + 1): plain(each, level + 1) for key, each in value.items()}
    return [plain(each, level + 1) for each in value] if isinstance(value, _LISTS) else value


def _equal(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Return a value of a basic type in the place of one of its subclass, if they are equal."""
    if isinstance(value, date) and value != value:  # noqa: PLR0124 - NaT of pandas is not equal to itself
        raise NotPlain(f"is {value}, a time that is missing; give None")
    converted = convert(value)
    if converted != value and value == value:  # noqa: PLR0124 - NaN is refused where it is sent
        raise NotPlain(
            f"is a {type(value).__name__} that is finer than {type(converted).__name__}, which would be {converted}; "
            "round it, or give it as text"
        )
    return converted


def _from_numpy(value: Any) -> Any:
    """Return the Python values of a scalar or an array."""
    kind = getattr(value.dtype, "kind", "")
    if kind in "mM" and not value.shape:
        coarse = value.astype(f"{kind}8[us]")
        if coarse != value:  # also NaT
            raise NotPlain(f"is {value}, which has no equal of microseconds; round it, or give None if it is missing")
        value = coarse
    found = value.tolist()
    if kind not in _NUMBERS_AND_TEXT + "mMO" or type(found) is type(value):
        raise NotPlain(f"is of NumPy's type {value.dtype}, which no store keeps; convert it to one of Python's types")
    return found


_BASES: Mapping[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes(memoryview(value)),
    datetime: lambda value: datetime.combine(
        date(value.year, value.month, value.day),
        time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold),
    ),
    date: lambda value: date(value.year, value.month, value.day),
    time: lambda value: time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold),
    timedelta: lambda value: timedelta(value.days, value.seconds, value.microseconds),
    Decimal: Decimal,
    UUID: lambda value: UUID(int=value.int),
}
"""How a value of a subclass becomes one of its base; a datetime is also a date, so it comes first."""
