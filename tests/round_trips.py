"""Takes drawn declarations and rows to a store and back: what is accepted is read as it was given.

What is refused is refused by an error of ours that names the row and the field. Rows are drawn
first and loaded together, as a load for each would take minutes.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any, Protocol
from uuid import UUID

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from luigi_sinks.dropping import drop_dataset
from luigi_sinks.errors import BadRow
from luigi_sinks.load import load
from luigi_sinks.sink import Sink
from luigi_sinks.testing.transitions import ORIGIN, WHOLE

DEPTH = int(os.environ.get("LUIGI_SINKS_ROUND_TRIPS", "1"))
"""How many times as many declarations are tried as in the common run; `make faults` sets it."""

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
AWKWARD = [
    "",
    "null",
    "NULL",
    "\\N",
    "\f\x07",
    '"',
    "\\",
    "]\n[",
    ",null,",
    "\x1a",
    " ",
    "a ",
    "é",
    "e\u0301",
    "🛫",
    "ß",
]
TEXTS = TEXT | st.sampled_from(AWKWARD)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)
OFFSETS = st.integers(-18 * 60, 18 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 2


ODD = st.one_of(
    st.sampled_from(
        [
            *(float("nan"), float("inf"), -0.0, 5e-324, 1.5, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, True),
            *(Decimal("0.1"), Decimal("1E+400"), Decimal("NaN"), Decimal("sNaN"), Decimal("-0"), Fraction(1, 3), 1j),
            *(
                {1, 2},
                frozenset("a"),
                (1, "a"),
                b"bytes",
                bytearray(b"b"),
                memoryview(b"m"),
                range(3),
                {1: "a"},
                {"a": {2: 3}},
            ),
            *(
                "a\0b",
                "a\ud800",
                "2024-12-31T23:59:59.9999999",
                "23:59:59.9999995",
                "2024-02-30",
                "24:00:00",
                "x" * 70_000,
            ),
            *(date.min, datetime.max, datetime(1890, 1, 1, tzinfo=UTC), time.max, timedelta(hours=26), UUID(int=1)),
            *(Colour.RED, Level.HIGH, object(), type, Ellipsis, [[[]]], {"a": {1, 2}}, [float("nan")], {"a": b"x"}),
            *(
                np.float64(0.1),
                np.float32(0.1),
                np.int64(3),
                np.bool_(True),
                np.str_("x"),
                np.datetime64("2024-01-01T00:00:00.000000001"),
            ),
            *(
                pd.Timestamp("2024-01-01 00:00:00.000000001"),
                pd.Timestamp("2024-01-01", tz="Europe/Zurich"),
                pd.NaT,
                pd.NA,
            ),
        ]
    ),
    JSON,
    st.integers(),
    FLOATS,
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.none() | OFFSETS),
    st.text(),
)
"""Values that are wrong for most types, or near the edge of what is right."""


@dataclass(frozen=True)
class Kind:
    """A type as a user declares it, values of it, and what each is read back as."""

    declared: Any
    drawn: st.SearchStrategy[Any]
    read: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Declaration:
    """A dataset of drawn fields; `key` is one of them."""

    key: str
    fields: Mapping[str, Kind]


class Store(Protocol):
    """What is drawn for a store, and how it loads it."""

    kinds: st.SearchStrategy[Kind]
    keys: st.SearchStrategy[Kind]
    names: st.SearchStrategy[str]

    def sink(self, declared: Declaration) -> Sink:
        """Return a sink for a new dataset. Raises BadSetting."""


def round_trips(store: Store, declarations: int, rows: int) -> int:
    """Load so many rows of so many declarations as dicts and as frames; return how many values were tried."""
    drawn = collect(_declarations(store), declarations * DEPTH)
    return sum(_tried(store, declared, collect(_rows(declared), rows)) for declared in drawn)


def collect(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Return drawn examples."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        derandomize=DEPTH == 1,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def gather(example: Any) -> None:
        found.append(example)

    gather()
    return found


@st.composite
def _declarations(draw: Any, store: Store) -> Declaration:
    names = draw(st.lists(store.names, min_size=7, max_size=7, unique_by=str.casefold))
    fields = {name: draw(store.kinds) for name in names[1:]}
    return Declaration(names[0], {names[0]: draw(store.keys), **fields})


@st.composite
def _rows(draw: Any, declared: Declaration) -> dict[str, Any]:
    """Draw a row of right values; in every other, one field that is not the key has an odd value."""
    row = {
        name: draw(kind.drawn if name == declared.key else st.none() | kind.drawn)
        for name, kind in declared.fields.items()
    }
    name = draw(st.sampled_from(list(row)))
    if draw(st.booleans()) and name != declared.key:
        row[name] = draw(ODD)
    return row


def _tried(store: Store, declared: Declaration, rows: Sequence[Mapping[str, Any]]) -> int:
    sink = store.sink(declared)
    key = declared.key
    unique = {row[key]: row for row in rows}.values()  # a key of the same value is the same key
    accepted = [row for row in unique if _accepts(sink, row)]
    assert accepted, declared
    accepted = _loaded(sink, accepted)
    _compare(sink, declared, accepted)
    for make in (_arrow, _polars, _pandas):
        frame, expected = _framed(declared, accepted, make)
        if expected is None:
            continue
        load(sink, WHOLE, ORIGIN, [sink.contract.join(_kind(sink), frame)], checks=(), listeners=())
        _compare(sink, declared, expected)
    drop_dataset(sink, really=sink.dataset)
    return len(declared.fields) * (len(rows) + 3 * len(accepted))


def _kind(sink: Sink) -> str:
    """Return the kind of the rows, which a graph has."""
    return next(iter(sink.contract.shapes))


def _accepts(sink: Sink, row: Mapping[str, Any]) -> bool:
    """Tell whether the contract takes the row. It raises nothing but a BadRow that names the field."""
    try:
        sink.contract.accept(_kind(sink), [dict(row)], 1)
    except BadRow as refused:
        return _names_a_field(refused, row)
    return True


def _names_a_field(refused: BadRow, row: Mapping[str, Any]) -> bool:
    assert refused.field.partition(".")[0] in row, refused
    return False


def _loaded(sink: Sink, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Load rows, without those that only the server refuses; return those that it took."""
    left = list(rows)
    while True:
        try:
            load(sink, WHOLE, ORIGIN, [sink.contract.join(_kind(sink), dict(row)) for row in left], listeners=())
        except BadRow as refused:
            del left[refused.row - 1]
        else:
            return left


