"""Rows out of Arrow tables and data frames: whatever speaks Arrow's C stream.

Polars works with threads, which do not survive a fork: in a Luigi task that runs
with several workers use it within `run()` or `rows()`, not in the process that
starts the workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from luigi_sinks.errors import NotInstalled

try:
    import polars as pl
except ImportError as missing:
    raise NotInstalled("arrow", missing) from missing

_AT_ONCE = 10_000


def rows(frame: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield a frame's rows: tuples in the order of the names if it has just these columns, else dicts."""
    table = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    if set(table.columns) != set(names):
        yield from table.iter_rows(named=True)
        return
    for piece in table.select(names).iter_slices(_AT_ONCE):
        yield from piece.rows()
