"""Marks in Elasticsearch: a hidden index for each name, a document for each output."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from luigi_sinks.elasticsearch import creation, names, reader
from luigi_sinks.elasticsearch.connection import CHANGE, Missing, ask
from luigi_sinks.elasticsearch.dataset import ElasticsearchDataset
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting, Forbidden, Unavailable
from luigi_sinks.login import Login
from luigi_sinks.mark import FORMAT, Mark, OldMark, digest, refuse_newer

_AT_ONCE = 1_000
_EXISTS = 409
_MAPPING: Mapping[str, Any] = {
    "dynamic": False,
    "_meta": {"format": FORMAT},
    "properties": {
        "update_id": {"type": "keyword", "ignore_above": 1024},
        "format": {"type": "integer"},
        "mark": {"type": "object", "enabled": False},
    },
}


@dataclass(frozen=True)
class ElasticsearchMarks(ElasticsearchDataset):
    """The marks under one name of a cluster.

    Example:
        >>> ElasticsearchMarks(ElasticsearchSettings("es.example.org", credential="es"), "delays").index
        'delays~marks'

    """

    @property
    def index(self) -> str:
        """The index that they are kept in."""
        return names.marks(self.dataset)

    @property
    def publisher(self) -> Login:
        """Return `login`: who loads may set marks."""
        return self.login

    def create(self) -> None:
        """Make the index, unless it is there."""
        if self.index in creation.look(self.settings, self.index):
            return
        settings = {"auto_expand_replicas": "0-1"}
        try:
            creation.create(self.settings, self.index, {"mappings": _MAPPING, "settings": settings, "aliases": {}})
        except Forbidden as refusal:
            raise Forbidden(
                f"{self.index} must be created first, and this login is not permitted to; run `luigi-sinks create` as "
                f"the owner: {refusal}"
            ) from refusal

    def known(self, update_ids: Collection[str]) -> set[str]:
        """Return those of the outputs that are marked."""
        keys, found = [digest(each) for each in update_ids], set[str]()
        for first in range(0, len(keys), _AT_ONCE):
            for document in self._documents(keys[first : first + _AT_ONCE]):
                refuse_newer(self.index, document.get("format"))
                found.add(document["update_id"])
        return found

    def add(self, marks: Iterable[Mark]) -> None:
        """Keep marks; one that is there stays as it is."""
        self.create()
        lines: list[Any] = []
        for mark in marks:
            document = {"update_id": mark.update_id, "format": FORMAT, "mark": mark.to_json()}
            lines += [{"create": {"_id": mark.digest}}, document]
        answer = ask(self.settings, lambda es: es.bulk(index=self.index, operations=lines), within=CHANGE)
        results = [result for item in answer["items"] for result in item.values()] if answer["errors"] else []
        for error in (each["error"] for each in results if "error" in each and each["status"] != _EXISTS):
            kind = Forbidden if error["type"] == "security_exception" else Unavailable
            raise kind(f"{self.index} takes no mark: {error['reason']}; `luigi-sinks grants` prints what is needed")

    def _documents(self, keys: list[str]) -> Iterator[Mapping[str, Any]]:
        with suppress(Missing):  # nothing was ever marked
            answer = ask(self.settings, lambda es: es.mget(index=self.index, ids=keys))
            for found in answer["docs"]:
                if "error" in found and found["error"].get("type") != "index_not_found_exception":
                    raise Unavailable(f"{self.index} cannot be read: {found['error'].get('reason')}; run this again")
                if found.get("found"):
                    yield found["_source"]


def of_contrib(settings: ElasticsearchSettings, index: str) -> Iterator[OldMark]:
    """Yield the marks that `luigi.contrib` left in an index. Raises BadSetting if it is not there."""
    if not creation.look(settings, index):
        raise BadSetting(
            f"there is no index {index!r} at {settings.where}; name that of [elasticsearch] marker-index in luigi.cfg"
        )
    for source in reader.documents(settings, index):
        at = None
        with suppress(TypeError, ValueError):
            at = datetime.fromisoformat(source.get("date", ""))
        yield OldMark(str(source.get("update_id") or ""), str(source.get("target_index") or ""), at)
