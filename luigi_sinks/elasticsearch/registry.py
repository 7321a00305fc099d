"""The history of a dataset: one hidden index, one document a version.

A version's number is its document's id, taken by creating the next one, so no two
versions share it. Every change of a record is seen by the searches that follow it:
it refreshes the index, which is tiny. While a version is being loaded, a document
for each of its parts says that the part was begun, and with how many rows; who looks
for those refreshes the index first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import CHANGE, Clash, Missing, Rejected, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Conflict, Unavailable
from luigi_sinks.record import Record
from luigi_sinks.version import Version

_PAGE = 1_000
_ATTEMPTS = 50
_MAPPING = {
    "dynamic": False,
    "properties": {
        "seq": {"type": "long"},
        "partition": {"type": "keyword"},
        "version": {"type": "keyword"},
        "update_id": {"type": "keyword"},
        "part_of": {"type": "keyword"},
        "record": {"type": "object", "enabled": False},
    },
}


@dataclass(frozen=True)
class Entry:
    """A record as it was found; the last two numbers say whether it has changed since."""

    record: Record
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
        """Make the index, unless it is there: to look takes fewer rights."""
        if ask(self.settings, lambda es: es.indices.exists(index=self.index)):
            return
        settings = {"hidden": True, "number_of_shards": 1, "auto_expand_replicas": "0-1"}
        try:
            ask(
                self.settings,
                lambda es: es.indices.create(index=self.index, settings=settings, mappings=_MAPPING),
                within=CHANGE,
            )
        except Rejected as rejected:
            if rejected.kind != "resource_already_exists_exception":
                raise

    def add(self, record: Record) -> None:
        """Keep a new record under the next free number."""
        seq = self._last() + 1
        if seq == 1:
            self.create()
        while not self._create(str(seq), _document(replace(record, seq=seq)), refresh=True):
            if self._found(record.version):  # by an earlier attempt, whose answer was lost
                return
            seq += 1

    def entry(self, version: Version) -> Entry:
        """Return a version's record as it is now; raise Conflict if there is none."""
        found = self._found(version)
        if not found:
            raise Conflict(f"{version} is not in the registry")
        return found[0]

    def record(self, version: Version) -> Record:
        """Return a version's record; raise Conflict if there is none."""
        return self.entry(version).record

    def change(self, version: Version, become: Callable[[Record], Record]) -> Record:
        """Replace a record by what `become` makes of it, nothing having come between; return it."""
        for _ in range(_ATTEMPTS):
            entry = self.entry(version)
            record = become(entry.record)
            if record == entry.record or self.put(entry, record):
                return record
        raise Unavailable(f"{version}: its record is changed by too many at once; try again")

    def put(self, entry: Entry, record: Record) -> bool:
        """Put a record in the place of one that was found; return False if that has changed meanwhile."""
        try:
            ask(
                self.settings,
                lambda es: es.index(
                    index=self.index,
                    id=str(record.seq),
                    document=_document(record),
                    if_seq_no=entry.seq_no,
                    if_primary_term=entry.primary_term,
                    refresh=True,
                ),
            )
        except Clash:
            return False
        return True

    def pages(self, partition: str | None, update_ids: Collection[str] | None) -> Iterator[list[Entry]]:
        """Yield the history in pages, oldest first."""
        filters: list[dict[str, Any]] = []
        if partition is not None:
            filters.append({"term": {"partition": partition}})
        if update_ids is not None:
            filters.append({"terms": {"update_id": sorted(update_ids)}})
        last, page = 0, None
        while page is None or len(page) == _PAGE:
            page = self._search([*filters, {"range": {"seq": {"gt": last}}}], size=_PAGE)
            if page:
                yield page
                last = page[-1].record.seq

    def begin_part(self, version: Version, number: int, rows: int) -> bool:
        """Note that a part is about to be written; tell whether this is the first attempt at it.

        Raises Conflict if it was begun with another count before.
        """
        key = f"{version.id}~{number}"
        if self._create(key, {"part_of": version.id, "rows": rows}):
            return True
        known = ask(self.settings, lambda es: es.get(index=self.index, id=key))["_source"]["rows"]
        if known != rows:
            raise Conflict(f"{version}: part {number} was begun with {known} rows before, and has {rows} now")
        return False

    def forget_parts(self, version: Version) -> None:
        """Delete the notes about a version's parts."""
        query = {"term": {"part_of": version.id}}
        with suppress(Missing):  # no registry, no notes; one that is closed stays an error
            is_last = False
            while not is_last:
                ask(self.settings, lambda es: es.indices.refresh(index=self.index))
                keys = self._ids(query)
                self._delete(keys)
                is_last = len(keys) < _PAGE

    def _delete(self, keys: Sequence[str]) -> None:
        """Delete documents; one that is gone already is no error."""
        if not keys:
            return
        deletes = [{"delete": {"_id": key}} for key in keys]
        answer = ask(self.settings, lambda es: es.bulk(index=self.index, operations=deletes), within=CHANGE)
        if answer["errors"]:
            reasons = [item["delete"]["error"]["reason"] for item in answer["items"] if "error" in item["delete"]]
            raise Unavailable(f"{self.index} lets nothing be deleted: {reasons[0]}")

    def _create(self, key: str, document: dict[str, Any], *, refresh: bool = False) -> bool:
        """Create a document; return False if there is one with the key."""
        try:
            ask(self.settings, lambda es: es.create(index=self.index, id=key, document=document, refresh=refresh))
        except Clash:
            return False
        return True

    def _found(self, version: Version) -> Sequence[Entry]:
        return self._search([{"term": {"version": version.id}}], size=1)

    def _last(self) -> int:
        found = self._search([{"exists": {"field": "seq"}}], size=1, order="desc")
        return found[0].record.seq if found else 0

    def _search(self, filters: Sequence[dict[str, Any]], *, size: int, order: str = "asc") -> list[Entry]:
        try:
            answer = ask(
                self.settings,
                lambda es: es.search(
                    index=self.index,
                    query={"bool": {"filter": list(filters)}},
                    sort=[{"seq": {"order": order, "unmapped_type": "long"}}],
                    size=size,
                    seq_no_primary_term=True,
                    allow_partial_search_results=False,
                ),
            )
        except Missing:  # nothing was ever loaded; a closed or forbidden index stays an error
            return []
        return [_entry(hit) for hit in answer["hits"]["hits"]]

    def _ids(self, query: dict[str, Any]) -> list[str]:
        answer = ask(
            self.settings,
            lambda es: es.search(index=self.index, query=query, size=_PAGE, source=False),
        )
        return [hit["_id"] for hit in answer["hits"]["hits"]]


def _document(record: Record) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "partition": record.version.partition,
        "version": record.version.id,
        "update_id": record.origin.update_id,
        "record": msgspec.to_builtins(record),
    }


def _entry(hit: dict[str, Any]) -> Entry:
    return Entry(msgspec.convert(hit["_source"]["record"], Record), hit["_seq_no"], hit["_primary_term"])
