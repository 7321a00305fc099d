"""Deletes a dataset: its indices, and last the registry, so that what is interrupted is found again."""

from __future__ import annotations

from contextlib import suppress

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import Missing, administer, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings

_PROBE = "~probe"
"""Appended to the registry's name, it names no index."""

_AT_ONCE = 20
"""Indices of one call: their names stand in its address, whose length servers bound."""


def drop(settings: ElasticsearchSettings, dataset: str) -> None:
    """Delete each index of the dataset by its name, as servers may allow no other way; may be repeated.

    A pruner may delete versions, and not the registry: it is refused before anything is deleted.
    """
    registry = names.registry(dataset)
    _delete(settings, registry + _PROBE)
    every = f"{registry.removesuffix('registry')}*"
    found = ask(settings, lambda es: es.indices.get_alias(index=every, expand_wildcards="all", ignore_unavailable=True))
    indices = sorted(index for index in found if index != registry)
    for first in range(0, len(indices), _AT_ONCE):
        _delete(settings, ",".join(indices[first : first + _AT_ONCE]))
    _delete(settings, registry)


def _delete(settings: ElasticsearchSettings, indices: str) -> None:
    """Delete indices. To ignore those that are not there would ignore those that this login may not delete, too."""
    with suppress(Missing):
        administer(settings, lambda es: es.indices.delete(index=indices))
