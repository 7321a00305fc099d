"""Deletes a version's index, or a dataset: its indices, and last the registry, by which it is found again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from luigi_sinks.elasticsearch import cloning, names
from luigi_sinks.elasticsearch.connection import Missing, administer, ask
from luigi_sinks.elasticsearch.heads import Aliases
from luigi_sinks.elasticsearch.registry import Entry
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Conflict, Forbidden
from luigi_sinks.record import Record
from luigi_sinks.version import Version

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


def delete_index(
    settings: ElasticsearchSettings,
    aliases: Aliases,
    version: Version,
    entry: Entry | None,
    loads: Callable[[], Iterable[Record]],
) -> None:
    """Delete the index of a version that is not the head; `entry` is its record, `loads` gives those at work beside it.

    Raises Conflict if it is or may be the head, or is being cloned. Its tag is taken first,
    without which nothing can publish it.
    """
    sight = aliases.look(version)
    if names.behind(version, sight.head) == version:
        raise Conflict(f"{version} is the head; its rows cannot be deleted")
    if sight.was_head and (entry is None or entry.record.state.is_open):
        raise _denied(version)
    tag = names.state_of(sight.correct(entry.record)) if entry else names.STAGED
    is_taken = aliases.take(version, tag)
    if is_taken:
        _refuse_cloned(settings, aliases, version, tag, loads())
    else:
        sight = Aliases(settings.publisher, version.dataset).look(version)
        if sight.was_head or names.behind(version, sight.head) == version:
            raise _denied(version)
    try:
        with suppress(Missing):  # another process deleted it after the server had looked
            administer(settings, lambda es: es.indices.delete(index=names.index(version), ignore_unavailable=True))
    except Forbidden:
        if is_taken and tag == names.RETIRED:
            aliases.give_back(version, tag)
        raise


def _refuse_cloned(
    settings: ElasticsearchSettings, aliases: Aliases, version: Version, tag: str, loads: Iterable[Record]
) -> None:
    """Raise Conflict, and give the tag back, if a load may be cloning the index."""
    try:
        cloning.refuse_held(Aliases(settings.publisher, version.dataset), version, loads)
    except Conflict:
        aliases.give_back(version, tag)
        raise


def _denied(version: Version) -> Conflict:
    return Conflict(
        f"{version} was published, though its record denies it; its rows are not deleted. Read the record, "
        "which corrects it, and run this again"
    )


def _delete(settings: ElasticsearchSettings, indices: str) -> None:
    """Delete indices. To ignore those that are not there would ignore those that this login may not delete, too."""
    with suppress(Missing):
        administer(settings, lambda es: es.indices.delete(index=indices))
