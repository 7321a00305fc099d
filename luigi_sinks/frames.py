"""Rows of Arrow tables and data frames: of every object that supports the Arrow C stream interface.

Polars uses threads, which do not survive a fork. If Luigi runs several workers, use Polars
in `run()` or `rows()` only, not in the process that starts the workers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from luigi_sinks.contract import WrongRow
from luigi_sinks.errors import CheckFailed, NotInstalled

try:
    import polars as pl
except ImportError as missing:
    raise NotInstalled("arrow", missing) from missing

_SLICE_ROWS, _SLICE_BYTES = 2_000, 1_000_000
"""What is made Python's values at once, at most."""

_PIECE_ROWS, _PIECE_BYTES = 20_000, 1_000_000
"""What is looked at by columns at once, at most: large, as a look has a price of its own."""

FAILURES = (Exception, pl.exceptions.PanicException)
"""What Polars and pyarrow raise for a value that they cannot take or give; a panic is not an Exception."""

_OPAQUE = {"ObjectDType", "PeriodDtype", "IntervalDtype"}
"""Types of columns of pandas whose values Polars would change: it cuts times, and makes integers of periods."""


def pieces(frame: Any, most_bytes: Callable[[], int]) -> Iterator[Any]:
    """Yield a frame as data frames of Polars of so many bytes; as it is, if only Python can read some of its columns.

    A stream, such as a RecordBatchReader of pyarrow, is read a batch at a time, if pyarrow is
    installed, else as a whole. Raises CheckFailed for one that cannot be read.
    """
    if hasattr(frame, "iloc") and _objects(frame):
        yield frame
        return
    for table in _tables(frame):
        for _, piece in _slices(table, 0, _PIECE_ROWS, lambda: min(_PIECE_BYTES, most_bytes())):
            if piece.height and piece.width:
                yield piece


def _tables(frame: Any) -> Iterator[pl.DataFrame]:
    stream = None if hasattr(frame, "iloc") or isinstance(frame, (pl.DataFrame, pl.Series)) else _stream(frame)
    if stream is None:
        yield frame if isinstance(frame, pl.DataFrame) else _as_table(frame)
        return
    import pyarrow as pa  # noqa: PLC0415 - it made the stream

    while batch := _next_batch(frame, stream):
        yield _as_table(pa.Table.from_batches(batch))  # Polars 2.1 misreads decimals of 64 bits in a batch


def _stream(frame: Any) -> Any:
    """Return the batches of anything with the Arrow C stream interface; None without pyarrow, or if it has none."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
    except ImportError:
        return None
    try:
        return pa.RecordBatchReader.from_stream(frame)
    except Exception:  # noqa: BLE001 - a single column, which Polars may still read, or else says what is wrong
        return None


def _next_batch(frame: Any, stream: Any) -> list[Any]:
    """Return the next batch of a stream; none at its end."""
    try:
        return [stream.read_next_batch()]
    except StopIteration:
        return []
    except Exception as error:
        raise _unreadable(frame) from error


def rows(frame: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a frame: tuples in the order of `names` if it has exactly these columns, else dicts.

    Raises CheckFailed for a column that cannot be read, WrongRow for a value that Python does
    not keep (nanoseconds, the year 12000), and NotInstalled if pandas needs pyarrow.
    """
    objects = _objects(frame)
    table = (
        frame if isinstance(frame, pl.DataFrame) else _as_table(frame.drop(columns=list(objects)) if objects else frame)
    )
    columns = [*table.columns, *objects]
    is_whole = set(columns) == set(names)
    for first, part in _slices(table, 0, _SLICE_ROWS, lambda: _SLICE_BYTES):
        last = first + part.height
        lists = {column.name: _values(column) for column in part}
        lists |= {name: values[first:last] for name, values in objects.items()}
        yield from _rows(lists, names if is_whole else ())


def lines(table: pl.DataFrame) -> bytes:
    """Return a table as lines of JSON, with times as those of rows are written."""
    text = io.BytesIO()
    table.with_columns(_as_text(column) for column in table if isinstance(column.dtype, pl.Datetime)).write_ndjson(text)
    return text.getvalue()


