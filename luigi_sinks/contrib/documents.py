"""Documents as tasks of `luigi.contrib.esindex` yield them: JSON lines, or dicts with `_id`, `_index` and `_type`."""

from __future__ import annotations

import re
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
                f"{self.index}: documents have an _id, and id_field does not say which field holds it; add "
                '"id": {"type": "keyword"} to mapping, and set id_field = "id"'
            )
        given = self._id(document["_id"])
        if not isinstance(given, (str, int)) or isinstance(given, bool):
            return {**fields, self.id_field: given}  # its type is refused, by the row
        if str(fields.setdefault(self.id_field, given)) != str(given):
            raise CheckFailed(
                f"{self.index}: a document has _id = {given!r} and {self.id_field} = {fields[self.id_field]!r}, which "
                "is its id; make them equal, or set another id_field"
            )
        return {self.id_field: fields.pop(self.id_field), **fields}

    def _id(self, given: Any) -> Any:
        """Return an `_id` as its field takes it: as a text or a whole number; another value as it is."""
        if isinstance(given, float):
            return given if self.id_is_text else str(given)  # a field of whole numbers takes 1.0
        if not isinstance(given, (str, int)) or isinstance(given, bool):
            return given
        text = str(given)
        return int(text) if not self.id_is_text and _WHOLE.fullmatch(text) else text


_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_METADATA = {"_id", "_index", "_type", "_op_type"}


def _fields(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a document holds: its `_source`, if it is written as for the helpers of the client.

    What stands beside `_source` is given a name that says so, and is refused as an unknown field.
    """
    fields = {name: value for name, value in document.items() if name not in _METADATA}
    source = fields.get("_source")
    if not isinstance(source, Mapping):
        return fields
    beside = {f"{name} beside _source": value for name, value in fields.items() if name != "_source"}
    return {**source, **beside}
