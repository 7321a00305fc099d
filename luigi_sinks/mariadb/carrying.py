# ruff: noqa: S608 - names are quoted, values are bound
"""Selects the rows of one version that another one, made of it and of changes, has too: a range of keys at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luigi_sinks.errors import SinkError
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.names import Names, qualified, quoted
from luigi_sinks.mariadb.query import HEAD, Select
from luigi_sinks.mariadb.reader import Column
from luigi_sinks.mariadb.schema import SEQ, Schema
from luigi_sinks.mariadb.writer import encode, send

_AT_ONCE = 50_000
"""Rows of one INSERT: a longer one makes the undo log grow."""


@dataclass(frozen=True)
class Carrying:
    """From which version rows are carried over to which, by their numbers.

    `held` maps the columns that the first one has to what the table calls them.
    """

    names: Names
    schema: Schema
    base: int
    seq: int
    held: Mapping[str, str]

    def note_deleted(self, cursor: Any, deleted: Sequence[Any]) -> None:
        """Put the keys of deleted rows into a temporary table of this session."""
        cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE {self._deleted} {self.schema.of_key.body()}")
        text = encode(key := self.schema.of_key, deleted)
        if deleted and (complaints := send(cursor, key, self._deleted, self.base, text, len(deleted))):
            raise SinkError(f"table {self.names.dataset!r}: MariaDB refuses a key of deletes(): {complaints[0][1]}")

    def forget_deleted(self, cursor: Any) -> None:
        """Drop the temporary table."""
        cursor.execute(f"DROP TEMPORARY TABLE {self._deleted}")

    def selects(self, cursor: Any) -> Iterator[Select]:
        """Yield the SELECTs of all ranges; their bounds are the same at each attempt, as the version stays as it is."""
        after: Sequence[Any] = ()
        while True:
            upto = self._last_of_range(cursor, after)
            yield self._select(after, upto)
            if not upto:
                return
            after = upto

    @property
    def _deleted(self) -> str:
        return qualified(self.names.hidden, "_deleted")

    @property
    def _key(self) -> list[str]:
        return [quoted(name) for name in self.schema.unique["PRIMARY"]]

    def _last_of_range(self, cursor: Any, after: Sequence[Any]) -> Sequence[Any]:
        """Return the last key of the range that follows a key; nothing if it is the last range."""
        types = [Column(self.schema.described[name]["type"]) for name in self.schema.unique["PRIMARY"]]
        asked = [each.reading.select.format(f"h.{name}") for each, name in zip(types, self._key, strict=True)]
        greater, values = self._bound(">=", "", after)
        query = (
            f"SELECT {', '.join(asked)} FROM {self.names.base} h WHERE h.{SEQ} = {self.base}{greater}"
            f" ORDER BY {', '.join(f'h.{name}' for name in self._key)} LIMIT 1 OFFSET {_AT_ONCE - 1}"
        )
        return next(iter(rows(cursor, query, values)), ())

    def _select(self, after: Sequence[Any], upto: Sequence[Any]) -> Select:
        (lower, low), (upper, high) = self._bound(">=", "", after), self._bound("<=", "NOT ", upto)
        listed = ", ".join(f"{self._held(name)} AS {quoted(name)}" for name in self.schema.codecs)
        same = " AND ".join(f"n.{name} = h.{name}" for name in self._key)
        text = (
            f"SELECT {listed} FROM {self.names.base} h WHERE h.{SEQ} = {self.base}{lower}{upper}"
            f" AND NOT EXISTS (SELECT 1 FROM {self.names.base} n WHERE n.{SEQ} = {self.seq} AND {same})"
            f" AND NOT EXISTS (SELECT 1 FROM {self._deleted} n WHERE n.{SEQ} = {self.base} AND {same})"
        )
        return Select(text, [*low, *high], {}, HEAD)

    def _held(self, column: str) -> str:
        return f"h.{quoted(self.held[column])}" if column in self.held else "NULL"

    def _bound(self, sign: str, is_greater: str, key: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return the condition that a row's key is greater than this one, or is not, and its values.

        The first column also bounds by itself what the server reads of the index.
        """
        if not key:
            return "", []
        condition, values = "FALSE", list[Any]()
        for name, value in reversed(list(zip(self._key, key, strict=True))):
            condition, values = f"(h.{name} > ? OR (h.{name} = ? AND {condition}))", [value, value, *values]
        return f" AND h.{self._key[0]} {sign} ? AND {is_greater}{condition}", [key[0], *values]