def _as_text(times: pl.Series) -> pl.Series:
    zone = "Z" if getattr(times.dtype, "time_zone", None) else ""
    whole = times.dt.to_string(f"%Y-%m-%dT%H:%M:%S{zone}")
    if not times.dt.microsecond().max():
        return whole
    return times.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.6f{zone}").zip_with(times.dt.microsecond() > 0, whole)


def _rows(lists: Mapping[str, Sequence[Any]], names: Sequence[str]) -> Iterator[Any]:
    if names:
        return zip(*(lists[name] for name in names), strict=True)
    return (dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True))


def _slices(
    table: pl.DataFrame, first: int, most_rows: int, most_bytes: Callable[[], int]
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the parts of a table that are small enough, and where each begins."""
    if table.height <= 1 or (table.height <= most_rows and table.estimated_size() <= most_bytes()):
        yield first, table
        return
    middle = table.height // 2
    yield from _slices(table[:middle], first, most_rows, most_bytes)
    yield from _slices(table[middle:], first + middle, most_rows, most_bytes)


def _values(column: pl.Series) -> list[Any]:
    """Return the values of a column. Raises WrongRow for the first that Python cannot keep."""
    fine, coarse = _as_durations(column.dtype, "ns"), _as_durations(column.dtype, "us")
    if fine != coarse:
        exact = column.cast(fine)
        finer = exact.ne_missing(exact.cast(coarse).cast(fine))
        if finer.any():
            reason = "has nanoseconds, which Python's times do not keep; cast the column to microseconds, or to text"
            raise WrongRow(finer.to_list().index(True), column.name, reason)
    try:
        return column.to_list()
    except FAILURES:
        index = next(index for index in range(len(column)) if not _is_readable(column[index : index + 1]))
        raise WrongRow(
            index, column.name, "holds a value that Python cannot keep: a time after the year 9999"
        ) from None


def _is_readable(column: pl.Series) -> bool:
    try:
        column.to_list()
    except FAILURES:
        return False
    return True


def _as_durations(kind: Any, unit: Any) -> Any:  # noqa: PLR0911 - one for each type
    """Return a column's type with another unit for its times of nanoseconds, at any depth."""
    if isinstance(kind, pl.Time) or (isinstance(kind, pl.Duration) and kind.time_unit == "ns"):
        return pl.Duration(unit)
    if isinstance(kind, pl.Datetime) and kind.time_unit == "ns":
        return pl.Datetime(unit, kind.time_zone)
    if isinstance(kind, pl.List):
        return pl.List(_as_durations(kind.inner, unit))
    if isinstance(kind, pl.Array):
        return pl.Array(_as_durations(kind.inner, unit), kind.size)
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _as_durations(field.dtype, unit) for field in kind.fields})
    if type(kind).__name__ == "Map":  # which older releases of Polars do not have
        return type(kind)(_as_durations(kind.key, unit), _as_durations(kind.value, unit))
    return kind


def _objects(frame: Any) -> Mapping[str, list[Any]]:
    """Return the columns of a pandas data frame that hold Python objects, with None for what is missing."""
    kinds: Mapping[str, Any] = dict(getattr(frame, "dtypes", {})) if hasattr(frame, "iloc") else {}
    return {
        name: [None if gone else value for value, gone in zip(frame[name], frame[name].isna(), strict=True)]
        for name, kind in kinds.items()
        if type(kind).__name__ in _OPAQUE
    }


def _as_table(frame: Any) -> pl.DataFrame:
    try:
        return pl.DataFrame(frame)
    except ImportError as missing:
        raise NotInstalled(
            "arrow", f"a column of this data frame cannot be read without pyarrow: {missing}"
        ) from missing
    except FAILURES as error:
        raise _unreadable(frame) from error


def _unreadable(frame: Any) -> CheckFailed:
    """Return an error without the text of Polars or pyarrow, which may quote values that no log must hold."""
    return CheckFailed(
        f"a data frame cannot be read: {_unreadable_column(frame)} holds values without a common type; "
        "give each column values of one type"
    )


def _unreadable_column(frame: Any) -> str:
    """Return which column of a pandas data frame cannot be read, as far as that can be told."""
    for name in frame.columns if hasattr(frame, "iloc") else ():
        try:
            pl.DataFrame(frame[[name]])
        except FAILURES:
            return f"column {name!r}"
    return "a column"
