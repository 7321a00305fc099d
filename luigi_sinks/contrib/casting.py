"""Casts values as databases and drivers did for `luigi.contrib`: text becomes the number or date that it spells.

Rows are strict after that: what cannot be cast without loss stays as it is, and is refused by its
field. Two losses are kept, as MariaDB has them: a time is cut to the fractions of a second
that its column keeps, and a time for a Date to its day.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import partial, singledispatch
from typing import Any

import sqlalchemy as sa

from luigi_sinks.mariadb.types import codec

_TIME = r"\d\d:\d\d(:\d\d(\.\d+)?)?"
_TIME_OF_DAY = re.compile(_TIME, re.ASCII)
"""MariaDB reads 1112 as 00:11:12, and Python as 11:12; with a colon they agree."""
_MOMENT = re.compile(rf"(\d{{4}}-\d\d-\d\d|\d{{8}})([ T]{_TIME}(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_DAY_WITH_TIME = re.compile(rf"(\d{{4}}-\d\d-\d\d)[ T]{_TIME}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_ANY_DIGIT_BUT_0 = re.compile(r"[^e]*[1-9]", re.IGNORECASE)
_MOST_DIGITS = 400
"""More than any column of numbers has; int() of far more takes hours."""
_BOOLEANS = {"0": False, "1": True, "false": False, "true": True}
_MICROSECONDS = 6


@dataclass(frozen=True)
class Cast:
    """Casts the rows of a table; `null_values` are the values that stand for NULL."""

    casts: Mapping[str, Callable[[Any], Any]]
    null_values: Collection[Any]

    def row(self, row: Any) -> Any:
        """Return a dict, or a tuple of what any other row yields, with cast values; a data frame as it is.

        Example:
            >>> Cast({"id": _integer}, null_values=("",)).row(["7 "]), Cast({"id": _integer}, ("",)).row([""])
            ((7,), (None,))

        """
        if isinstance(row, Mapping):
            return {name: self._value(self.casts.get(name, _same), value) for name, value in row.items()}
        if not _is_row(row):
            return row
        values = tuple(row)
        if len(values) != len(self.casts):  # refused as a whole, with the names of the columns
            return values
        return tuple(map(self._value, self.casts.values(), values))

    def _value(self, cast: Callable[[Any], Any], value: Any) -> Any:
        if value is None or self._is_null(value):
            return None
        return value if _is_missing(value) else cast(value)

    def _is_null(self, value: Any) -> bool:
        with suppress(TypeError, ValueError):  # a value that cannot be looked up, such as a list
            return value in self.null_values
        return False


def cast_for(columns: Sequence[sa.Column[Any]], null_values: Collection[Any]) -> Cast:
    """Return what casts the rows of these columns."""
    return Cast({str(column.name): caster(column.type) for column in columns if column.computed is None}, null_values)


@singledispatch
def caster(kind: Any) -> Callable[[Any], Any]:
    """Return the function that casts values for a type of SQLAlchemy."""
    del kind
    return _same


def _is_row(row: Any) -> bool:
    """Return whether it yields values, as the old classes took any row; a row of pandas or NumPy does too."""
    if getattr(row, "ndim", 0) == 1:
        return True
    is_frame = hasattr(row, "__arrow_c_stream__")
    return isinstance(row, Iterable) and not is_frame and not isinstance(row, (str, bytes, bytearray, memoryview))


def _same(value: Any) -> Any:
    return value


def _is_missing(value: Any) -> bool:
    """Return whether it is NaN or NaT, which stand for a missing value in pandas: no text, and refused."""
    with suppress(ArithmeticError):  # a signalling NaN
        return isinstance(value, (float, Decimal, datetime)) and bool(value != value)  # noqa: PLR0124 - not equal to itself
    return True


@caster.register
def _(kind: sa.Boolean) -> Callable[[Any], Any]:
    del kind
    return _boolean


@caster.register
def _(kind: sa.Integer) -> Callable[[Any], Any]:
    del kind
    return _integer


@caster.register(sa.Float)
def _(kind: Any) -> Callable[[Any], Any]:
    return partial(_float, codec(kind).refuse or _is_rounded)


@caster.register(sa.Numeric)
def _(kind: Any) -> Callable[[Any], Any]:
    del kind
    return _decimal


@caster.register
def _(kind: sa.String) -> Callable[[Any], Any]:
    del kind
    return _text


@caster.register
def _(kind: sa.Date) -> Callable[[Any], Any]:
    del kind
    return _day


@caster.register
def _(kind: sa.DateTime) -> Callable[[Any], Any]:
    return partial(_moment, getattr(kind, "fsp", None) or 0)


@caster.register
def _(kind: sa.Time) -> Callable[[Any], Any]:
    return partial(_time, getattr(kind, "fsp", None) or 0)


@caster.register(sa.LargeBinary)
@caster.register(sa.VARBINARY)
def _(kind: Any) -> Callable[[Any], Any]:
    del kind
    return lambda value: value.encode() if isinstance(value, str) else value


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip().casefold(), value)
    return bool(value) if isinstance(value, int) and value in {0, 1} else value


def _integer(value: Any) -> Any:
    if isinstance(value, (str, float, Decimal)):
        return _whole(value)
    with suppress(TypeError):
        return operator.index(value)  # of a bool, or of NumPy
    return value


def _whole(value: str | float | Decimal) -> Any:
    """Return the whole number that a value spells; another value as it is."""
    text = str(value).strip()
    with suppress(InvalidOperation):  # an exponent of more digits than Decimal takes
        if _NUMBER.fullmatch(text):
            number = Decimal(text)
            if number.adjusted() < _MOST_DIGITS and number == number.to_integral_value():
                return int(number)
    return value


def _float(refuse: Callable[[Any], Any], value: Any) -> Any:
    """Return a float; a whole number that the column cannot hold stays one, which is refused."""
    if isinstance(value, (str, Decimal)):
        text = str(value).strip()
        if not _NUMBER.fullmatch(text):
            return value
        if not _WHOLE.fullmatch(text) or len(text) > _MOST_DIGITS:
            return float(text) if _ANY_DIGIT_BUT_0.match(text) is None or float(text) else value
        value = int(text)
    with suppress(TypeError):
        whole = operator.index(value)
        return whole if refuse(whole) else float(whole)
    with suppress(ValueError, OverflowError, TypeError):
        return float(value)
    return value


def _is_rounded(whole: int) -> bool:
    """Return whether a double cannot hold a whole number."""
    with suppress(OverflowError):
        return float(whole) != whole
    return True


def _decimal(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return value.strip() if isinstance(value, str) else value


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(int(value))
    return str(value) if isinstance(value, (int, float, Decimal, date, time)) else value


def _day(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date()
    if not isinstance(value, str):
        return value
    text = value.strip()
    found = _DAY_WITH_TIME.fullmatch(text)
    with suppress(ValueError):  # no such day or time
        return found[1] if found and datetime.fromisoformat(text) else text
    return text


def _moment(digits: int, value: Any) -> Any:
    if isinstance(value, str) and _MOMENT.fullmatch(value.strip()):
        with suppress(ValueError):
            value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time())
    return _cut(digits, value) if isinstance(value, datetime) else value


def _time(digits: int, value: Any) -> Any:
    if isinstance(value, str) and _TIME_OF_DAY.fullmatch(value.strip()):
        with suppress(ValueError):
            value = time.fromisoformat(value.strip())
    return _cut(digits, value) if isinstance(value, time) else value


def _cut(digits: int, value: Any) -> Any:
    """Return a time without the fractions of a second that a column of so many digits does not keep."""
    step = 10 ** (_MICROSECONDS - digits)
    return value.replace(microsecond=value.microsecond // step * step)
