"""Checks a data frame by its columns, without making Python's values of its rows.

A rule here says yes only if every row would be accepted, and come back as it is. Where it
says no, or does not know the type, the rows are made and checked one by one: only that
names the row, the field and what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import polars as pl
from msgspec import Meta

from luigi_sinks import frames
from luigi_sinks.contract import Contract, Field
from luigi_sinks.encoding import may_hold_nul

_EXACT = 2**53
"""Up to here, a float keeps every whole number."""

_ANYTHING = Meta()


def encoded(contract: Contract, kind: str, frame: Any) -> bytes | None:
    """Return what the store is sent of a frame; None unless each of its rows is known to keep the contract."""
    if contract.encode_frame is None or not isinstance(frame, pl.DataFrame):
        return None
    try:
        admitted = _all_admitted(contract.shapes[kind].fields_of(frame.columns), frame)
        text = admitted and contract.encode_frame(pl.DataFrame(admitted))
    except frames.FAILURES:  # a value that Polars cannot compute with, or write
        return None
    return None if not text or may_hold_nul(text) else text


@dataclass(frozen=True)
class Kept:
    """A copy of a data frame, which shares nothing with what the user can change."""

    height: int
    ipc: bytes

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Kept:
        """Copy a frame."""
        return cls(frame.height, frame.write_ipc_stream(None, compat_level=pl.CompatLevel.oldest()).getvalue())

    def frame(self) -> pl.DataFrame:
        """Return the frame."""
        return pl.read_ipc_stream(self.ipc)


@dataclass(frozen=True)
class Rows(Sequence[Any]):
    """The rows of frames as the contract accepts them, made when one is first asked for: mostly none is.

    Only a part that the store refuses, wholly or partly, has its rows looked at.
    """

    contract: Contract
    kind: str
    kept: Sequence[Kept]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return sum(each.height for each in self.kept)

    def __getitem__(self, index: Any) -> Any:
        """Return one row, or some."""
        return self._accepted[index]

    def values(self, field: str) -> Iterator[Any]:
        """Yield the values of one field."""
        for each in self.kept:
            yield from each.frame()[field].to_list()

    @cached_property
    def _accepted(self) -> Sequence[Any]:
        names = self.contract.shapes[self.kind].names
        given = [row for each in self.kept for row in frames.rows(each.frame(), names)]
        return self.contract.accept(self.kind, given, 1)[0]


def _all_admitted(fields: Sequence[Field] | None, frame: pl.DataFrame) -> list[pl.Series] | None:
    """Return the columns with the values that are sent; None unless all are known to be right."""
    columns: list[pl.Series] = []
    for field in fields or ():
        column = _admitted(field, frame[field.name])
        if column is None:
            return None
        columns.append(column)
    return columns


def _admitted(field: Field, column: pl.Series) -> pl.Series | None:
    """Return a column with the values that are sent; None unless each is known to be right."""
    kinds = _kinds(field.type)
    if column.null_count() and NoneType not in kinds:
        return None
    if column.null_count() == len(column):
        return pl.repeat(None, len(column), dtype=pl.String, eager=True).alias(column.name)
    found = _fitted_to_one(kinds, column)
    if found is None or field.refuse is None:
        return found
    return None if field.refuse_column is None or field.refuse_column(found) else found


def _kinds(kind: Any) -> Sequence[Any]:
    """Return the types of a union of msgspec, or the one type."""
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)


def _fitted_to_one(kinds: Sequence[Any], column: pl.Series) -> pl.Series | None:
    fitted = (_fitted(each, column) for each in kinds)
    return next((each for each in fitted if each is not None), None)


def _fitted(kind: Any, column: pl.Series) -> pl.Series | None:
    if get_origin(kind) is list:
        return _lists(get_args(kind)[0], column)
    if get_origin(kind) is Literal:
        texts = _text(column, _ANYTHING)
        return texts if texts is not None and texts.is_in(get_args(kind)).all() else None
    base, *metas = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    rule = _RULES.get(base) if isinstance(base, type) else None
    return rule(column, metas[0] if metas else _ANYTHING) if rule and len(metas) <= 1 else None


def _lists(kind: Any, column: pl.Series) -> pl.Series | None:
    """Return lists of values that are sent as they are."""
    if not isinstance(column.dtype, pl.List):
        return None
    values = column.explode()
    if values.null_count() and NoneType not in _kinds(kind):
        return None
    fitted = _fitted_to_one(_kinds(kind), values)
    return column if fitted is not None and fitted.dtype == values.dtype else None


def _whole(column: pl.Series, meta: Meta) -> pl.Series | None:
    return column if column.dtype.is_integer() and _is_within(column, meta.ge, meta.le) else None


def _float(column: pl.Series, meta: Meta) -> pl.Series | None:
    if column.dtype.is_integer():
        return column if _is_within(column, -_EXACT, _EXACT) and _is_within(column, meta.ge, meta.le) else None
    if not column.dtype.is_float():
        return None
    values = column.cast(pl.Float64)
    return values if values.is_finite().all() and _is_within(values, meta.ge, meta.le) else None


def _is_within(column: pl.Series, lowest: Any, highest: Any) -> bool:
    least, most = column.min(), column.max()
    is_low: Any = least is not None and lowest is not None and least < lowest
    is_high: Any = most is not None and highest is not None and most > highest
    return not (is_low or is_high)


def _text(column: pl.Series, meta: Meta) -> pl.Series | None:
    if not isinstance(column.dtype, (pl.String, pl.Categorical, pl.Enum)):
        return None
    values = column.cast(pl.String)
    if meta.min_length is not None and not _is_within(values.str.len_bytes(), meta.min_length, None):
        return None  # of a text of no bytes, the rows tell the length in characters
    if meta.max_length is None or _is_within(values.str.len_bytes(), None, meta.max_length):
        return values
    return values if _is_within(values.str.len_chars(), None, meta.max_length) else None


def _bool(column: pl.Series, meta: Meta) -> pl.Series | None:
    del meta
    return column if column.dtype == pl.Boolean else None


def _date(column: pl.Series, meta: Meta) -> pl.Series | None:
    del meta
    return column if column.dtype == pl.Date and _is_of_calendar(column) else None


def _datetime(column: pl.Series, meta: Meta) -> pl.Series | None:
    kind = column.dtype
    if not isinstance(kind, pl.Datetime) or kind.time_zone not in _ZONES[meta.tz] or not _is_of_calendar(column):
        return None
    coarse = column.dt.cast_time_unit("us")
    return coarse if kind.time_unit != "ns" or (coarse.dt.cast_time_unit("ns") == column).all() else None


_ZONES: Mapping[bool | None, set[str | None]] = {False: {None}, True: {"UTC"}, None: {None, "UTC"}}
"""The time zones of columns that are sent as they are, by what the type asks for."""


def _is_of_calendar(column: pl.Series) -> bool:
    years = column.dt.year()  # null beyond the years that Polars knows
    return years.null_count() == column.null_count() and _is_within(years, date.min.year, date.max.year)


def _time(column: pl.Series, meta: Meta) -> pl.Series | None:
    del meta
    return column if column.dtype == pl.Time and not (column.to_physical() % 1_000).max() else None


def _decimal(column: pl.Series, meta: Meta) -> pl.Series | None:
    del meta
    if column.dtype.is_decimal():
        return column
    return column.cast(pl.Decimal(38, 0)) if column.dtype.is_integer() else None


_RULES: Mapping[type, Callable[[pl.Series, Meta], pl.Series | None]] = {
    int: _whole,
    float: _float,
    str: _text,
    bool: _bool,
    date: _date,
    datetime: _datetime,
    time: _time,
    Decimal: _decimal,
}
"""How a column of each of msgspec's types is looked at."""
