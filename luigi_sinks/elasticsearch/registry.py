"""The history of a dataset: one hidden index, one document a version.

A version's number is its document's id, taken by creating the next one, so no two
versions share it; the field `seq` repeats it to sort by. A loader can write anything
into this index: documents with other ids are ignored, and an error about one with such
an id names it. A document holds the whole record, as `luigi_sinks.stored` writes
it, and beside it the few fields that are searched. Every change of a record refreshes
the index, which is tiny, so the searches that follow find it. While a version is being
loaded, a note for each of its parts says that the part was begun, and with which
rows; `forget_parts` refreshes the index before it looks for those.

`_meta.format` of the mapping is the registry's own version. Releases before 0.2 wrote
none, and their records can be read as they are until `upgrade` rewrites them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from luigi_sinks import record as rules
from luigi_sinks import stored
from luigi_sinks.elasticsearch import creation, names
from luigi_sinks.elasticsearch.connection import CHANGE, Clash, Missing, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Forbidden, SinkError, Unavailable
from luigi_sinks.record import Record
from luigi_sinks.sink import Part
from luigi_sinks.version import Version

FORMAT = 2

_PAGE = 1_000
_TERMS = 50_000
_LARGEST = 1_000_000_000
"""The largest `seq` that the next number is counted on from: a number near the end of a long leaves no next one."""
_CHANGED = 409
_NUMBER = re.compile("[1-9][0-9]*")
_MAPPING = {
    "dynamic": False,
    "_meta": {"format": FORMAT},
    "properties": {
        "seq": {"type": "long"},
        "partition": {"type": "keyword"},
        "version": {"type": "keyword"},
        "update_id": {"type": "keyword"},
        "part_of": {"type": "keyword"},
        "record": {"type": "object", "enabled": False},
    },
}


_known: set[tuple[ElasticsearchSettings, str]] = set()
"""The datasets whose registry has a format that this release writes, by the connection that was used to ask."""


@dataclass(frozen=True)
class Entry:
    """A record as found under a key; the last two numbers tell whether it has changed since."""

    record: Record
    key: str
    seq_no: int
    primary_term: int


@dataclass(frozen=True)
class Registry:
    """The history of one dataset."""

    settings: ElasticsearchSettings
    dataset: str

    @property
    def index(self) -> str:
        """The index it is kept in."""
        return names.registry(self.dataset)

    def create(self) -> None:
        """Make the index; another load may have come first."""
        settings = {"auto_expand_replicas": "0-1", "refresh_interval": "1s"}
        creation.create(self.settings, self.index, {"mappings": _MAPPING, "settings": settings, "aliases": {}})

    def upgrade(self, found: creation.Index, schema: Mapping[str, Any]) -> None:
        """Bring the index, which was found so, to the present format, if it has an older one.

        A record without a schema gets the mapping that its index has, or `schema` where
        the index is deleted. After a failure half-way, call it again. Raises SinkError
        for a newer format, and BadSetting if others see the index or change its documents.
        """
        creation.refuse_harm(self.index, found, _MAPPING)
        if self._accepted(found["mappings"]) == FORMAT:
            return
        try:
            while not self._rewrite(schema):
                pass
            meta = {"format": FORMAT}
            ask(self.settings, lambda es: es.indices.put_mapping(index=self.index, meta=meta), within=CHANGE)
        except Forbidden as refusal:
            raise Forbidden(
                f"{self.index} was made by an older luigi_sinks, and this login is not permitted to upgrade it; run "
                f"`luigi-sinks create` as the owner: {refusal}"
            ) from refusal

    def refuse_newer(self) -> None:
        """Raise SinkError if the registry has a newer format; asks the cluster once for each dataset in a process."""
        if (self.settings, self.dataset) in _known:
            return
        found = ask(self.settings, lambda es: es.indices.get_mapping(index=self.index, ignore_unavailable=True))
        for body in found.values():
            self._accepted(body["mappings"])

    def _accepted(self, mapping: Mapping[str, Any]) -> int:
        """Return the registry's format by its mapping. Raises SinkError for a newer one."""
        found = mapping.get("_meta", {}).get("format", 1)
        if not isinstance(found, int) or found > FORMAT:
            _known.discard((self.settings, self.dataset))
            raise SinkError(f"{self.index} has format {found}, newer than this luigi_sinks; install a newer one")
        _known.add((self.settings, self.dataset))
        return found

    def add(self, record: Record) -> None:
        """Keep a new record under the next free number."""
        seq = self._last() + 1
        while not self._create(str(seq), _document(replace(record, seq=seq)), refresh=True):
            if self.entries(record.version):  # by an earlier attempt, whose answer was lost
                return
            seq += 1

    def entry(self, version: Version) -> Entry:
        """Return a version's record as it is now. Raises Conflict if there is none."""
        found = self.entries(version)
        if version not in found:
            raise rules.unknown(version)
        return found[version]

    def entries(self, *versions: Version) -> Mapping[Version, Entry]:
        """Return the records of versions as they are now; those that are not there are left out."""
        found: dict[Version, Entry] = {}
        for first in range(0, len(versions), _PAGE):
            ids = [version.id for version in versions[first : first + _PAGE]]
            entries = self._entries(self._search([{"terms": {"version": ids}}]))
            # The lowest number wins: a loader can add a second record of a version.
            oldest_last = sorted(entries, key=lambda entry: entry.record.seq, reverse=True)
            found |= {entry.record.version: entry for entry in oldest_last}
        return {version: found[version] for version in versions if version in found}

    def put(self, entry: Entry, record: Record) -> bool:
        """Put a record in the place of one that was found; return False if that has changed meanwhile.

        Raises SinkError for a registry of a newer format.
        """
        self.refuse_newer()
        try:
            ask(
                self.settings,
                lambda es: es.index(
                    index=self.index,
                    id=entry.key,
                    document=_document(record),
                    if_seq_no=entry.seq_no,
                    if_primary_term=entry.primary_term,
                    refresh=True,
                ),
            )
        except Clash:
            return False
        return True

    def pages(self, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[list[Entry]]:
        """Yield the history in pages, oldest first."""
        filters: list[dict[str, Any]] = []
        if partition is not None:
            filters.append({"term": {"partition": partition}})
        if update_ids is not None:
            filters.append(_any_of("update_id", sorted(update_ids)))
        last, hits = 0, None
        while hits is None or len(hits) == _PAGE:
            hits = self._search([*filters, {"range": {"seq": {"gt": last}}}])
            if page := self._entries(hits):
                yield page
            last = _seq(hits[-1]) if hits else last

    def begin_part(self, version: Version, part: Part) -> bool:
        """Note that a part is about to be written; tell whether this is the first attempt at it.

        Raises Conflict if it was begun with other rows before.
        """
        key = _part_key(version, part)
        if self._create(key, {"part_of": version.id, "rows": len(part.rows), "digest": part.digest}):
            return True
        known = ask(self.settings, lambda es: es.get(index=self.index, id=key))["_source"]
        part.refuse_another(version, known.get("rows"), known.get("digest"))
        self._create(f"{key}~again", {"part_of": version.id})
        return False

    def was_begun_again(self, version: Version, part: Part) -> bool:
        """Tell whether another attempt at the part was begun since the first: in Spark, two may run at once."""
        key = f"{_part_key(version, part)}~again"
        with suppress(Missing):
            ask(self.settings, lambda es: es.get(index=self.index, id=key))
            return True
        return False

    def forget_parts(self, version: Version, *, is_fresh: bool = False) -> None:
        """Delete the notes about a version's parts; `is_fresh` if the index was refreshed since the last was made."""
        query = {"term": {"part_of": version.id}}
        with suppress(Missing):  # no registry, no notes; one that is closed stays an error
            while True:
                if not is_fresh:
                    ask(self.settings, lambda es: es.indices.refresh(index=self.index))
                hits = ask(self.settings, lambda es: es.search(index=self.index, query=query, size=_PAGE, source=False))
                keys = [hit["_id"] for hit in hits["hits"]["hits"]]
                self._bulk([{"delete": {"_id": key}} for key in keys], refresh=not is_fresh)
                if len(keys) < _PAGE:
                    return
                is_fresh = False

    def noted(self) -> Collection[str]:
        """Return the ids of the versions about whose parts there are notes."""
        with suppress(Missing):
            by_version = {"terms": {"field": "part_of", "size": _PAGE}}
            found = ask(self.settings, lambda es: es.search(index=self.index, size=0, aggs={"versions": by_version}))
            return {bucket["key"] for bucket in found["aggregations"]["versions"]["buckets"]}
        return ()

    def _rewrite(self, schema: Mapping[str, Any]) -> bool:
        """Give every record a schema, in the present form; return False if one has changed meanwhile."""
        found = ask(
            self.settings,
            lambda es: es.indices.get_mapping(
                index=names.index(Version(self.dataset, "*", "v*")), expand_wildcards="all", ignore_unavailable=True
            ),
        )
        is_done = True
        for page in self.pages():
            lines: list[Any] = []
            for entry in page:
                if not entry.record.schema:
                    place = {"_id": entry.key, "if_seq_no": entry.seq_no, "if_primary_term": entry.primary_term}
                    kept = found.get(names.index(entry.record.version), {}).get("mappings", schema["mapping"])
                    id_field = schema["id_field"] if schema["id_field"] in kept.get("properties", {}) else ""
                    known = {**schema, "mapping": kept, "id_field": id_field}
                    lines += [{"index": place}, _document(replace(entry.record, schema=known))]
            is_done &= self._bulk(lines, refresh=True)
        return is_done

    def _bulk(self, lines: Sequence[Any], *, refresh: bool) -> bool:
        """Change documents; return False if one has changed meanwhile. One that is deleted already is no error."""
        if not lines:
            return True
        answer = ask(
            self.settings,
            lambda es: es.bulk(index=self.index, operations=lines, refresh=refresh),
            within=CHANGE,
        )
        results = [result for item in answer["items"] for result in item.values()] if answer["errors"] else []
        for error in (result["error"] for result in results if "error" in result and result["status"] != _CHANGED):
            kind = Forbidden if error["type"] == "security_exception" else Unavailable
            raise kind(f"{self.index} allows no change: {error['reason']}")
        return not results

    def _create(self, key: str, document: Mapping[str, Any], *, refresh: bool = False) -> bool:
        """Create a document; return False if there is one with the key."""
        try:
            ask(self.settings, lambda es: es.create(index=self.index, id=key, document=document, refresh=refresh))
        except Clash:
            return False
        return True

    def _last(self) -> int:
        hits = self._search([{"range": {"seq": {"gt": 0, "lte": _LARGEST}}}], order="desc", source=False)
        return next((_seq(hit) for hit in hits if hit["_id"] == str(_seq(hit))), 0)

    def _search(
        self, filters: Sequence[Mapping[str, Any]], *, order: str = "asc", source: bool = True
    ) -> Sequence[Mapping[str, Any]]:
        """Return up to a page of documents, sorted by `seq`."""
        try:
            answer = ask(
                self.settings,
                lambda es: es.search(
                    index=self.index,
                    query={"bool": {"filter": list(filters)}},
                    sort=[{"seq": {"order": order, "unmapped_type": "long"}}],
                    size=_PAGE,
                    source=source,
                    seq_no_primary_term=True,
                    allow_partial_search_results=False,
                ),
            )
        except Missing:  # nothing was ever loaded; a closed or forbidden index stays an error
            return []
        found: Sequence[Mapping[str, Any]] = answer["hits"]["hits"]
        return found

    def _entries(self, hits: Iterable[Mapping[str, Any]]) -> list[Entry]:
        """Return the records in documents. Raises SinkError that names a document that holds none."""
        return [self._entry(hit) for hit in hits if _NUMBER.fullmatch(hit["_id"])]

    def _entry(self, hit: Mapping[str, Any]) -> Entry:
        body = hit["_source"].get("record")
        try:
            record = stored.from_json(body if isinstance(body, dict) else {}, int(hit["_id"]))
        except SinkError as error:
            raise SinkError(f"document {hit['_id']} of {self.index}: {error}") from None
        return Entry(record, hit["_id"], hit["_seq_no"], hit["_primary_term"])


def _part_key(version: Version, part: Part) -> str:
    """Return the id of the note about a part."""
    return f"{version.id}~{part.number}"


def _any_of(field: str, values: Sequence[str]) -> dict[str, Any]:
    """Return a query for documents with one of many values: the cluster takes 65,536 in one clause."""
    runs = (values[first : first + _TERMS] for first in range(0, len(values) or 1, _TERMS))
    return {"bool": {"should": [{"terms": {field: run}} for run in runs], "minimum_should_match": 1}}


def _document(record: Record) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "partition": record.version.partition,
        "version": record.version.id,
        "update_id": record.origin.update_id,
        "record": stored.to_json(record),
    }


def _seq(hit: Mapping[str, Any]) -> int:
    """Return the number by which the cluster sorted a document."""
    return int(hit["sort"][0])
