"""Rows out of Arrow tables and data frames: whatever speaks Arrow's C stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from luigi_sinks.errors import NotInstalled

try:
    import polars as pl
except ImportError as missing:
    raise NotInstalled("arrow", missing) from missing


def rows(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield a frame's rows as dicts of Python values."""
    table = frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)
    return table.iter_rows(named=True)
