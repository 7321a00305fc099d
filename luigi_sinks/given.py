"""What a user gives as a row that is neither a dict nor a tuple, nor a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from luigi_sinks.contract import WrongRow

_OF_ITERROWS = (
    "is a Series of pandas, in which iterrows() turns whole numbers into floats; yield the data frame itself, or the "
    "rows of its itertuples(index=False)"
)


def rows(row: Any) -> Iterable[Any]:
    """Return a row as one that shapes take. Raises WrongRow for what is no row."""
    refuse_series(row)
    if isinstance(row, Mapping):
        return [dict(row)]
    if isinstance(row, Sequence) and not isinstance(row, (str, bytes, bytearray, memoryview)):
        return [tuple(row)]
    raise WrongRow(0, "", _why_not_a_row(row))


def refuse_series(row: Any) -> None:
    """Raise WrongRow for a Series of pandas."""
    if hasattr(row, "iloc") and getattr(row, "ndim", 0) == 1:
        raise WrongRow(0, "", _OF_ITERROWS)


def _why_not_a_row(row: Any) -> str:
    if hasattr(row, "task_id"):
        return "is a Task; yield dependencies in run(), before super().run()"
    return f"is a {type(row).__name__}; pass a dict, a tuple, an Arrow table or a data frame"
