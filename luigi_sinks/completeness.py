"""Asks about many targets at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from luigi_sinks import settling
from luigi_sinks.record import Record
from luigi_sinks.retry import patient
from luigi_sinks.target import VersionedTarget

_ASKED_AT_ONCE = 5_000
"""Outputs of one query: servers bound how many values it may have."""


def complete(targets: Iterable[VersionedTarget]) -> list[bool]:
    """Return for each target whether it exists, with one query for each few thousand outputs of a dataset."""
    targets = list(targets)
    by_dataset: dict[object, list[VersionedTarget]] = {}
    for target in targets:
        by_dataset.setdefault(_dataset_key(target), []).append(target)
    found = {id(target) for each in by_dataset.values() for target in _existing(each)}
    return [id(target) in found for target in targets]


def _existing(targets: Sequence[VersionedTarget]) -> Iterator[VersionedTarget]:
    """Yield those of a dataset's targets that exist."""
    sink, asked = patient(targets[0].sink()), iter(targets)
    while some := list(islice(asked, _ASKED_AT_ONCE)):
        records: dict[str, list[Record]] = {}
        for record in settling.records_of(sink, {target.origin.update_id for target in some}):
            records.setdefault(record.origin.update_id, []).append(record)
        for target in some:
            if target.is_complete_by(records.get(target.origin.update_id, ())):
                yield target


def _dataset_key(target: VersionedTarget) -> object:
    return type(target), target.connection, target.dataset
