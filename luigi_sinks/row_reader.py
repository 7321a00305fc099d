"""What `open("r")` of a target returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self


class RowReader:
    """Iterates over the rows of a version; can be used in a `with` block."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        """Return the iterator over the remaining rows."""
        return self._rows

    def __next__(self) -> Any:
        """Return the next row."""
        return next(self._rows)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop reading."""
        self.close()

    def close(self) -> None:
        """Stop reading, and release the connection."""
        close = getattr(self._rows, "close", None)
        if close is not None:
            close()
