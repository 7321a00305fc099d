"""Versions that are shown under a name of their own: an alias on the version's index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import CHANGE, Missing, Rejected, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.version import Version

_ANOTHER = {"illegal_state_exception", "invalid_alias_name_exception"}
"""What an alias gets whose name an index has, or an alias for writing on another index."""


def refuse(settings: ElasticsearchSettings, version: Version, name: str) -> None:
    """Raise BadSetting for a name that no alias can have, or that stands for something else."""
    names.check_exposure(version.dataset, name)
    others = sorted(_behind(settings, name).keys() - {names.index(version)})
    if others:
        raise names.not_free(name, ", ".join(others))


def show(settings: ElasticsearchSettings, version: Version, name: str) -> None:
    """Add the alias. Raises what `refuse` does.

    It is one for writing, which only one index can have, and the index takes no documents any more.
    """
    refuse(settings, version, name)
    add = {"index": names.index(version), "alias": name, "is_hidden": False, "is_write_index": True}
    try:
        _update(settings, {"add": add})
    except Rejected as rejected:
        if rejected.kind not in _ANOTHER:
            raise
        raise names.not_free(name, rejected.reason) from rejected


def remove(settings: ElasticsearchSettings, version: Version, name: str) -> None:
    """Remove the alias, if it is on this version's index."""
    if shows(settings, version, name):
        try:
            _update(settings, {"remove": {"index": names.index(version), "alias": name}})
        except Missing:  # another process came first
            return


def shows(settings: ElasticsearchSettings, version: Version, name: str) -> bool:
    """Tell whether the alias is on this version's index."""
    return name in _behind(settings, name).get(names.index(version), {})


def _behind(settings: ElasticsearchSettings, name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the indices that a name stands for, hidden ones too, and the aliases of each."""
    asked = settings.publisher
    found = ask(asked, lambda es: es.indices.get_alias(index=name, expand_wildcards="all", ignore_unavailable=True))
    return {index: body["aliases"] for index, body in found.items()}


def _update(settings: ElasticsearchSettings, action: Mapping[str, Any]) -> None:
    ask(settings.publisher, lambda es: es.indices.update_aliases(actions=[action]), within=CHANGE)
