"""Timestamps of Spark: instants, which a column without a time zone takes only if it says that its times are UTC."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from luigi_sinks.contract import Shape
from luigi_sinks.errors import BadSetting

INSTANT = "timestamp"
"""What Spark calls a timestamp that is an instant; the other kind is `timestamp_ntz`."""


def instants(schema: Any) -> list[str]:
    """Return the names of the columns of a frame's schema that hold instants."""
    return [field.name for field in schema.fields if field.dataType.typeName() == INSTANT]


def without_zone(dataset: str, names: Sequence[str], shape: Shape, utc: Collection[str]) -> list[str]:
    """Return which of the columns with instants are to lose their zone: those that the dataset says to keep in UTC.

    Raises BadSetting for another one that is kept without a zone: by which clock would have to be guessed.
    """
    for name in names:
        if name not in utc and _is_without_zone(shape, name):
            raise BadSetting(
                f"{dataset!r}: column {name!r} of the frame is a timestamp of Spark, which is an instant, and is kept "
                "without a time zone. If its times are UTC, say so: Column(..., info={'time_zone': 'UTC'}) in MariaDB, "
                "Annotated[datetime, Meta(tz=True)] in Neo4j. If they are by another clock, give the times of that: "
                f"frame.withColumn({name!r}, frame[{name!r}].cast('timestamp_ntz'))"
            )
    return [name for name in names if name in utc]


def _is_without_zone(shape: Shape, name: str) -> bool:
    """Return whether a field takes times without a zone, and none with one."""
    kinds = [field.type for field in getattr(shape, "fields", ()) if field.name == name]
    now = datetime.now(UTC)
    return any(_takes(kind, now.replace(tzinfo=None)) and not _takes(kind, now) for kind in kinds)


def _takes(kind: Any, value: datetime) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def in_utc(batch: Any, names: Sequence[str], naive: Collection[str]) -> Any:
    """Return an Arrow batch with the times of these columns in UTC, and without a zone where they are `naive`.

    The session's time zone, in which Spark sends them, then makes no difference.
    """
    import pyarrow as pa  # noqa: PLC0415 - only on executors

    for name in names:
        index = batch.schema.get_field_index(name)
        times = batch.column(index).cast(pa.timestamp("us", "UTC"))
        batch = batch.set_column(index, name, times.cast(pa.timestamp("us")) if name in naive else times)
    return batch
