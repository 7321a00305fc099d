"""Rows of Arrow tables and data frames: of every object that supports the Arrow C stream interface.

Polars uses threads, which do not survive a fork. If Luigi runs several workers, use Polars
in `run()` or `rows()` only, not in the process that starts the workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from luigi_sinks.errors import NotInstalled

try:
    import polars as pl
except ImportError as missing:
    raise NotInstalled("arrow", missing) from missing

_SLICE_ROWS = 10_000


def rows(frame: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a frame: tuples in the order of `names` if it has exactly these columns, else dicts."""
    table = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    if set(table.columns) != set(names):
        yield from table.iter_rows(named=True)
        return
    for part in table.select(names).iter_slices(_SLICE_ROWS):
        yield from part.rows()
