"""Reads events as OpenLineage's client does: each object into the client's class for it, with nothing left over.

The client's classes are generated from the JSON schemas of the specification.
"""

import types
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any

import attr
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde

from luigi_sinks.lineage.facets import own


def _facet_classes() -> Iterator[type]:
    generated = [each for each in vars(facet_v2).values() if isinstance(each, types.ModuleType)]
    for module in (*generated, own):
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, facet_v2.BaseFacet):
                yield found


FACETS = {kind._get_schema(): kind for kind in _facet_classes()}


def read(event: dict[str, Any]) -> event_v2.RunEvent:
    """Return a run event of the client. Raises AssertionError or ValueError for what it has no place for."""
    loaded = load(event_v2.RunEvent, event)
    assert without_empty(Serde.to_dict(loaded)) == without_empty(event)
    return loaded


def load(hint: Any, value: Any) -> Any:
    """Return a value as the type that the client has for it."""
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind is types.UnionType or kind is typing.Union:
        (hint,) = (each for each in inner if each is not type(None))
        return load(hint, value)
    if kind is list:
        assert isinstance(value, list)
        return [load(inner[0], each) for each in value]
    if kind is dict:
        return {key: load(FACETS.get(_schema(each), inner[1]), each) for key, each in value.items()}
    if attr.has(hint):
        return _object(hint, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    assert type(value) is hint, f"{value!r} is no {hint}"
    return value


def _schema(value: Any) -> str:
    return value.get("_schemaURL", "") if isinstance(value, dict) else ""


def _object(kind: type, value: Any) -> Any:
    assert isinstance(value, dict), f"{value!r} is no {kind}"
    attr.resolve_types(kind)
    fields = {field.name: field for field in attr.fields(kind)}
    assert value.keys() <= fields.keys(), f"{kind.__name__} has no {value.keys() - fields.keys()}"
    given = {fields[name].alias: load(fields[name].type, each) for name, each in value.items() if fields[name].init}
    return kind(**given)


def without_empty(value: Any) -> Any:
    """Return an object without lists and objects that are empty: the client fills them in."""
    if isinstance(value, dict):
        return {key: kept for key, each in value.items() if (kept := without_empty(each)) not in ([], {})}
    if isinstance(value, list):
        return [without_empty(each) for each in value]
    return value
