"""A sink without a server: the reference behaviour, and the fast double for users' tests.

It lives in one SQLite file, because Luigi runs tasks in child processes whose
memory is lost: keep the file on a memory disk if there is one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from luigi_sinks.contract import Contract, Shape
from luigi_sinks.errors import BadRow, Conflict, Unavailable
from luigi_sinks.lease import Lease
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.sink import Part, Sealed
from luigi_sinks.version import State, Version

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY, dataset, part, id UNIQUE, update_id, state, body);
CREATE TABLE IF NOT EXISTS head (dataset, part, seq, epoch, PRIMARY KEY (dataset, part));
CREATE TABLE IF NOT EXISTS part (id, number, kind, rows, body, PRIMARY KEY (id, number));
CREATE TABLE IF NOT EXISTS key (id, kind, key, PRIMARY KEY (id, kind, key)) WITHOUT ROWID;
"""


@contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path}: {error}") from error
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path}: {error}") from error
    finally:
        connection.close()  # which rolls back what was not committed


@dataclass(frozen=True)
class MemorySink:
    """One dataset of one store, in a file of the folder."""

    folder: Path
    store: str
    dataset: str
    contract: Contract

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        with self._transaction() as db:
            return self._head(db, partition)

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT seq, body FROM record WHERE dataset = ? AND (? IS NULL OR part = ?) ORDER BY seq",
                (self.dataset, partition, partition),
            ).fetchall()
        for seq, body in rows:
            record = _decoded(seq, body)
            if update_ids is None or record.origin.update_id in update_ids:
                yield record

    def begin(self, version: Version, origin: Origin, lease: Lease) -> MemoryStage:
        """Register the version and open its stage."""
        record = Record(version, 0, State.STAGED, origin, lease, staged_at=datetime.now(UTC))
        with self._transaction() as db:
            db.execute(
                "INSERT INTO record (dataset, part, id, update_id, state, body) VALUES (?, ?, ?, ?, ?, ?)",
                (self.dataset, version.partition, version.id, origin.update_id, record.state, _encoded(record)),
            )
        return self.attach(version)

    def attach(self, version: Version) -> MemoryStage:
        """Open the stage of a registered version."""
        return MemoryStage(self, version)

    def publish(self, version: Version, *, replacing: Head) -> None:
        """Move the head if it still is `replacing`."""
        with self._transaction() as db:
            head = self._head(db, version.partition)
            if head.version == version:
                return
            if (head.version, head.epoch) != (replacing.version, replacing.epoch):
                raise Conflict(f"{version}: the head moved on to {head.version} meanwhile; nothing was published")
            record = self.record(db, version)
            if not (record.state is State.VALIDATED or (record.is_complete and record.state is State.RETIRED)):
                raise Conflict(f"{version} is {record.state}; it cannot be published")
            published_at = record.published_at or datetime.now(UTC)
            self.store_record(db, replace(record, state=State.PUBLISHED, published_at=published_at))
            db.execute(
                "INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?)",
                (self.dataset, version.partition, record.seq, head.epoch + 1),
            )

    def retire(self, version: Version) -> None:
        """Record that the version is no longer the head."""
        with self._transaction() as db:
            if self._head(db, version.partition).version != version:
                self.store_record(db, replace(self.record(db, version), state=State.RETIRED))

    def drop(self, version: Version) -> None:
        """Delete the rows of a version that is no head."""
        with self._transaction() as db:
            if self._head(db, version.partition).version == version:
                raise Conflict(f"{version} is the head; it cannot be dropped")
            self.store_record(db, replace(self.record(db, version), state=State.DROPPED))
            delete_rows(db, version)

    def read(self, version: Version) -> Iterator[Any]:
        """Yield the version's rows as they were given."""
        with self._transaction() as db:
            parts = db.execute("SELECT kind, body FROM part WHERE id = ? ORDER BY number", (version.id,)).fetchall()
        for kind, body in parts:
            shape = self.contract.shapes[kind]
            for row in msgspec.msgpack.decode(body, type=shape.rows_type):
                yield self.contract.join(kind, shape.as_given(row))

    def record(self, db: sqlite3.Connection, version: Version) -> Record:
        """Look a record up."""
        found = db.execute("SELECT seq, body FROM record WHERE id = ?", (version.id,)).fetchone()
        if found is None:
            raise Conflict(f"{version} is not in the registry")
        return _decoded(*found)

    def store_record(self, db: sqlite3.Connection, record: Record) -> None:
        """Replace a record."""
        db.execute("UPDATE record SET state = ?, body = ? WHERE seq = ?", (record.state, _encoded(record), record.seq))

    def _head(self, db: sqlite3.Connection, partition: str) -> Head:
        found = db.execute(
            "SELECT r.seq, r.body, h.epoch FROM head h JOIN record r USING (seq) WHERE h.dataset = ? AND h.part = ?",
            (self.dataset, partition),
        ).fetchone()
        return Head(_decoded(found[0], found[1]), found[2]) if found else Head()

    @property
    def file(self) -> Path:
        """The store's file, with its tables."""
        path = self.folder / f"{self.store}.sqlite"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with sqlite3.connect(path, timeout=30) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
        return path

    def _transaction(self) -> Any:
        return _transaction(self.file)