def _compare(sink: Sink, declared: Declaration, given_rows: Iterable[Mapping[str, Any]]) -> None:
    expected = {
        _read(declared.fields[declared.key], row[declared.key]): {
            name: None if row[name] is None else _read(kind, row[name]) for name, kind in declared.fields.items()
        }
        for row in given_rows
    }
    version = sink.head(WHOLE).version
    assert version is not None
    found = [row[1] if _kind(sink) else row for row in sink.read(version)]
    assert len(found) == len(expected)
    for row in found:
        wanted = expected[row[declared.key]]
        for name, kind in declared.fields.items():
            value = row.get(name)
            assert _is_same(kind, value, wanted[name]), (kind.declared, wanted[name], value)


def _is_same(kind: Kind, value: Any, wanted: Any) -> bool:
    """Tell whether a value that was read is the wanted one; the local store keeps more of a FLOAT than MariaDB."""
    if value is None or wanted is None:
        return value is wanted
    return kind.read(value) == wanted and all(
        isinstance(value, each) == isinstance(wanted, each) for each in (str, bool)
    )


def _read(kind: Kind, value: Any) -> Any:
    """Return what a value is read as: in another spelling for some, but the same."""
    return kind.read(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (tuple, range)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _framed(
    declared: Declaration, rows: Sequence[Mapping[str, Any]], make: Callable[[str, list[Any]], Any]
) -> tuple[Any, list[dict[str, Any]] | None]:
    """Return a frame of the rows, with None in the columns that it cannot hold, and the rows as it holds them.

    A frame that cannot hold the key is none.
    """
    columns = {name: [row[name] for row in rows] for name in declared.fields}
    for name, values in columns.items():
        try:
            is_held = _same(pl.DataFrame(make({name: values}))[name].to_list(), values)
        except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - frames raise of every kind
            is_held = False
        if not is_held:
            if name == declared.key:
                return None, None
            columns[name] = [None] * len(rows)
    frame = make(columns)
    return frame, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _same(found: list[Any], values: list[Any]) -> bool:
    return all(one == other and type(one) is type(other) for one, other in zip(found, values, strict=True))


def _arrow(columns: Mapping[str, list[Any]]) -> Any:
    return pa.table(columns)


def _polars(columns: Mapping[str, list[Any]]) -> Any:
    return pl.DataFrame(columns, strict=True)


def _pandas(columns: Mapping[str, list[Any]]) -> Any:
    return pd.DataFrame(columns, dtype=object)


def from_text(base: Any) -> Callable[[Any], Any]:
    """Return what reads text, as users write it in the place of a value."""

    def read(value: Any) -> Any:
        is_spelled = isinstance(value, str) or (base is Decimal and isinstance(value, float))
        return base(str(value)) if is_spelled else value

    return read


def as_json(value: Any) -> Any:
    """Return a value of a document as it is read: JSON."""
    return msgspec.to_builtins(value)
