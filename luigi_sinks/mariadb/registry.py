# ruff: noqa: S608 - names are quoted, values are bound
"""The tables that remember a dataset's versions, parts and heads, and the queries on them.

Each dataset has its own registry, so that a login can be denied those of other datasets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

import mariadb
import msgspec

from luigi_sinks import record as rules
from luigi_sinks import scheme, stored
from luigi_sinks.errors import SinkError, Unavailable
from luigi_sinks.mariadb import format_1, guard
from luigi_sinks.mariadb.connection import own_sessions, rows
from luigi_sinks.mariadb.errors import ABSENT, DUPLICATE_KEY, FORBIDDEN, NO_SUCH_PROCEDURE, NOT_OURS_TO_END, suppressing
from luigi_sinks.mariadb.guard import Procedure
from luigi_sinks.mariadb.names import Names
from luigi_sinks.record import Head, Pointer, Record, Transition, as_pointed
from luigi_sinks.version import OPEN, State, Version

FORMAT = 2
"""The version of these tables, kept in the comment of the log. Format 1 is described in format_1.py."""

COMMENT = "luigi_sinks registry, format "

_TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin"

LOG = f"""(
  seq INTEGER UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `partition` VARCHAR(30) NOT NULL,
  id VARCHAR(32) NOT NULL UNIQUE KEY,
  update_id TEXT NOT NULL,
  record JSON NOT NULL,
  state VARCHAR(10) AS (JSON_VALUE(record, '$.state')),
  KEY (`partition`),
  KEY (update_id(200))
) {_TABLE} COMMENT = '{COMMENT}{FORMAT}'"""

DIGEST = "digest CHAR(64) CHARACTER SET ascii COLLATE ascii_bin"
"""The column with the digest of a part that a loader brought, which tables of earlier releases lack."""

PARTS = f"""(
  seq INTEGER UNSIGNED NOT NULL,
  number INTEGER UNSIGNED NOT NULL,
  row_count BIGINT UNSIGNED NOT NULL,
  {DIGEST},
  PRIMARY KEY (seq, number)
) {_TABLE}"""

HEAD = f"""(
  `partition` VARCHAR(30) NOT NULL PRIMARY KEY,
  seq INTEGER UNSIGNED,
  version VARCHAR(32),
  epoch BIGINT UNSIGNED NOT NULL,
  KEY (seq)
) {_TABLE}"""

_RECORDS = """
SELECT l.seq, l.`partition`, l.id, l.record, h.epoch
FROM {log} l LEFT JOIN {head} h ON h.`partition` = l.`partition` AND h.seq = l.seq"""

_HEADS = """
SELECT l.seq, l.`partition`, l.id, l.record, h.epoch
FROM {head} h LEFT JOIN {log} l ON l.`partition` = h.`partition` AND l.seq = h.seq"""

_EXAMPLE = "SELECT l.seq, l.`partition`, l.id, l.record FROM {head} h JOIN {log} l ON l.id = h.version"
"""The example stands in the pointer as the head of no partition: it has no number, so that no view shows its rows."""

_LOG = "SELECT l.seq, l.`partition`, l.id, l.record FROM {log} l"

_COMMENT_OF_LOG = "(SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?)"

_LOOKS = 3
_RENEWED_AT_ONCE = 100


class OldFormat(Exception):
    """The registry must be upgraded before it is changed."""


def refuse_newer(table: str, comment: str) -> None:
    """Raise SinkError if a table's comment says that it is a registry of a newer format."""
    written = comment.removeprefix(COMMENT)
    if written != comment and not (written.isdecimal() and int(written) <= FORMAT):
        raise SinkError(f"{table} is a {comment}, newer than this luigi_sinks; install a newer one")


