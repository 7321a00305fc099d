"""Which values that a SELECT gives a column would not be read back as they are, and get no warning of the server.

It does warn of text that is too long, and of what `Numeric` would round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import sqlalchemy as sa
from mariadb.constants import FIELD_TYPE

_INTEGERS = {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG}
_SINGLE_PRECISION = 24

_PERHAPS_TOO_LARGE = "'[eE][+]?[0-9]{3}|[0-9]{200}'"
"""What is quickly found in JSON, though it may be within a text, or still a float."""

_TEXT_IN_JSON = r"""'"(\\\\.|[^"\\\\])*"'"""
_NO_FLOAT = "'E(309|3[1-9][0-9]|[4-9][0-9]{2}|[0-9]{4})|[^0-9.]([2-9][.]|1[.][89])[0-9]*E308'"
"""Numbers of 1.8E308 and more, as JSON_NORMALIZE writes them: those cannot be read."""

_ESCAPED = str.maketrans({"'": "''", "\\": r"\\"})


@dataclass(frozen=True)
class Given:
    """The type of what a SELECT gives, as the driver describes it."""

    type: int
    scale: int

    @property
    def is_integer(self) -> bool:
        """Whether it is one of the server's integers."""
        return self.type in _INTEGERS

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number and exact."""
        return self.is_integer or (self.type == FIELD_TYPE.NEWDECIMAL and not self.scale)


@dataclass(frozen=True)
class Fit:
    """A condition in SQL, never NULL, that a column keeps a value, and what is wrong with the value otherwise."""

    kept: str
    otherwise: str


def fit(kind: Any, given: Given, value: str) -> Fit | None:
    """Return what to test of a value, an expression in SQL, for a type of SQLAlchemy; None if nothing."""
    found = _test(kind, given, value)
    return found and Fit(f"({value} IS NULL OR ({found[0]}) IS TRUE)", found[1])


@singledispatch
def _test(kind: Any, given: Given, value: str) -> tuple[str, str] | None:
    del kind, given, value
    return None


@_test.register
def _(kind: sa.Integer, given: Given, value: str) -> tuple[str, str] | None:
    del kind
    if given.is_integer:
        return None
    # As text, a member of an ENUM and a date are no number.
    return f"{value} = ROUND({value}) AND CONCAT({value}) = ROUND({value})", "would be rounded"


@_test.register
def _(kind: sa.Boolean, given: Given, value: str) -> tuple[str, str]:
    del kind, given
    return f"{value} IN (0, 1)", "is neither 0 nor 1 (TINYINT keeps it)"


@_test.register
def _(kind: sa.Float[Any], given: Given, value: str) -> tuple[str, str] | None:
    is_single = kind.__visit_name__ in {"float", "FLOAT"} and (kind.precision or 0) <= _SINGLE_PRECISION
    stored = "FLOAT" if is_single else "DOUBLE"
    if not given.is_whole:
        return None
    return f"CAST(CAST({value} AS {stored}) AS SIGNED) = {value}", f"is a whole number that {stored} would round"


@_test.register
def _(kind: sa.String, given: Given, value: str) -> tuple[str, str] | None:
    del kind
    if given.type != FIELD_TYPE.FLOAT:
        return None
    return f"CAST(CONCAT({value}) AS FLOAT) = {value}", "would be rounded as text; cast it as DOUBLE"


@_test.register
def _(kind: sa.CHAR | sa.NCHAR, given: Given, value: str) -> tuple[str, str]:
    del kind, given
    return f"{value} NOT LIKE '% '", "ends in a space, which CHAR does not keep"


@_test.register
def _(kind: sa.Enum, given: Given, value: str) -> tuple[str, str]:
    del given
    members = ", ".join(f"'{member.translate(_ESCAPED)}'" for member in kind.enums)
    text = f"CONVERT({value} USING utf8mb4) COLLATE utf8mb4_nopad_bin"
    return f"{text} IN ({members})", "is none of the Enum's texts"


@_test.register
def _(kind: sa.BINARY, given: Given, value: str) -> tuple[str, str]:
    del given
    length = kind.length or 1
    return f"LENGTH({value}) = {length}", f"is not {length} bytes long, and would be padded"


@_test.register
def _(kind: sa.Date, given: Given, value: str) -> tuple[str, str]:
    del kind
    return _is_date(given, value), "is no date of the calendar"


@_test.register
def _(kind: sa.DateTime, given: Given, value: str) -> tuple[str, str]:
    is_whole = f"{value} = CAST({value} AS DATETIME({_digits(kind)}))"
    return f"{_is_date(given, value)} AND {is_whole}", f"is no time of the calendar {_precision(kind)}"


@_test.register
def _(kind: sa.Time, given: Given, value: str) -> tuple[str, str]:
    del given
    is_of_day = f"CAST({value} AS TIME(6)) BETWEEN TIME'00:00:00' AND TIME'23:59:59.999999'"
    is_whole = f"{value} = CAST({value} AS TIME({_digits(kind)}))"
    return f"{is_of_day} AND {is_whole}", f"is no time of a day {_precision(kind)}"


@_test.register
def _(kind: sa.JSON, given: Given, value: str) -> tuple[str, str]:
    del kind, given
    # In a list, as the server reads on behind a number that is all there is.
    numbers = f"REGEXP_REPLACE(JSON_NORMALIZE(CONCAT('[', {value}, ']')), {_TEXT_IN_JSON}, '')"
    test = f"{value} NOT REGEXP {_PERHAPS_TOO_LARGE} OR ({numbers} REGEXP {_NO_FLOAT}) IS NOT TRUE"
    return test, "has a number that no float can hold"


def _is_date(given: Given, value: str) -> str:
    if given.type == FIELD_TYPE.TIME:  # the server would take it for one of today
        return "FALSE"
    last = f"LAST_DAY({value})"
    return f"{last} >= DATE'0001-01-01' AND DAYOFMONTH({value}) BETWEEN 1 AND DAYOFMONTH({last})"


def _digits(kind: Any) -> int:
    return getattr(kind, "fsp", None) or 0


def _precision(kind: Any) -> str:
    return f"with {digits} digits of a second" if (digits := _digits(kind)) else "in whole seconds"
