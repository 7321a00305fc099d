"""Makes the index of a new version of that of the head: the cluster copies its files, of which most stay shared.

An index that is deleted while the cluster clones it leaves shards that cannot be
allocated, and others wait behind them. So the source carries an alias meanwhile, by which
`delete_rows` knows: whichever of the two comes second finds what the first one did, and stops.
"""

from __future__ import annotations

from collections.abc import Iterable

from luigi_sinks import removal
from luigi_sinks.columns import LOAD_WHOLE
from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import Missing, Rejected, administer
from luigi_sinks.elasticsearch.heads import Aliases
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.record import Record
from luigi_sinks.version import Version

_CLONED = {
    "blocks.write": None,
    "hidden": True,
    "refresh_interval": "-1",
    "number_of_replicas": 0,
    "default_pipeline": "_none",
    "final_pipeline": "_none",
}
"""The settings in which a clone differs from its sealed source until it is sealed itself."""


def clone(settings: ElasticsearchSettings, aliases: Aliases, base: Version, version: Version, alias: str) -> None:
    """Make a version's index of its base's, unless it exists; it is written through the alias.

    Raises Conflict if the base is being deleted, and BadSetting if the cluster refuses to clone it.
    """
    aliases.hold(base)
    if not aliases.stands(base):
        aliases.release(base)
        raise Conflict(f"{base} is being deleted, and {version} cannot be made of it; run this again")
    source = names.index(base)
    try:
        copy_files(settings, source, names.index(version), alias)
    except Missing:
        raise Conflict(f"{base} was deleted, and {version} cannot be made of it; run this again") from None
    except Rejected as rejected:
        raise BadSetting(
            f"index {version.dataset!r}: the cluster does not clone {source}: {rejected.reason}; {LOAD_WHOLE}"
        ) from rejected


def copy_files(settings: ElasticsearchSettings, source: str, target: str, alias: str) -> None:
    """Have the cluster make an index of one that takes no writes, unless it exists; it is written through the alias.

    Raises Missing if there is no source, and Rejected if the cluster refuses.
    """
    aliases = {alias: {"is_hidden": True}}
    try:
        administer(
            settings, lambda es: es.indices.clone(index=source, target=target, settings=_CLONED, aliases=aliases)
        )
    except Rejected as rejected:
        if rejected.kind != "resource_already_exists_exception":  # by a call whose answer was lost
            raise


def refuse_held(aliases: Aliases, version: Version, loads: Iterable[Record]) -> None:
    """Raise Conflict if a load that is at work may be cloning the version's index; one that died holds nothing."""
    if aliases.is_held(version):
        removal.refuse_base(version, loads)
