"""Sends the documents of a part to `_bulk`, each at most once.

A document is created, never overwritten, and its id follows from its key or from its
place in the load. So an attempt whose answer was lost is repeated, and a 409 marks the
documents that had arrived. Where ids are the user's keys, a 409 may also be a second
row with the key: always on the only attempt at a part; where there are others, the
stored document is compared with the row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from luigi_sinks.contract import Contract
from luigi_sinks.elasticsearch.connection import CHANGE, TooLarge, ask, pause
from luigi_sinks.elasticsearch.errors import BLOCK, blocked, never_fits, no_response
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadRow, Forbidden, Unavailable
from luigi_sinks.sink import Part
from luigi_sinks.version import Version

_BODY_BYTES = 8_000_000
_LARGEST_REQUEST = 100 << 20
"""What the server takes unless http.max_content_length says otherwise."""

_TRIES = 6
_EXISTS, _CLOSED, _OVERLOADED = 409, {403, 404}, {429, 503}
_SEALED = "FORBIDDEN/8/"
"""What the server calls the block on writes that seals a version."""
_ANSWER = ("errors", "items.*.status", "items.*.error")
_FIELD = re.compile(
    r'introduction of \[([^\]]+)\] within \[([^\]]+)\]|field \[([^\]]+)\]|field="([^"]+)"|value \[[^]]*\] for (\S+)$'
)
_JSON = msgspec.json.Encoder()


Lines = tuple[bytes, bytes]
"""What creates a document: an action with its id, and the document itself."""


class Closed(Exception):
    """The index takes no more documents; the version's record tells why."""


