"""Marks in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from luigi_sinks.errors import BadSetting
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.mark import Mark, digest, refuse_newer
from luigi_sinks.retry import PATIENCE
from luigi_sinks.sqlite.catalog import user
from luigi_sinks.sqlite.connection import transaction

_ADD = "INSERT OR IGNORE INTO mark (dataset, digest, update_id, body) VALUES (?, ?, ?, ?)"
_AT_ONCE = 500


@dataclass(frozen=True)
class SQLiteMarks:
    """The marks under one name of one store, in a file of the folder.

    Example:
        >>> from datetime import UTC, datetime
        >>> from luigi_sinks import Origin, config
        >>> marks = SQLiteMarks(config.common().local, "mariadb", "orders")
        >>> marks.add([Mark(Origin("first"), datetime.now(UTC))])
        >>> marks.known({"first", "second"})
        {'first'}

    """

    patience: ClassVar[float] = PATIENCE

    folder: Path
    store: str
    dataset: str

    @property
    def location(self) -> Location:
        """Where the marks are, by its name in OpenLineage."""
        return Location("file", f"{self.folder.absolute()}/{self.store}.sqlite/{self.dataset}")

    @property
    def login(self) -> Login:
        """The user of the operating system."""
        return Login(user())

    @property
    def publisher(self) -> Login:
        """The user of the operating system."""
        return self.login

    @property
    def file(self) -> Path:
        """The store's file."""
        return self.folder / f"{self.store}.sqlite"

    def create(self) -> None:
        """Make the file."""
        with transaction(self.file, "BEGIN"):
            pass

    def known(self, update_ids: Collection[str]) -> set[str]:
        """Return those of the outputs that are marked."""
        keys, found = [digest(each) for each in update_ids], set[str]()
        with transaction(self.file, "BEGIN") as db:
            for first in range(0, len(keys), _AT_ONCE):
                some = keys[first : first + _AT_ONCE]
                asked = f"dataset = ? AND digest IN ({', '.join('?' * len(some))})"
                query = f"SELECT update_id, json_extract(body, '$.format') FROM mark WHERE {asked}"  # noqa: S608
                for update_id, written in db.execute(query, (self.dataset, *some)):
                    refuse_newer(f"{self.file}", written)
                    found.add(update_id)
        return found

    def add(self, marks: Iterable[Mark]) -> None:
        """Keep marks; one that is there stays as it is."""
        with transaction(self.file) as db:
            db.executemany(_ADD, map(self._values, marks))

    def connect(self) -> sqlite3.Connection:
        """Return a new connection to the file."""
        self.create()
        return sqlite3.connect(self.file, timeout=30)

    def add_in(self, connection: sqlite3.Connection, mark: Mark) -> bool:
        """Keep a mark in the transaction of a connection that `connect` returned. Returns False if it was there."""
        if not isinstance(connection, sqlite3.Connection):
            raise BadSetting(
                f"[luigi_sinks] local keeps the marks of {self.dataset!r} in a file, and another connection cannot set "
                "them; take the one of connect(), or call touch() without a connection"
            )
        return connection.execute(_ADD, self._values(mark)).rowcount == 1

    def _values(self, mark: Mark) -> tuple[str, str, str, str]:
        return self.dataset, mark.digest, mark.update_id, mark.encode()
