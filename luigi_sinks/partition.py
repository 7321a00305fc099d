"""Encodes parameter values as the id of a partition, and decodes them.

An id consists of `[a-z0-9_]`, so that it can be part of an index name, a table key and a
property. Different values get different ids. A date is encoded as its digits. In other
text, each byte of UTF-8 outside `[a-z0-9]` is encoded as `_` and two hex digits. `__`
separates two values. An id of more than 30 characters is shortened to a slug and a hash;
the record has the exact values.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import luigi
from luigi.parameter import ParameterVisibility

from luigi_sinks.errors import BadSetting
from luigi_sinks.version import WHOLE

_LONGEST = 30
_EMPTY = "_z"
_DATES = (luigi.DateParameter, luigi.DateHourParameter, luigi.DateMinuteParameter, luigi.DateSecondParameter)
_NOT_DIGITS = re.compile(r"[^%a-zA-Z0-9]")


def encode(parameters: Sequence[luigi.Parameter[Any]], values: Sequence[Any]) -> str:
    """Return the id of the partition with these values, in the order of the parameters.

    Raises BadSetting for a parameter that is hidden, or whose `parse` does not return what
    `serialize` was given.
    """
    if not parameters:
        return WHOLE
    whole = "__".join(_encode_one(*pair) for pair in zip(parameters, values, strict=True))
    return whole if len(whole) <= _LONGEST else _shortened(whole)


def decode(parameters: Sequence[luigi.Parameter[Any]], partition: str) -> tuple[Any, ...]:
    """Return the values of a partition. Its id must not be a shortened one."""
    if not parameters:
        return ()
    return tuple(_decode_one(*pair) for pair in zip(parameters, partition.split("__"), strict=True))


def _encode_one(parameter: Any, value: Any) -> str:
    if parameter.visibility != ParameterVisibility.PUBLIC:
        raise BadSetting(
            "a hidden or private parameter cannot choose the partition: names would show its value; use a public one"
        )
    text = parameter.serialize(value)
    if parameter.normalize(parameter.parse(text)) != parameter.normalize(value):  # a list is kept as a tuple
        raise BadSetting(
            f"{type(parameter).__name__} cannot choose the partition: it serializes {value!r} as {text!r}, and parses "
            "this as another value; correct its parse or serialize"
        )
    return _digits(parameter, value) or _escaped(text)


def _decode_one(parameter: Any, text: str) -> Any:
    if text.isdigit() and _is_date(parameter):
        moment = datetime.strptime(text, _digit_format(parameter))  # noqa: DTZ007 - Luigi's dates have no time zone
        return parameter.parse(moment.strftime(parameter.date_format))
    return parameter.normalize(parameter.parse(_unescaped(text)))


def _digits(parameter: Any, value: Any) -> str:
    """Return the digits of a date; empty for other values, and for dates whose format is not only digits."""
    if not _is_date(parameter) or not isinstance(value, date):
        return ""
    digits = value.strftime(_digit_format(parameter))
    return digits if digits.isdigit() else ""


def _is_date(parameter: Any) -> bool:
    return isinstance(parameter, _DATES)


def _digit_format(parameter: Any) -> str:
    """Return the date format without punctuation: `%Y%m%d%H` for `%Y-%m-%dT%H`."""
    return _NOT_DIGITS.sub("", str(parameter.date_format)).replace("T", "")


def _escaped(text: str) -> str:
    return (
        "".join(
            char
            if char.isascii() and (char.islower() or char.isdigit())
            else "".join(f"_{byte:02x}" for byte in char.encode())
            for char in text
        )
        or _EMPTY
    )


def _unescaped(text: str) -> str:
    if text == _EMPTY:
        return ""
    return re.sub(rb"_([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode()).decode()


def _shortened(whole: str) -> str:
    digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
    slug = re.sub(r"(_[0-9a-f]{2}|_)+", "_", whole).strip("_")[: _LONGEST - len(digest) - 3]
    return f"{slug}_h_{digest}"
