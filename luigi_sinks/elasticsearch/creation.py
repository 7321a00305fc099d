"""Creates indices that are exactly what was asked for.

The cluster merges its templates into each new index: aliases, under which readers would
see staged rows, pipelines and a `_source` that change documents, settings, more fields.
What the request states overrides them; whatever else a new index has came from
elsewhere, so it is read back and compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from luigi_sinks.elasticsearch.connection import CHANGE, Rejected, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting, Conflict, Forbidden

_OWN: Mapping[str, Any] = {"hidden": True, "default_pipeline": "_none", "final_pipeline": "_none"}
"""The settings of each index here, stated so that no template has them otherwise."""

_SERVERS = re.compile(
    r"settings\.(creation_date|provided_name|uuid|version\..*|number_of_(shards|replicas)|replication\..*|"
    r"remote_store\..*|routing\.allocation\.include\._tier_preference)"
)
"""The settings that a server itself adds to an index."""

_COPIES = {"number_of_shards", "number_of_replicas"}

_HARMFUL = re.compile(r"aliases\.|mappings\._|settings\.(mode$|mapping\.source|lifecycle|.*pipeline$)")
"""What shows an index to others, changes its documents or deletes it: refused wherever it came from."""

_PARAMETER = re.compile(r"mappings\.properties\.(?:[^.]+\.properties\.)*[^.]+\.(?!properties).+")
"""What a field has beside its name; the server fills in some of it."""

_SEARCHED = re.compile(r"(analysis|mapping|max_\w+|query|similarity)(\.|$)")
"""The settings that fields and searches need."""

_STREAM = re.compile(r"matches with template \[([^\]]+)\]")

Index = Mapping[str, Any]
"""Aliases, mappings and settings, as `GET /INDEX` returns them; settings without the prefix `index.`."""


def create(settings: ElasticsearchSettings, index: str, wanted: Index) -> None:
    """Create a hidden index, unless it exists.

    Raises BadSetting, which names the template, if the cluster makes it otherwise than
    asked: it then stays, without documents. Raises BadSetting too for what the cluster refuses.
    """
    asked = {**wanted, "settings": {"number_of_shards": 1, **wanted["settings"], **_OWN}}
    try:
        ask(settings, lambda es: es.indices.create(index=index, **asked), within=CHANGE)
    except Rejected as rejected:
        if stream := _STREAM.search(rejected.reason):
            raise _refusal(index, [stream[1]], ["the form of a data stream"]) from rejected
        if rejected.kind != "resource_already_exists_exception":  # by a call whose answer was lost
            raise _impossible(index, rejected, _templates(settings, index)) from rejected
    added = list(_beside(look(settings, index)[index], asked))
    if added and (theirs := _theirs(added, templates := _templates(settings, index))):
        raise _refusal(index, templates, theirs)


def create_empty(settings: ElasticsearchSettings, index: str, alias: str, *, like: str) -> None:
    """Create an index that takes no documents, with the fields of another, so that searches find those.

    It has an alias, as each index here. Raises Conflict if the other one is not there, and BadSetting as `create`.
    """
    found = look(settings, like)
    if like not in found:
        raise Conflict(f"there is no index {like}, whose fields an empty one must have; load again")
    searched = {name: value for name, value in found[like]["settings"].items() if _SEARCHED.match(name)}
    limits = {"blocks.write": True, "number_of_replicas": 0}
    aliases = {alias: {"is_hidden": True}}
    create(settings, index, {"mappings": found[like]["mappings"], "settings": searched | limits, "aliases": aliases})


def look(settings: ElasticsearchSettings, indices: str) -> dict[str, Index]:
    """Return what the cluster says of indices; those that are not there are left out."""
    found = ask(settings, lambda es: es.indices.get(index=indices, ignore_unavailable=True, flat_settings=True))
    return {index: {**body, "settings": _plain(body["settings"])} for index, body in found.items()}


def chosen(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings of an index that somebody chose; servers state shards and replicas of each."""
    copies = {name: value for name, value in settings.items() if name in _COPIES and str(value) != "1"}
    return copies | {name: value for name, value in settings.items() if not _SERVERS.fullmatch(f"settings.{name}")}


