"""Writes an index as Python to paste into a task."""

from __future__ import annotations

import pprint
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from luigi_sinks.declaration import Declaration
from luigi_sinks.elasticsearch import creation
from luigi_sinks.elasticsearch.connection import ask
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.elasticsearch.types import key_type
from luigi_sinks.errors import BadSetting

_SAMPLE = 100
"""Documents that are looked at, to tell which field is the id."""


def declare(settings: ElasticsearchSettings, index: str) -> Declaration:
    """Return the declaration of an index, or of the one that an alias stands for.

    Raises BadSetting if the name stands for none, or for several.
    """
    found = creation.look(settings, index)
    if len(found) != 1:
        listed = ", ".join(sorted(found)) or "no index"
        raise BadSetting(f"{index!r} stands for {listed} at {settings.where}; name one index")
    ((_, body),) = found.items()
    hits = ask(settings, lambda es: es.search(index=index, size=_SAMPLE))["hits"]["hits"]
    return declaration(index, body, hits)


def declaration(index: str, body: Mapping[str, Any], hits: Iterable[Mapping[str, Any]]) -> Declaration:
    """Return the declaration of an index by what the cluster says of it, and by some documents.

    Example:
        >>> body = {"mappings": {"properties": {"n": {"type": "long"}}}, "settings": {"number_of_replicas": "0"}}
        >>> print(declaration("items", body, [{"_id": "7", "_source": {"n": 7}}]))
        index = 'items'
        mapping = {'n': {'type': 'long'}}
        settings = {'number_of_replicas': '0'}
        id_field = 'n'
        # Not declared: whether each document has this id_field; 1 of them were looked at

    """
    mapping = body["mappings"]
    properties = mapping.get("properties", {})
    chosen = creation.chosen(body["settings"])
    wrong = dict(_refused(index, chosen))
    kept = {name: value for name, value in sorted(chosen.items()) if name not in wrong}
    undeclared = [f"{name} = {value!r} of the mapping" for name, value in mapping.items() if name != "properties"]
    undeclared += wrong.values()
    by, looked_at = _id_field(properties, list(hits))
    lines = [f"index = {index!r}", f"mapping = {_shown(properties)}"]
    lines += [f"settings = {_shown(kept)}"] if kept else []
    if by:
        lines.append(f"id_field = {by!r}")
        undeclared.append(f"whether each document has this id_field; {looked_at} of them were looked at")
    return Declaration("\n".join(lines), tuple(undeclared))


def _shown(value: Any) -> str:
    return pprint.pformat(value, width=110, compact=True)


def _refused(index: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the settings that a task may not declare, and why."""
    for name, value in settings.items():
        try:
            parse_schema(index, {"n": {"type": "long"}}, {name: value}, "")
        except BadSetting as refusal:
            yield name, str(refusal)


def _id_field(properties: Mapping[str, Any], hits: list[Mapping[str, Any]]) -> tuple[str, int]:
    """Return the field whose value is the id of each document, empty if there is none, and of how many that is true."""
    for name in filter(lambda name: key_type(properties[name]), properties):
        if hits and all(str(hit["_source"].get(name)) == hit["_id"] for hit in hits):
            return name, len(hits)
    return "", 0
