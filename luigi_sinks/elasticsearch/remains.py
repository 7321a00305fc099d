"""Finds what is left of dead versions: indices, and the notes of parts."""

from __future__ import annotations

from collections.abc import Iterator

from luigi_sinks.elasticsearch.heads import Aliases
from luigi_sinks.elasticsearch.registry import Registry
from luigi_sinks.version import DEAD, ENDING, Version


def find(aliases: Aliases, registry: Registry, partition: str | None) -> Iterator[Version]:
    """Yield the dead versions of which something is left."""
    indices, noted = set(aliases.others(partition)), registry.noted()  # before the records, which are written first
    known = {entry.record.version: entry.record for page in registry.pages(partition) for entry in page}
    for version, record in known.items():
        is_left = version in indices or version.id in noted or record.state in ENDING
        if is_left and record.state in DEAD:
            yield version
    yield from sorted(indices - known.keys(), key=str)
