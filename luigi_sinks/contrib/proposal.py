"""Proposes a strict mapping from the first documents of a task, for a person to check; it is never used unseen."""

from __future__ import annotations

import pprint
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_LONGEST_KEYWORD = 256
_LARGEST_LONG = 2**63


def proposed(documents: Sequence[Mapping[str, Any]], ids: Sequence[Any] = ()) -> str:
    """Return the attributes `mapping`, and where it can be told `id_field`, as Python to paste into a task.

    `documents` are without the metadata of Elasticsearch; `ids` are their values of `_id`, if they have any.

    Example:
        >>> print(proposed([{"name": "a", "n": 1, "at": "2013-01-31"}, {"name": "b", "n": 2.5}], ids=["a", "b"]))
        mapping = {'name': {'type': 'keyword'}, 'n': {'type': 'double'}, 'at': {'type': 'date'}}
        id_field = 'name'

    """
    mapping = _properties(documents)
    by = id_field(documents, ids)
    if ids and not by:
        by = next(name for name in ("id", "doc_id", "document_id", "luigi_id") if name not in mapping)
        mapping = {by: {"type": "keyword"}, **mapping}
    lines = [f"mapping = {pprint.pformat(mapping, sort_dicts=False, width=110, compact=True)}"]
    return "\n".join([*lines, f"id_field = {by!r}"] if by else lines)


def id_field(documents: Sequence[Mapping[str, Any]], ids: Sequence[Any]) -> str:
    """Return the field whose value is each document's `_id`; empty if there is none."""
    pairs = list(zip(documents, ids, strict=False))
    names = pairs[0][0] if pairs else ()
    return next((name for name in names if all(str(each.get(name)) == str(id_) for each, id_ in pairs)), "")


def _properties(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for document in documents:
        for name, value in document.items():
            values.setdefault(str(name), []).extend(_flat(value))
    return {name: _field(found) for name, found in values.items()}


def _flat(value: Any) -> list[Any]:
    """Return the values of a field: a list has no type of its own in a mapping."""
    if isinstance(value, (list, tuple)):
        return [inner for each in value for inner in _flat(each)]
    return [] if value is None else [value]


def _field(values: Sequence[Any]) -> dict[str, Any]:
    if values and all(isinstance(value, Mapping) for value in values):
        return {"properties": _properties(values)}
    return {"type": _type(values)}


def _type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "long" if all(abs(value) < _LARGEST_LONG for value in values) else "keyword"
    if kinds and kinds <= {int, float}:
        return "double"
    texts = [value for value in values if isinstance(value, str)]
    if values and all(
        isinstance(value, date) or (isinstance(value, str) and _DATE.fullmatch(value)) for value in values
    ):
        return "date"
    return "text" if any(len(text) > _LONGEST_KEYWORD for text in texts) else "keyword"
