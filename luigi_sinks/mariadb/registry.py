# ruff: noqa: S608 - names are quoted, values are bound
"""The tables that remember versions, parts and heads, and the queries on them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import mariadb
import msgspec

from luigi_sinks.claim import Claim
from luigi_sinks.errors import Conflict
from luigi_sinks.mariadb.connection import DUPLICATE_KEY, NO_SUCH_TABLE, rows
from luigi_sinks.mariadb.names import Names
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.version import State, Version

_TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin"

VERSIONS = f"""(
  seq INTEGER UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  dataset VARCHAR(64) NOT NULL,
  part VARCHAR(30) NOT NULL,
  id VARCHAR(32) NOT NULL,
  state VARCHAR(10) NOT NULL,
  row_count BIGINT UNSIGNED,
  staged_at DATETIME(6) NOT NULL,
  published_at DATETIME(6),
  update_id TEXT NOT NULL,
  origin JSON NOT NULL,
  claim JSON NOT NULL,
  UNIQUE KEY (dataset, id),
  KEY (dataset, part),
  KEY (dataset, update_id(200))
) {_TABLE}"""

PARTS = f"""(
  seq INTEGER UNSIGNED NOT NULL,
  number INTEGER UNSIGNED NOT NULL,
  row_count BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (seq, number)
) {_TABLE}"""

HEAD = f"""(
  part VARCHAR(30) NOT NULL PRIMARY KEY,
  seq INTEGER UNSIGNED,
  version VARCHAR(32),
  epoch BIGINT UNSIGNED NOT NULL,
  KEY (seq)
) {_TABLE}"""

_FIELDS = "v.part, v.id, v.seq, v.state, v.row_count, v.staged_at, v.published_at, v.origin, v.claim"


@dataclass(frozen=True)
class Registry:
    """What is known of one dataset.

    What locks belongs into a transaction, and whoever locks a head and a version
    locks the head first. Before the first load there are no tables; that reads
    as nothing known.
    """

    names: Names

    def head(self, cursor: Any, partition: str) -> Head:
        """Return a partition's head."""
        return self._head(cursor, partition, "")

    def lock_head(self, cursor: Any, partition: str) -> Head:
        """Return a partition's head and keep it from moving; make its row if there is none."""
        cursor.execute(
            f"INSERT INTO {self.names.head} (part, epoch) VALUES (?, 0) ON DUPLICATE KEY UPDATE part = part",
            (partition,),
        )
        return self._head(cursor, partition, "FOR UPDATE")

    def move_head(self, cursor: Any, record: Record) -> None:
        """Point a locked head at a version."""
        cursor.execute(
            f"UPDATE {self.names.head} SET seq = ?, version = ?, epoch = epoch + 1 WHERE part = ?",
            (record.seq, record.version.id, record.version.partition),
        )

    def records(self, cursor: Any, partition: str | None, update_ids: Collection[str] | None) -> list[Record]:
        """Return the history, oldest first, of one partition or of some outputs."""
        if update_ids is not None and not update_ids:
            return []
        where, values = "v.dataset = ?", [self.names.dataset]
        if partition is not None:
            where, values = f"{where} AND v.part = ?", [*values, partition]
        if update_ids is not None:
            marks = ", ".join("?" * len(update_ids))
            where, values = f"{where} AND v.update_id IN ({marks})", [*values, *update_ids]
        query = f"SELECT {_FIELDS} FROM {self.names.versions} v WHERE {where} ORDER BY v.seq"
        return [self._record(row) for row in _rows_if_any(cursor, query, values)]

    def add(self, cursor: Any, record: Record) -> None:
        """Register a version, once. ON DUPLICATE KEY would take the right to change each of these columns."""
        origin, claim = msgspec.json.encode(record.origin).decode(), msgspec.json.encode(record.claim).decode()
        values = (
            self.names.dataset,
            record.version.partition,
            record.version.id,
            str(record.state),
            _naive(record.staged_at),
            record.origin.update_id,
            origin,
            claim,
        )
        try:
            cursor.execute(
                f"INSERT INTO {self.names.versions} (dataset, part, id, state, staged_at, update_id, origin, claim)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        except mariadb.Error as error:
            if error.errno != DUPLICATE_KEY:  # by an earlier attempt, whose answer was lost
                raise

    def record(self, cursor: Any, version: Version, lock: str = "") -> Record:
        """Return a version's record; `lock` is a locking clause of SELECT."""
        query = f"SELECT {_FIELDS} FROM {self.names.versions} v WHERE v.dataset = ? AND v.id = ? {lock}"
        for row in _rows_if_any(cursor, query, (self.names.dataset, version.id)):
            return self._record(row)
        raise Conflict(f"{version} is not in the registry")

    def store(self, cursor: Any, record: Record) -> None:
        """Replace what may change of a record."""
        cursor.execute(
            f"UPDATE {self.names.versions} SET state = ?, row_count = ?, published_at = ?, claim = ? WHERE seq = ?",
            (
                str(record.state),
                record.rows,
                record.published_at and _naive(record.published_at),
                msgspec.json.encode(record.claim).decode(),
                record.seq,
            ),
        )

    def _head(self, cursor: Any, partition: str, lock: str) -> Head:
        query = (
            f"SELECT h.epoch, {_FIELDS} FROM {self.names.head} h LEFT JOIN {self.names.versions} v USING (seq)"
            f" WHERE h.part = ? {lock}"
        )
        for epoch, *row in _rows_if_any(cursor, query, (partition,)):
            return Head(self._record(row) if row[0] else None, epoch)
        return Head()

    def _record(self, row: Any) -> Record:
        part, id_, seq, state, count, staged_at, published_at, origin, claim = row
        return Record(
            version=Version(self.names.dataset, part, id_),
            seq=seq,
            state=State(state),
            origin=msgspec.json.decode(origin, type=Origin),
            claim=msgspec.json.decode(claim, type=Claim),
            staged_at=staged_at.replace(tzinfo=UTC),
            rows=count,
            published_at=published_at and published_at.replace(tzinfo=UTC),
        )


def _rows_if_any(cursor: Any, query: str, values: Any) -> list[tuple[Any, ...]]:
    try:
        return rows(cursor, query, values)
    except mariadb.Error as error:
        if error.errno == NO_SUCH_TABLE:
            return []
        raise


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
