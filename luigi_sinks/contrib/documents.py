"""Documents as tasks of `luigi.contrib.esindex` yield them: JSON lines, or dicts with `_id`, `_index` and `_type`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from luigi_sinks.errors import CheckFailed

_WRITES = {"index", "create"}


@dataclass(frozen=True)
class Documents:
    """Takes the metadata out of the documents of an index.

    `id_field` is the field that `_id` becomes, of text or of a whole number.
    """

    index: str
    id_field: str = ""
    id_is_text: bool = True

    def plain(self, given: Any) -> Any:
        """Return a document without metadata; what is no document, as a data frame, as it is.

        Raises CheckFailed for a line that is not a JSON object, for a document of another index, and for an
        `_id` that no field of the mapping takes.

        Example:
            >>> Documents("items", "id").plain('{"_id": "a", "_index": "items", "n": 1}')
            {'id': 'a', 'n': 1}

        """
        document = self._parsed(given) if isinstance(given, (str, bytes)) else given
        if not isinstance(document, Mapping):
            return document
        index, action = document.get("_index", self.index), document.get("_op_type", "index")
        if index != self.index:
            raise CheckFailed(
                f"{self.index}: a document has _index = {index!r}; load each index by its own task, or remove _index"
            )
        if action not in _WRITES:
            raise CheckFailed(
                f"{self.index}: a document has _op_type = {action!r}; a version holds all documents of its partition: "
                "leave out those that are to be deleted, and give whole documents"
            )
        return self._with_id(document)

    def split(self, given: Any) -> tuple[Mapping[str, Any], Any]:
        """Return a document's fields, and its `_id` or None."""
        document = self._parsed(given) if isinstance(given, (str, bytes)) else given
        return _fields(document), document.get("_id")

    def _parsed(self, line: str | bytes) -> Mapping[str, Any]:
        try:
            return msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise CheckFailed(f"{self.index}: a document is text, and not a JSON object: {error}") from None

    def _with_id(self, document: Mapping[str, Any]) -> dict[str, Any]:
        fields = dict(_fields(document))
        if "_id" not in document:
            return fields
        if not self.id_field:
            raise CheckFailed(
                f"{self.index}: documents have an _id; set id_field to the field of the mapping that holds it"
            )
        given: Any = str(document["_id"])
        if not self.id_is_text and given.isdecimal():
            given = int(given)
        if str(fields.setdefault(self.id_field, given)) != str(given):
            raise CheckFailed(
                f"{self.index}: a document has _id = {given!r} and {self.id_field} = {fields[self.id_field]!r}, which "
                "is its id; make them equal, or set another id_field"
            )
        return {self.id_field: fields.pop(self.id_field), **fields}


_METADATA = {"_id", "_index", "_type", "_op_type"}


def _fields(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a document holds: its `_source`, if it is written as for the helpers of the client."""
    if isinstance(document.get("_source"), Mapping):
        return dict(document["_source"])
    return {name: value for name, value in document.items() if name not in _METADATA}
