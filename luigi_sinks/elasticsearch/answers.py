"""What each call returns, as far as it is used. A response of status 200 that is something else is not the cluster's.

A proxy, a login page or another server may answer in JSON too. Taken for an answer, it
would end in an error that names nothing, or be mistaken for success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from luigi_sinks.elasticsearch import errors
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings

Form = Any
"""A type; a dict of the fields that must be there, with their forms; a list of one form; or Each of one form."""


@dataclass(frozen=True)
class Each:
    """An object with any names, whose values have one form."""

    form: Form


_ACKNOWLEDGED = {"acknowledged": bool}
_WRITTEN = {"_id": str, "result": str}
_SHARDS = {"failed": int, "total": int}
_RESULTS = {"errors": bool, "items": [Each({"status": int})]}

FORMS: Mapping[str, Form] = {
    "close_point_in_time": {"succeeded": bool},
    "cluster.get_component_template": {"component_templates": [{"name": str, "component_template": dict}]},
    "cluster.get_settings": {"persistent": dict, "transient": dict},
    "cluster.health": {
        **{f"{kind}_shards": int for kind in ("active", "active_primary", "initializing", "unassigned")},
        "number_of_data_nodes": int,
    },
    "count": {"count": int, "_shards": _SHARDS},
    "create": _WRITTEN,
    "get": {"_id": str, "_source": dict},
    "index": _WRITTEN,
    "indices.add_block": {"acknowledged": bool, "shards_acknowledged": bool, "indices": list},
    "indices.clone": _ACKNOWLEDGED,
    "indices.create": _ACKNOWLEDGED,
    "indices.delete": _ACKNOWLEDGED,
    "indices.get": Each({"aliases": dict, "mappings": dict, "settings": dict}),
    "indices.get_alias": Each({"aliases": dict}),
    "indices.get_index_template": {
        "index_templates": [{"name": str, "index_template": {"index_patterns": list}}],
    },
    "indices.get_mapping": Each({"mappings": dict}),
    "indices.get_template": Each({"index_patterns": list}),
    "indices.put_mapping": _ACKNOWLEDGED,
    "indices.put_settings": _ACKNOWLEDGED,
    "indices.refresh": {"_shards": _SHARDS},
    "indices.update_aliases": _ACKNOWLEDGED,
    "mget": {"docs": [dict]},
    "open_point_in_time": {"id": str},
    "security.get_role": Each(dict),
}
"""By the name of the call; those of `bulk` and `search` depend on the response and on what is asked for."""


def checked(settings: ElasticsearchSettings, name: str, given: Mapping[str, Any], answer: Any) -> Any:
    """Return the answer to a call. Raises Unavailable if it is not what the call, if it is known, returns."""
    body = getattr(answer, "body", answer)
    if name == "bulk":
        form = {"errors": bool} if isinstance(body, dict) and body.get("errors") is False else _RESULTS
    elif name == "search":
        form = _found(given)
    else:
        form = FORMS.get(name, object)
    if not _has(body, form):
        raise errors.no_response(settings, f"what came is not the response to {name}, so it is not {settings.title}'s")
    return answer


class Calls:
    """A client whose answers are checked, by the names that its calls have there."""

    def __init__(self, settings: ElasticsearchSettings, calls: Any, place: str = "") -> None:
        self._settings = settings
        self._calls = calls
        self._place = place

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._calls, name)
        if not callable(found):
            return Calls(self._settings, found, f"{name}.")
        return self._checking(f"{self._place}{name}", found)

    def _checking(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **given: checked(self._settings, name, given, call(**given))


def _found(given: Mapping[str, Any]) -> Form:
    """Return the form of what is found by a search."""
    hit: dict[str, Form] = {"_id": str}
    hit |= {"_source": dict} if given.get("source") is not False and "filter_path" not in given else {}
    hit |= {"sort": list} if "sort" in given else {}
    hit |= {"_seq_no": int, "_primary_term": int} if given.get("seq_no_primary_term") else {}
    groups = {"aggregations": Each({"buckets": [{"key": str}]})} if "aggs" in given else {}
    return {"hits": {"hits": [hit]}, **groups}


def _has(value: Any, form: Form) -> bool:
    if isinstance(form, dict):
        return isinstance(value, dict) and all(name in value and _has(value[name], form[name]) for name in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(_has(each, form[0]) for each in value)
    if isinstance(form, Each):
        return isinstance(value, dict) and all(_has(each, form.form) for each in value.values())
    return isinstance(value, form)