@dataclass(frozen=True)
class Registry:
    """The history and heads of one dataset; empty before its tables exist.

    Call methods that lock within a transaction. Each locks a head before a record.
    """

    names: Names

    def head(self, cursor: Any, partition: str, lock: str | None = None) -> Head:
        """Return a partition's head; `lock` is a locking clause of SELECT."""
        for row in self._found(cursor, _HEADS, "h.`partition` = ?", (partition,), lock):
            return Head(self._pointed(*row) if row[0] else None, row[-1])
        return Head()

    def heads(self, cursor: Any) -> dict[str, Head]:
        """Return all heads, by partition."""
        found = self._found(cursor, _HEADS, "l.seq IS NOT NULL")
        return {partition: Head(self._pointed(*row), row[-1]) for row in found for partition in row[1:2]}

    def records(self, cursor: Any, partition: str | None, update_ids: Collection[str] | None) -> list[Record]:
        """Return the history, oldest first, of one partition or of some outputs."""
        where, values = "TRUE", list[str]()
        if partition is not None:
            where, values = "l.`partition` = ?", [partition]
        if update_ids is not None:
            where = f"{where} AND l.update_id IN ({', '.join('?' * len(update_ids)) or 'NULL'})"
            values += update_ids
        return [self._pointed(*row) for row in self._found(cursor, _RECORDS, f"{where} ORDER BY l.seq", values)]

    def unfinished(self, cursor: Any, partition: str) -> list[Record]:
        """Return the records of a partition that say that a load or a release is at work, oldest first."""
        at_work = f"JSON_VALUE(l.record, '$.state') IN ({', '.join('?' * len(OPEN))})"
        at_work += " OR JSON_VALUE(l.record, '$.release.is_settled') = 0"
        where = f"l.`partition` = ? AND ({at_work}) ORDER BY l.seq"
        return [self._pointed(*row) for row in self._found(cursor, _RECORDS, where, (partition, *OPEN))]

    def record(self, cursor: Any, version: Version, lock: str | None = None) -> Record:
        """Return a version's record. Raises Conflict if there is none."""
        where, values = "l.`partition` = ? AND l.id = ?", (version.partition, version.id)
        for row in self._found(cursor, _RECORDS if lock is None else _LOG, where, values, lock):
            return self._pointed(*row) if lock is None else self._plain(*row)
        raise rules.unknown(version)

    def lock(self, cursor: Any, version: Version, lock: str = "FOR UPDATE") -> tuple[Record, Pointer]:
        """Lock a version's record, and return it with the pointer of its partition's head.

        The head is not locked: a publication of this version locks the record too, and looks at it then.
        """
        record = self.record(cursor, version, lock)
        pointer = self.head(cursor, version.partition).pointer
        return as_pointed(record, pointer), pointer

    def change(self, cursor: Any, version: Version, become: Transition) -> Record:
        """Replace a version's record by what `become` makes of it."""
        record, pointer = self.lock(cursor, version)
        changed = become(record, pointer)
        if changed.state is not record.state and {record.state, changed.state} & {State.DROPPING, State.FAILED}:
            self._call(cursor, guard.DROP, record.seq, changed.state.value)
        elif changed.withdrawn and not record.withdrawn:
            how = changed.withdrawn
            stored.encode(changed)  # as in `move_head`
            self._call(cursor, guard.VOID, record.seq, _moment(how.at), how.by, how.why)
        elif changed.exposed != record.exposed:
            self.store(cursor, changed)
        elif changed != record:
            self._call(cursor, guard.STEP, record.seq, stored.encode(changed))
        return changed

    def move_head(self, cursor: Any, record: Record, example: str | None) -> None:
        """Point the head at a version whose last publication says how, if it did not move meanwhile; retire the former.

        If it moved, the server ends the transaction as after a deadlock, and `run` repeats it.
        `example` is the id of the example from now on, None if that stays.
        """
        how = record.publications[-1]
        stored.encode(record)  # the procedure writes a part of it, which must be readable, too
        self._call(cursor, guard.MOVE, record.seq, how.epoch - 1, _moment(how.at), how.by, how.why, example)

    def clear_head(self, cursor: Any, record: Record, epoch: int) -> None:
        """Point the head at nothing, as its withdrawn version was retired, if it did not move since this epoch."""
        self._call(cursor, guard.NONE, record.seq, epoch, _moment(record.retired_at))

    def example(self, cursor: Any) -> Record | None:
        """Return the example, or one of the heads of a dataset that was loaded before examples were kept."""
        heads = (head.record for head in self.heads(cursor).values())
        return self._example(cursor) or scheme.found(filter(None, heads))

    def compare_with_example(self, cursor: Any, record: Record) -> str | None:
        """Compare a version with the example, in the transaction that publishes it. Raises BadSetting.

        Returns the id of the version that must become the example, which is then locked; None if it stays.
        """
        kept = self._example(cursor)
        if kept is not None and scheme.better(kept, record) is kept:
            return None
        self.head(cursor, "", "FOR UPDATE")
        return scheme.better(self.example(cursor), record).version.id

    def knows(self, cursor: Any, seq: int) -> bool:
        """Tell whether there is a record of this number."""
        return bool(rows(cursor, f"SELECT 1 FROM {self.names.log} WHERE seq = ?", (seq,)))

    def _example(self, cursor: Any) -> Record | None:
        for row in self._found(cursor, _EXAMPLE, "h.`partition` = ''"):
            return self._plain(*row)
        return None

    def add(self, cursor: Any, record: Record) -> None:
        """Register a version, once. The server numbers it."""
        values = (record.version.partition, record.version.id, record.origin.update_id, stored.encode(record))
        with suppressing({DUPLICATE_KEY}):  # by an earlier attempt, whose answer was lost
            self._call(cursor, guard.NEW, *values)

    def open(self, cursor: Any, seq: int) -> None:
        """Let this connection add rows to a version."""
        self._call(cursor, guard.OPENED, seq)

    def end_other_writers(self, cursor: Any, seq: int) -> None:
        """End the sessions of other processes that opened a closed version: a statement that runs since then adds rows.

        Those of another user cannot be ended.
        """
        own = own_sessions()
        for (session,) in rows(cursor, f"SELECT connection FROM {self.names.open} WHERE seq = ?", (seq,)):
            if session not in own:
                with suppressing(NOT_OURS_TO_END):
                    cursor.execute(f"KILL {session}")

    def _call(self, cursor: Any, procedure: Procedure, *values: Any) -> None:
        marks = ", ".join("?" * len(values))
        try:
            cursor.execute(f"CALL {self.names.procedure(procedure.suffix)}({marks})", values)
        except mariadb.Error as error:
            if error.errno == NO_SUCH_PROCEDURE:
                raise OldFormat from error
            raise

    def renew(self, cursor: Any) -> None:
        """Rewrite the records of older forms, which the procedures do not know, with the states that the heads say."""
        old = f"WHERE NOT JSON_VALUE(record, '$.format') <=> {stored.FORMAT} FOR UPDATE"
        found = [self._plain(*row) for row in rows(cursor, f"{_LOG.format(log=self.names.log)} {old}")]
        heads = self.heads(cursor) if found else {}
        for start in range(0, len(found), _RENEWED_AT_ONCE):
            values = [
                (
                    record.seq,
                    record.version.partition,
                    record.version.id,
                    record.origin.update_id,
                    stored.encode(pointed),
                )
                for record in found[start : start + _RENEWED_AT_ONCE]
                for pointed in (as_pointed(record, heads.get(record.version.partition, Head()).pointer),)
            ]
            marks = ", ".join(["(?, ?, ?, ?, ?)"] * len(values))
            cursor.execute(
                f"INSERT INTO {self.names.log} (seq, `partition`, id, update_id, record) VALUES {marks}"
                " ON DUPLICATE KEY UPDATE record = VALUES(record)",
                list(chain.from_iterable(values)),
            )

    def complete(self, cursor: Any, schema: Mapping[str, Any]) -> None:
        """Add the schema to the records that have none, those of format 1. Reads the whole log.

        It is the schema of all of them: a load with another one was refused.
        """
        where = "WHERE JSON_LENGTH(record, '$.schema') > 0 IS NOT TRUE"
        if rows(cursor, f"SELECT 1 FROM {self.names.log} {where} LIMIT 1"):  # a loader may not even try
            cursor.execute(
                f"UPDATE {self.names.log} SET record = JSON_SET(record, '$.schema', JSON_COMPACT(?)) {where}",
                (msgspec.json.encode(schema).decode(),),
            )

    def store(self, cursor: Any, record: Record) -> None:
        """Replace a record by another, which only an owner is permitted to do."""
        cursor.execute(f"UPDATE {self.names.log} SET record = ? WHERE seq = ?", (stored.encode(record), record.seq))

    def log(self, cursor: Any) -> list[Record]:
        """Return all records as stored. Does not read the heads: the caller has locked only the log."""
        return [self._plain(*row) for row in self._found(cursor, _LOG, "TRUE", (), "")]

    def _found(
        self, cursor: Any, query: str, where: str, values: Sequence[Any] = (), lock: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return rows of the registry, whichever its format is.

        A `lock`, even an empty one, means that something is to be changed: raises OldFormat for format 1, and
        SinkError for a format newer than FORMAT.
        """
        for _ in range(_LOOKS):
            try:
                present = f"{query.format(log=self.names.log, head=self.names.head)} WHERE {where}"
                return rows(cursor, present, values) if lock is None else self._locked(cursor, present, values, lock)
            except mariadb.Error as error:
                if error.errno not in ABSENT | FORBIDDEN:
                    raise
                tables = format_1.look(cursor, self.names)
                if error.errno in FORBIDDEN and not tables.are_old:
                    raise
            if tables.are_old and lock is not None:
                raise OldFormat
            if tables.are_old and (found := self._found_in_format_1(cursor, tables, query, where, values)) is not None:
                return found
            if not tables.are_old and not tables.are_there:
                return []
        raise Unavailable(
            f"the registry of table {self.names.dataset!r} is being upgraded; run this again. If the error stays, the "
            "upgrade was interrupted and this login has no right to the new registry: run `luigi-sinks create` as the "
            "owner"
        )

    def _locked(self, cursor: Any, query: str, values: Sequence[Any], lock: str) -> list[tuple[Any, ...]]:
        """Return rows of a query that locks them; the same query reads the format, which saves a round trip."""
        asking = query.replace("SELECT ", f"SELECT {_COMMENT_OF_LOG}, ", 1)
        found = rows(cursor, f"{asking} {lock}", (self.names.hidden, self.names.log_table, *values))
        for comment, *_ in found[:1]:
            refuse_newer(self.names.log, comment or "")
        return [row[1:] for row in found]

    def _found_in_format_1(
        self, cursor: Any, tables: format_1.Tables, query: str, where: str, values: Sequence[Any]
    ) -> list[tuple[Any, ...]] | None:
        """Return rows of a registry in format 1, None if another process has moved them since `tables` was read."""
        log, head = format_1.as_format_2(self.names, tables)
        with suppressing(ABSENT):
            found = rows(cursor, f"{query.format(log=log, head=head)} WHERE {where}", (self.names.dataset, *values))
            if tables.has_log or not format_1.is_moved(cursor, self.names):
                return found
        return None

    def _plain(self, seq: int, partition: str, id_: str, body: str, *_: Any) -> Record:
        """Return a record as stored, with its version from the columns that a loader cannot change."""
        return replace(stored.decode(body, seq), version=Version(self.names.dataset, partition, id_))

    def _pointed(self, *row: Any) -> Record:
        """Return a record with the state that the pointer says; the row ends in the epoch of a head, else in NULL."""
        record = self._plain(*row)
        return as_pointed(record, Pointer() if row[-1] is None else Pointer(record.version, row[-1]))


def _moment(at: datetime | None) -> str:
    return msgspec.json.encode(at).decode().strip('"')
