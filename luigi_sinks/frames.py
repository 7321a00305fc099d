"""Rows of Arrow tables and data frames: of every object that supports the Arrow C stream interface.

Polars uses threads, which do not survive a fork. If Luigi runs several workers, use Polars
in `run()` or `rows()` only, not in the process that starts the workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from luigi_sinks.errors import CheckFailed, NotInstalled

try:
    import polars as pl
except ImportError as missing:
    raise NotInstalled("arrow", missing) from missing

_SLICE_ROWS = 10_000


def rows(frame: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a frame: tuples in the order of `names` if it has exactly these columns, else dicts.

    Raises CheckFailed for a column whose values have no common type, and NotInstalled if pandas needs pyarrow.
    """
    table = frame if isinstance(frame, pl.DataFrame) else _as_table(frame)
    if set(table.columns) != set(names):
        yield from table.iter_rows(named=True)
        return
    for part in table.select(names).iter_slices(_SLICE_ROWS):
        yield from part.rows()


def _as_table(frame: Any) -> pl.DataFrame:
    try:
        return pl.DataFrame(frame)
    except ImportError as missing:
        raise NotInstalled(
            "arrow", f"a column of this data frame cannot be read without pyarrow: {missing}"
        ) from missing
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise CheckFailed(
            f"a data frame cannot be read: {_unreadable_column(frame)} holds values without a common type; "
            "give each column values of one type"
        ) from error  # whose text may quote values, which the audit log must not hold


def _unreadable_column(frame: Any) -> str:
    """Return which column of a pandas data frame cannot be read, as far as that can be told."""
    for name in getattr(frame, "columns", ()):
        try:
            pl.DataFrame(frame[[name]])
        except (TypeError, ValueError, pl.exceptions.PolarsError):
            return f"column {name!r}"
    return "a column"