@dataclass(frozen=True)
class MemoryStage:
    """A version being written."""

    sink: MemorySink
    version: Version
    writers: int = 1

    def write(self, part: Part) -> None:
        """Keep the part's rows, once."""
        with _transaction(self.sink.file) as db:
            if self.sink.record(db, self.version).state is not State.STAGED:
                raise Conflict(f"{self.version} takes no more rows: it was sealed or abandoned")
            known = db.execute(
                "SELECT rows FROM part WHERE id = ? AND number = ?", (self.version.id, part.number)
            ).fetchone()
            if known is None:
                self._insert(db, part)
            elif known[0] != len(part.rows):
                raise Conflict(f"{self.version}: part {part.number} was written with {known[0]} rows before")

    def renew(self, lease: Lease) -> None:
        """Keep the claim alive."""
        with _transaction(self.sink.file) as db:
            self.sink.store_record(db, replace(self.sink.record(db, self.version), lease=lease))

    def seal(self) -> Sealed:
        """Count the rows."""
        with _transaction(self.sink.file) as db:
            bodies = db.execute("SELECT body FROM part WHERE id = ?", (self.version.id,)).fetchall()
            rows = sum(len(msgspec.msgpack.decode(body)) for (body,) in bodies)
            self.sink.store_record(db, replace(self.sink.record(db, self.version), rows=rows))
        return Sealed(rows)

    def approve(self) -> None:
        """Record that the checks passed."""
        with _transaction(self.sink.file) as db:
            self.sink.store_record(db, replace(self.sink.record(db, self.version), state=State.VALIDATED))

    def abandon(self) -> None:
        """Forget the rows and record the failure."""
        with _transaction(self.sink.file) as db:
            record = self.sink.record(db, self.version)
            if record.state.is_open:
                self.sink.store_record(db, replace(record, state=State.FAILED))
                delete_rows(db, self.version)

    def _insert(self, db: sqlite3.Connection, part: Part) -> None:
        shape = self.sink.contract.shapes[part.kind]
        if shape.key:
            self._insert_keys(db, part, shape)
        db.execute(
            "INSERT INTO part VALUES (?, ?, ?, ?, ?)",
            (self.version.id, part.number, part.kind, len(part.rows), msgspec.msgpack.encode(part.rows)),
        )

    def _insert_keys(self, db: sqlite3.Connection, part: Part, shape: Shape) -> None:
        for index, row in enumerate(part.rows):
            try:
                key = msgspec.json.encode(shape.key_of(row))
                db.execute("INSERT INTO key VALUES (?, ?, ?)", (self.version.id, part.kind, key))
            except sqlite3.IntegrityError:
                raise self._duplicate(part.first_row + index, shape, row) from None

    def _duplicate(self, row: int, shape: Shape, values: Any) -> BadRow:
        return self.sink.contract.duplicate(row, shape.key, shape.key_of(values))


def delete_rows(db: sqlite3.Connection, version: Version) -> None:
    """Delete a version's parts and keys."""
    db.execute("DELETE FROM part WHERE id = ?", (version.id,))
    db.execute("DELETE FROM key WHERE id = ?", (version.id,))


def _encoded(record: Record) -> bytes:
    return msgspec.json.encode(record)


def _decoded(seq: int, body: bytes) -> Record:
    return replace(msgspec.json.decode(body, type=Record), seq=seq)
