"""A sink without a server: the reference behaviour, and the fast double for users' tests.

Each store is one SQLite file, because Luigi runs tasks in child processes whose
memory is lost; keep the folder on a memory disk if there is one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from luigi_sinks.claim import Claim
from luigi_sinks.contract import Contract, Shape
from luigi_sinks.errors import Conflict, Unavailable
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.sink import Part, StagedCounts
from luigi_sinks.version import State, Version

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY, dataset, part, id UNIQUE, update_id, state, body);
CREATE TABLE IF NOT EXISTS head (dataset, part, seq, epoch, PRIMARY KEY (dataset, part));
CREATE TABLE IF NOT EXISTS part (id, number, kind, first_row, rows, set_aside, body, PRIMARY KEY (id, number));
"""


@contextmanager
def _transaction(path: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path}: {error}") from error
    try:
        connection.execute(begin)
        yield connection
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path}: {error}") from error
    finally:
        connection.close()  # which rolls back what was not committed


@dataclass(frozen=True)
class SQLiteSink:
    """One dataset of one store, in a file of the folder."""

    folder: Path
    store: str
    dataset: str
    contract: Contract

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        with self._look() as db:
            return self._head(db, partition)

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        with self._look() as db:
            rows = db.execute(
                "SELECT seq, body FROM record WHERE dataset = ? AND (? IS NULL OR part = ?) ORDER BY seq",
                (self.dataset, partition, partition),
            ).fetchall()
        for seq, body in rows:
            record = _decoded(seq, body)
            if update_ids is None or record.origin.update_id in update_ids:
                yield record

    def begin(self, version: Version, origin: Origin, claim: Claim) -> SQLiteStage:
        """Register the version and open its stage."""
        record = Record(version, 0, State.STAGED, origin, claim, staged_at=datetime.now(UTC))
        with self._transaction() as db:
            db.execute(
                "INSERT INTO record (dataset, part, id, update_id, state, body) VALUES (?, ?, ?, ?, ?, ?)",
                (self.dataset, version.partition, version.id, origin.update_id, record.state, _encoded(record)),
            )
        return self.attach(version)

    def attach(self, version: Version) -> SQLiteStage:
        """Open the stage of a registered version."""
        return SQLiteStage(self, version)

    def publish(self, version: Version, *, replacing: Head) -> None:
        """Move the head if it still is `replacing`."""
        with self._transaction() as db:
            head = self._head(db, version.partition)
            if head.version == version:
                return
            if (head.version, head.epoch) != (replacing.version, replacing.epoch):
                raise Conflict(f"{version}: the head moved on to {head.version} meanwhile; nothing was published")
            record = self.record(db, version)
            if not record.is_publishable:
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
            record = self.record(db, version)
            if record.state is State.PUBLISHED and self._head(db, version.partition).version != version:
                self.store_record(db, replace(record, state=State.RETIRED))

    def drop(self, version: Version) -> None:
        """Delete the rows of a version that is no head."""
        with self._transaction() as db:
            if self._head(db, version.partition).version == version:
                raise Conflict(f"{version} is the head; it cannot be dropped")
            self.store_record(db, replace(self.record(db, version), state=State.DROPPED))
            delete_rows(db, version)

    def read(self, version: Version) -> Iterator[Any]:
        """Yield the version's rows as they were given."""
        with self._look() as db:
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
            _make(path)
        return path

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return _transaction(self.file)

    def _look(self) -> AbstractContextManager[sqlite3.Connection]:
        return _transaction(self.file, "BEGIN")


@dataclass(frozen=True)
class SQLiteStage:
    """A version being written."""

    sink: SQLiteSink
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

    def renew(self, claim: Claim) -> None:
        """Keep the claim alive."""
        with _transaction(self.sink.file) as db:
            self.sink.store_record(db, replace(self._open_record(db), claim=claim))

    def seal(self) -> StagedCounts:
        """Check keys and references over all parts, and count what is left."""
        with _transaction(self.sink.file) as db:
            record = self._open_record(db)
            self._check(db)
            rows, set_aside = db.execute(
                "SELECT ifnull(sum(rows), 0), ifnull(sum(set_aside), 0) FROM part WHERE id = ?", (self.version.id,)
            ).fetchone()
            self.sink.store_record(db, replace(record, rows=rows - set_aside))
        return StagedCounts(rows - set_aside, set_aside)

    def approve(self) -> None:
        """Record that the checks passed."""
        with _transaction(self.sink.file) as db:
            self.sink.store_record(db, replace(self._open_record(db), state=State.VALIDATED))

    def abandon(self) -> None:
        """Forget the rows and record the failure."""
        with _transaction(self.sink.file) as db:
            record = self.sink.record(db, self.version)
            if record.state.is_open:
                self.sink.store_record(db, replace(record, state=State.FAILED))
                delete_rows(db, self.version)

    def _open_record(self, db: sqlite3.Connection) -> Record:
        record = self.sink.record(db, self.version)
        if not record.state.is_open:
            raise Conflict(f"{self.version} is {record.state}; its load cannot go on")
        return record

    def _insert(self, db: sqlite3.Connection, part: Part) -> None:
        body = msgspec.msgpack.encode(part.rows)
        values = (self.version.id, part.number, part.kind, part.first_row, len(part.rows), 0, body)
        db.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def _check(self, db: sqlite3.Connection) -> None:
        parts = db.execute(
            "SELECT number, kind, first_row, body FROM part WHERE id = ? ORDER BY number", (self.version.id,)
        ).fetchall()
        keys: dict[str, set[Any]] = {kind: set() for kind in self.sink.contract.shapes}
        for number, kind, first_row, body in parts:
            shape = self.sink.contract.shapes[kind]
            rows = msgspec.msgpack.decode(body, type=shape.rows_type)
            self._check_keys(keys[kind], shape, first_row, rows)
            kept = self._standing(keys, kind, first_row, rows)
            if len(kept) < len(rows):
                db.execute(
                    "UPDATE part SET body = ?, set_aside = ? WHERE id = ? AND number = ?",
                    (msgspec.msgpack.encode(kept), len(rows) - len(kept), self.version.id, number),
                )

    def _check_keys(self, seen: set[Any], shape: Shape, first_row: int, rows: Sequence[Any]) -> None:
        if shape.key:
            for number, row in enumerate(rows, first_row):
                key = shape.key_of(row)
                if key in seen:
                    raise self.sink.contract.duplicate(number, shape.key, key)
                seen.add(key)

    def _standing(self, keys: dict[str, set[Any]], kind: str, first_row: int, rows: Sequence[Any]) -> list[Any]:
        """Return the rows whose references lead somewhere; refuse the others unless they may be set aside."""
        contract, kept = self.sink.contract, []
        for number, row in enumerate(rows, first_row):
            field = contract.dangling(kind, row, keys)
            if not field:
                kept.append(row)
            elif not contract.sets_aside:
                raise contract.bad_row(number, field, "refers to a row that is not there")
        return kept


def delete_rows(db: sqlite3.Connection, version: Version) -> None:
    """Delete a version's parts."""
    db.execute("DELETE FROM part WHERE id = ?", (version.id,))


def _make(path: Path) -> None:
    """Make the file with its tables, whole or not at all, whoever else does the same."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with closing(sqlite3.connect(beside)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("PRAGMA journal_mode = WAL")
    with suppress(FileExistsError):
        path.hardlink_to(beside)
    beside.unlink()


def _encoded(record: Record) -> bytes:
    return msgspec.json.encode(record)


def _decoded(seq: int, body: bytes) -> Record:
    return replace(msgspec.json.decode(body, type=Record), seq=seq)