@dataclass(frozen=True)
class PartWriter:
    """Writes one part through the alias of a staged version."""

    settings: ElasticsearchSettings
    version: Version
    alias: str
    contract: Contract
    part: Part
    id_field: str
    is_only_attempt: Callable[[], bool]
    overwrites: bool = False

    def write(self) -> None:
        """Create the part's documents that no earlier attempt created, or overwrite those of a clone. Raises Closed."""
        action = b'{"index":{"_id":%b}}' if self.overwrites else b'{"create":{"_id":%b}}'
        documents = self.part.text.removesuffix(b"\n").split(b"\n")
        lines = list(zip(map(action.__mod__, self._ids()), documents, strict=True))
        for first, last in _runs(lines, list(map(_size, lines))):
            self._send(dict(enumerate(lines[first:last], first)))

    def _send(self, lines: dict[int, Lines]) -> None:
        """Send lines, given by their index in the part; send those again that the server had no room for."""
        for attempt in range(_TRIES):
            failed = self._bulk(lines)
            lines = {index: lines[index] for index, result in failed.items() if result["status"] in _OVERLOADED}
            self._check_repeats([index for index, result in failed.items() if result["status"] == _EXISTS])
            if not lines:
                return
            pause(attempt)
        reason = _reason(failed[next(iter(lines))]["error"])
        raise Unavailable(f"{self.version}: the cluster has no room for documents: {reason}; try again later")

    def _bulk(self, lines: dict[int, Lines]) -> dict[int, Any]:
        """Return the result of each document that was not created. Raises BadRow for one that cannot be."""
        body = b"\n".join((*chain.from_iterable(lines.values()), b""))
        try:
            answer = ask(
                self.settings,
                lambda es: es.bulk(index=self.alias, operations=body, require_alias=True, filter_path=_ANSWER),  # type: ignore[arg-type]  # bytes are sent as they are
                within=CHANGE,
                tries=1,
            )
        except TooLarge:
            return self._halves(lines)
        except Unavailable as error:
            if len(lines) > 1 or len(body) <= _LARGEST_REQUEST:
                raise
            raise self._too_large(next(iter(lines)), len(body)) from error  # it ended the connection
        if not answer["errors"]:
            return {}
        results = self._for_each(lines, [result for item in answer["items"] for result in item.values()])
        failed = {index: result for index, result in results if "error" in result}
        for index, result in failed.items():
            self._judge(index, result)
        large = {index: lines[index] for index, result in failed.items() if never_fits(_reason(result["error"]))}
        others = {index: result for index, result in failed.items() if index not in large}
        return others | self._halves(large) if large else others

    def _halves(self, lines: dict[int, Lines]) -> dict[int, Any]:
        indices = list(lines)
        if len(indices) == 1:
            raise self._too_large(indices[0], _size(lines[indices[0]]))
        middle = len(indices) // 2
        halves = ({index: lines[index] for index in half} for half in (indices[:middle], indices[middle:]))
        return {index: result for half in halves for index, result in self._bulk(half).items()}

    def _judge(self, index: int, result: Mapping[str, Any]) -> None:
        """Raise for an error that a retry cannot change."""
        status, error = result["status"], result["error"]
        if error.get("type") == "security_exception":
            raise Forbidden(f"{self.version}: {_reason(error)}. `luigi-sinks grants` prints the role that is needed")
        if error.get("type") == BLOCK and _SEALED not in _reason(error):
            raise blocked(f"{self.version}", _reason(error))
        if status in _CLOSED or error.get("type") == "index_closed_exception":
            raise Closed
        if status != _EXISTS and status not in _OVERLOADED:
            raise self._bad_row(index, _field(error), f"was refused by the server: {_reason(error)}")

    def _check_repeats(self, indices: Sequence[int]) -> None:
        """Raise BadRow if one of the documents that were there before is another row's."""
        if not indices or not self.id_field:
            return
        within = self.contract.first_repeat(self.part.kind, self.part.rows)
        if within is not None:
            raise self._duplicate(*within)
        different = indices if self.is_only_attempt() else self._different(indices)
        for index in different:
            raise self._duplicate(index)

    def _different(self, indices: Sequence[int]) -> Iterator[int]:
        ids = [str(self.part.rows[index][self.id_field]) for index in indices]
        stored = ask(self.settings, lambda es: es.mget(index=self.alias, ids=ids), within=CHANGE)["docs"]
        for index, document in self._for_each(indices, stored):
            if "error" in document:  # the index is gone
                raise Closed
            if msgspec.json.decode(_JSON.encode(self.part.rows[index])) != document.get("_source"):
                yield index

    def _for_each(self, indices: Collection[int], found: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Return what was found for each of the rows, which are given by their index."""
        if len(found) != len(indices):
            raise no_response(self.settings, f"{len(found)} results came for {len(indices)} documents")
        return zip(indices, found, strict=True)

    def _ids(self) -> Iterator[bytes]:
        if self.id_field:
            rows: Any = self.part.rows
            values = rows.values(self.id_field) if self.part.of_frames else (row[self.id_field] for row in rows)
            return (_JSON.encode(str(value)) for value in values)
        return (b'"%d-%d"' % (self.part.number, place) for place in range(len(self.part.rows)))

    def _too_large(self, index: int, size: int) -> BadRow:
        row = self.part.rows[index]
        largest = max(row, key=lambda name: len(_JSON.encode(row[name])))
        return self._bad_row(
            index,
            largest,
            f"makes the document of {size:,} bytes larger than the server takes in one request; leave it out or "
            "cut it, or allow larger requests there (http.max_content_length, more heap)",
        )

    def _duplicate(self, index: int, earlier: int | None = None) -> BadRow:
        row, number_of = self.part.rows[index], self.part.row_number
        return self.contract.duplicate(
            number_of(index),
            (self.id_field,),
            (row[self.id_field],),
            earlier=None if earlier is None else number_of(earlier),
        )

    def _bad_row(self, index: int, field: str, reason: str) -> BadRow:
        return self.contract.bad_row(self.part.row_number(index), field, reason)


def delete(settings: ElasticsearchSettings, version: Version, alias: str, ids: Collection[str]) -> None:
    """Delete documents from a staged version; one that is gone already changes nothing. Raises Unavailable."""
    lines = [b'{"delete":{"_id":%b}}\n' % _JSON.encode(each) for each in sorted(ids)]
    for first, last in _runs(lines, list(map(len, lines))):
        body = b"".join(lines[first:last])
        answer = ask(
            settings,
            lambda es: es.bulk(index=alias, operations=body, require_alias=True, filter_path=_ANSWER),  # type: ignore[arg-type]  # noqa: B023 - called at once
            within=CHANGE,
        )
        for result in (result for item in answer.get("items", ()) for result in item.values()):
            if "error" in result:
                reason = _reason(result["error"])
                kind = Forbidden if result["error"].get("type") == "security_exception" else Unavailable
                raise kind(f"{version}: documents could not be deleted: {reason}")


def _runs(lines: Sequence[Any], sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut lines of these sizes into runs of at most a body's size, and of one line at least."""
    first, size = 0, 0
    if sum(sizes) > _BODY_BYTES:
        for index, each in enumerate(sizes):
            if size and size + each > _BODY_BYTES:
                yield first, index
                first, size = index, 0
            size += each
    if lines:
        yield first, len(lines)


def _size(lines: Lines) -> int:
    action, document = lines
    return len(action) + len(document)


def _field(error: Mapping[str, Any]) -> str:
    """Return the field that the server's message names."""
    found = next(filter(None, map(_FIELD.search, _reasons(error))), None)
    if found is None:
        return ""
    unknown, place, *named = found.groups()
    if unknown:
        return unknown if place == "_doc" else f"{place}.{unknown}"
    return str(next(filter(None, named)))


def _reason(error: Mapping[str, Any]) -> str:
    """Return the server's innermost message, the most exact one, cut short since it may hold the whole value."""
    return list(_reasons(error))[-1][:300]


def _reasons(error: Mapping[str, Any] | None) -> Iterator[str]:
    while error:
        yield str(error.get("reason", ""))
        error = error.get("caused_by")
