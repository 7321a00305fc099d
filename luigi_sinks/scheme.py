"""How a dataset is divided into partitions: its first publication decides, and the others must agree.

If one version held the whole dataset and another a month, or one a month and another a
day of it, readers would see rows twice. A store keeps which published version is the
example for the others, and reads or replaces that in the step that moves a head.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from luigi_sinks.errors import BadSetting
from luigi_sinks.record import Origin, Record
from luigi_sinks.version import WHOLE


def refuse_another(example: Record | None, partition: str, origin: Origin) -> None:
    """Raise BadSetting if the partition is of another kind than the example's: readers would see rows twice."""
    if example is None:
        return
    theirs, by = example.version.partition, example.origin.partition_by
    are_named = bool(by and origin.partition_by)
    if (theirs == WHOLE) != (partition == WHOLE) or (are_named and by != origin.partition_by):
        raise BadSetting(
            f"{example.version} was loaded with partition_by = {by}; beside it, partition {partition} with "
            f"partition_by = {origin.partition_by} would show readers the same rows twice. Keep to the one, or "
            "load another dataset"
        )


def better(example: Record | None, record: Record) -> Record:
    """Return which of two says more exactly how the dataset is divided; the first one if both say the same.

    Raises BadSetting as `refuse_another` does.
    """
    refuse_another(example, record.version.partition, record.origin)
    if example is None or (record.origin.partition_by and not example.origin.partition_by):
        return record
    return example


def named(example: Record | None, origin: Origin) -> Origin:
    """Return the origin of a partition with the example's names of parameters: its version may be the next example."""
    return replace(origin, partition_by=example.origin.partition_by) if example else origin


def found(records: Iterable[Record]) -> Record | None:
    """Return the example among the heads of a dataset that was loaded before examples were kept."""
    return max(
        records, key=lambda record: (record.version.partition == WHOLE, len(record.origin.partition_by)), default=None
    )