def refuse_harm(index: str, found: Index, mappings: Mapping[str, Any]) -> None:
    """Raise BadSetting for an index in use that is shown to others, or whose documents are changed."""
    added = _beside(found, {"aliases": {}, "mappings": mappings, "settings": _OWN})
    if harm := list(filter(_HARMFUL.match, added)):
        raise BadSetting(
            f"index {index} has {_words(harm)}, which luigi_sinks did not ask for, from a template or by hand; remove "
            "that from the index, and keep templates away from its name"
        )


def _beside(found: Any, asked: Any, place: str = "") -> Iterator[str]:
    """Yield where an index has more than was asked for, as dotted paths; the request overrides templates elsewhere."""
    if not isinstance(found, Mapping):
        known = asked if isinstance(asked, list) else [asked]
        if isinstance(found, list) and any(each not in known for each in found):
            yield place
        return
    for name, value in found.items():
        path = f"{place}.{name}" if place else name
        if isinstance(asked, Mapping) and name in asked:
            yield from _beside(value, asked[name], path)
        elif not _SERVERS.fullmatch(path):
            yield path


def _theirs(added: Iterable[str], templates: Mapping[str, Any] | None) -> list[str]:
    """Return what is not the server's own doing; without a look at the templates, all but fields' parameters."""
    if templates is None:
        return [path for path in added if not _PARAMETER.match(path)]
    return [path for path in added if _HARMFUL.match(path) or any(_defines(each, path) for each in templates.values())]


def _defines(template: Any, path: str) -> bool:
    """Tell whether a template has something at a dotted path; names of settings have dots of their own."""
    if not path:
        return True
    inner = template if isinstance(template, Mapping) else {}
    name = next((name for name in inner if f"{path}.".startswith(f"{name}.")), None)
    return name is not None and _defines(inner[name], path[len(name) + 1 :])


def _templates(settings: ElasticsearchSettings, index: str) -> Mapping[str, Any] | None:
    """Return the templates that the cluster applies to an index, by name; None if this login may not see them."""
    try:
        composable = ask(settings, lambda es: es.indices.get_index_template(flat_settings=True))["index_templates"]
        legacy = ask(settings, lambda es: es.indices.get_template(flat_settings=True))
        parts = ask(settings, lambda es: es.cluster.get_component_template(flat_settings=True))["component_templates"]
    except Forbidden:
        return None
    matching = [each for each in composable if _matches(index, each["index_template"])]
    if not matching:  # only then those of the older kind are applied
        return {name: _content(body) for name, body in legacy.items() if _matches(index, body)}
    applied = max(matching, key=lambda each: int(each["index_template"].get("priority", 0)))
    composed = {each["name"]: _content(each["component_template"].get("template", {})) for each in parts}
    named = applied["index_template"].get("composed_of", ())
    own = {applied["name"]: _content(applied["index_template"].get("template", {}))}
    return own | {name: composed[name] for name in named if name in composed}


def _content(template: Index) -> Index:
    return {**template, "settings": _plain(template.get("settings", {}))}


def _matches(index: str, template: Mapping[str, Any]) -> bool:
    """Tell whether a template is applied to a hidden index; one for all indices is not."""
    return any(pattern != "*" and fnmatchcase(index, pattern) for pattern in template["index_patterns"])


def _refusal(index: str, templates: Iterable[str] | None, what: Iterable[str]) -> BadSetting:
    names_, dataset = " and ".join(map(repr, templates or ())), index.partition("~")[0]
    which = f"index template {names_} gives" if names_ else "an index template of the cluster gives"
    found = "" if names_ else " `GET _index_template` and `GET _template` show it to an administrator."
    return BadSetting(
        f"{which} index {index} {_words(what)}, which luigi_sinks did not ask for; nothing was loaded.{found} Add an "
        f'index template without content for "{dataset}~*" with a higher priority, or declare the setting in settings'
    )


def _impossible(index: str, rejected: Rejected, templates: Iterable[str] | None) -> BadSetting:
    """Return the error for an index that the cluster does not create."""
    among = f", with index template {' and '.join(map(repr, templates))}" if templates else ""
    return BadSetting(f"index {index}: the cluster refuses the mapping or the settings{among}: {rejected.reason}")


def _words(paths: Iterable[str]) -> str:
    return ", ".join(
        path.replace(".", " ", 1) if path.startswith(("aliases.", "settings.")) else path for path in paths
    )


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("index."): value for name, value in settings.items()}
