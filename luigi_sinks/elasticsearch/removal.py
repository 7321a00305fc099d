"""Deletes a dataset: its indices, and last the registry, so that what is interrupted is found again."""

from __future__ import annotations

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import administer, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings

_AT_ONCE = 20
"""Indices of one call: their names stand in its address, whose length servers bound."""


def drop(settings: ElasticsearchSettings, dataset: str) -> None:
    """Delete each index of the dataset by its name, as servers may allow no other way; may be repeated."""
    registry = names.registry(dataset)
    every = f"{registry.removesuffix('registry')}*"
    found = ask(settings, lambda es: es.indices.get_alias(index=every, expand_wildcards="all", ignore_unavailable=True))
    indices = sorted(index for index in found if index != registry)
    for first in range(0, len(indices), _AT_ONCE):
        _delete(settings, ",".join(indices[first : first + _AT_ONCE]))
    _delete(settings, registry)


def _delete(settings: ElasticsearchSettings, indices: str) -> None:
    administer(settings, lambda es: es.indices.delete(index=indices, ignore_unavailable=True))
