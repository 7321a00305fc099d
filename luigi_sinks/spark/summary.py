"""What one Spark partition tells the driver: how much it wrote, or with which error it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from luigi_sinks.errors import (
    BadRow,
    BadSetting,
    CheckFailed,
    Conflict,
    CredentialError,
    Forbidden,
    NotInstalled,
    SinkError,
)

SCHEMA = "partition int, rows bigint, bytes bigint, seconds array<double>, failure string"
"""The columns of a summary, in Spark's words."""

_RAISED: tuple[type[Exception], ...] = (Forbidden, BadSetting, Conflict, CheckFailed, CredentialError)
"""The errors that the driver raises as they are. The first of which an error is an instance names it."""


@dataclass(frozen=True)
class Failure:
    """An error that no retry of the partition would change; `row` and `field` are those of a BadRow."""

    kind: str
    reason: str
    dataset: str = ""
    row: int = 0
    field: str = ""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return what the driver is told of an error of this package."""
        if isinstance(error, BadRow):
            return cls("BadRow", error.reason, str(error.dataset), error.row, str(error.field))
        if isinstance(error, NotInstalled):
            return cls("BadSetting", f"an executor lacks a package: {error} there; docs/spark.md shows how")
        named = (kind for kind in _RAISED if isinstance(error, kind))
        return cls(next(named, SinkError).__name__, str(error))

    def error(self, partition: int, kind: str) -> Exception:
        """Return the error for the driver to raise; it names the partition of the frame, and the `kind` of a graph."""
        where = f"partition {partition} of the frame{f' of {kind}' if kind else ''}"
        if self.kind == "BadRow":
            reason = f"{self.reason} ({where}, whose rows are counted from 1 as they are written)"
            return BadRow(self.dataset, self.row, self.field, reason)
        known = {each.__name__: each for each in _RAISED}
        return known.get(self.kind, SinkError)(f"{self.reason} (in {where})")


@dataclass(frozen=True)
class Summary:
    """What became of one partition. `seconds` has those of each part."""

    partition: int
    rows: int = 0
    bytes: int = 0
    seconds: Sequence[float] = ()
    failure: Failure | None = None

    def to_arrow(self) -> Any:
        """Return the summary as an Arrow batch of one row, as `SCHEMA` says."""
        import pyarrow as pa  # noqa: PLC0415 - only on executors

        failure = msgspec.json.encode(self.failure).decode() if self.failure else None
        types = [pa.int32(), pa.int64(), pa.int64(), pa.list_(pa.float64()), pa.string()]
        names = [field.name for field in fields(self)]
        return pa.RecordBatch.from_pylist(
            [{**vars(self), "failure": failure}], schema=pa.schema(list(zip(names, types, strict=True)))
        )

    @classmethod
    def from_row(cls, row: Any) -> Summary:
        """Return the summary of such a row."""
        failure = msgspec.json.decode(row.failure, type=Failure) if row.failure else None
        return cls(row.partition, row.rows, row.bytes, tuple(row.seconds), failure)
