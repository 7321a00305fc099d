# ruff: noqa: S608 - names are quoted, values are bound
"""A dataset in MariaDB: its rows in one table keyed by version, a pointer, and a view that follows it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

from luigi_sinks.claim import Claim
from luigi_sinks.contract import Contract
from luigi_sinks.errors import CheckFailed, Conflict, Forbidden
from luigi_sinks.mariadb.bad_rows import refusal
from luigi_sinks.mariadb.connection import MariaDBSettings, rows, run, stream, transact
from luigi_sinks.mariadb.creation import create
from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.registry import Registry
from luigi_sinks.mariadb.schema import SEQ, Schema
from luigi_sinks.mariadb.writer import send
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.sink import Part, Row, StagedCounts
from luigi_sinks.version import State, Version

Result = TypeVar("Result")

_log = logging.getLogger("luigi_sinks")

_DELETED_AT_ONCE = 20_000
"""Rows of one DELETE: a longer one makes other transactions wait and the undo log grow."""


@dataclass(frozen=True)
class MariaDBSink:
    """One dataset of a database."""

    store: ClassVar[str] = "mariadb"

    settings: MariaDBSettings
    dataset: str
    schema: Schema

    @property
    def contract(self) -> Contract:
        """What a row must look like."""
        return Contract(self.dataset, {"": self.schema.shape})

    @cached_property
    def names(self) -> Names:
        """What the tables are called."""
        return Names(self.settings.database, self.dataset)

    @property
    def registry(self) -> Registry:
        """The queries on history and head."""
        return Registry(self.names)

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        return run(self.settings, lambda cursor: self.registry.head(cursor, partition))

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        yield from run(self.settings, lambda cursor: self.registry.records(cursor, partition, update_ids))

    def begin(self, version: Version, origin: Origin, claim: Claim) -> MariaDBStage:
        """Make the dataset's tables if need be, register the version, and open its stage."""
        record = Record(version, 0, State.STAGED, origin, claim, staged_at=datetime.now(UTC))
        run(self.settings, lambda cursor: create(cursor, self.names, self.schema, version.partition))
        run(self.settings, lambda cursor: self.registry.add(cursor, record))
        return self.attach(version)

    def attach(self, version: Version) -> MariaDBStage:
        """Open the stage of a registered version."""
        return MariaDBStage(self, version, self._record(version).seq)

    def publish(self, version: Version, *, replacing: Head) -> None:
        """Move the head if it still is `replacing`; pointer and record in one transaction."""
        transact(self.settings, partial(self._publish, version, replacing))

    def retire(self, version: Version) -> None:
        """Record that the version is no longer the head."""

        def retire(cursor: Any) -> None:
            if self.registry.lock_head(cursor, version.partition).version == version:
                return
            record = self.registry.record(cursor, version, "FOR UPDATE")
            if record.state is State.PUBLISHED:
                self.registry.store(cursor, replace(record, state=State.RETIRED))

        transact(self.settings, retire)

    def drop(self, version: Version) -> None:
        """Delete the rows of a version that is no head. After a failure half-way, call it again."""

        def mark(cursor: Any) -> int:
            # Who publishes locks the record too, and looks at it then: so the head need not be locked.
            record = self.registry.record(cursor, version, "FOR UPDATE")
            if self.registry.head(cursor, version.partition).version == version:
                raise Conflict(f"{version} is the head; it cannot be dropped")
            cursor.execute(f"DELETE FROM {self.names.base} WHERE {SEQ} = {record.seq} LIMIT 0")  # may we at all?
            self.registry.store(cursor, replace(record, state=State.DROPPED))
            return record.seq

        self.delete_rows(transact(self.settings, mark))

    def read(self, version: Version) -> Iterator[Row]:
        """Yield the version's rows as they were given, as the server sends them; Conflict if they are deleted."""
        codecs = self.schema.codecs
        columns = ", ".join(codec.select.format(quoted(name)) for name, codec in codecs.items())
        seq = self._readable(version).seq
        values = [(name, codec.value) for name, codec in codecs.items() if codec.value]
        for found in stream(self.settings, f"SELECT {columns} FROM {self.names.base} WHERE {SEQ} = {seq}"):
            row = dict(zip(codecs, found, strict=True))
            for name, value in values:
                row[name] = value(row[name])
            yield row

    def delete_rows(self, seq: int) -> None:
        """Delete a version's rows and parts, a few at a time."""
        query = f"DELETE FROM {self.names.base} WHERE {SEQ} = {seq} LIMIT {_DELETED_AT_ONCE}"
        while run(self.settings, partial(_changed, query)) == _DELETED_AT_ONCE:
            pass
        run(self.settings, partial(_changed, f"DELETE FROM {self.names.parts} WHERE seq = {seq}"))

    def _readable(self, version: Version) -> Record:
        record = self._record(version)
        if record.state in {State.DROPPED, State.ABANDONED, State.FAILED}:
            raise Conflict(f"{version} is {record.state}: it has no rows here")
        return record

    def _record(self, version: Version) -> Record:
        return run(self.settings, lambda cursor: self.registry.record(cursor, version))

    def _publish(self, version: Version, replacing: Head, cursor: Any) -> None:
        head = self.registry.lock_head(cursor, version.partition)
        if head.version == version:
            return
        if (head.version, head.epoch) != (replacing.version, replacing.epoch):
            raise Conflict(f"{version}: the head moved on to {head.version} meanwhile; nothing was published")
        record = self.registry.record(cursor, version, "FOR UPDATE")
        if not record.is_publishable:
            raise Conflict(f"{version} is {record.state}; it cannot be published")
        published_at = record.published_at or datetime.now(UTC)
        self.registry.store(cursor, replace(record, state=State.PUBLISHED, published_at=published_at))
        self.registry.move_head(cursor, record)


@dataclass(frozen=True)
class MariaDBStage:
    """A version being written; `seq` is its number in every row.

    While one writer's text is made, the other's is loaded; `benchmarks/mariadb.py`
    compares the rate with that of LOAD DATA by the command line.
    """

    sink: MariaDBSink
    version: Version
    seq: int
    writers: int = 2

    def write(self, part: Part) -> None:
        """Load the part and mark it as loaded in one transaction: a part whose mark is there is whole."""
        self._transact(partial(self._write, part))

    def renew(self, claim: Claim) -> None:
        """Keep the claim alive."""
        self._change(lambda record: record.claimed(claim))

    def seal(self) -> StagedCounts:
        """Wait for parts under way, refuse further ones, count the rows."""
        return self._transact(self._seal)

    def approve(self) -> None:
        """Record that the checks passed."""
        self._change(_approved)

    def abandon(self) -> None:
        """Delete the rows and record the failure, in this order: what a crash leaves is taken up again.

        Who may not delete them leaves them to a pruner.
        """
        if not self._change(lambda record: replace(record, state=State.ABANDONED)):
            return
        try:
            self.sink.delete_rows(self.seq)
        except Forbidden as refusal:
            self._change(Record.left)
            _log.warning("%s: its rows are left for a pruner to delete: %s", self.version, refusal)
        else:
            self._change(lambda record: replace(record, state=State.FAILED, rows=None))

    def _write(self, part: Part, cursor: Any) -> None:
        record = self._record(cursor, "LOCK IN SHARE MODE")
        if record.state is not State.STAGED or record.rows is not None:
            raise Conflict(f"{self.version} takes no more rows: it was sealed or abandoned")
        cursor.execute(
            f"INSERT IGNORE INTO {self._parts} (seq, number, row_count) VALUES (?, ?, ?)",
            (self.seq, part.number, len(part.rows)),
        )
        if cursor.rowcount:
            self._load(part, cursor)
        else:
            self._refuse_other_rows(part, cursor)

    def _refuse_other_rows(self, part: Part, cursor: Any) -> None:
        query = f"SELECT row_count FROM {self._parts} WHERE seq = ? AND number = ?"
        ((count,),) = rows(cursor, query, (self.seq, part.number))
        if count != len(part.rows):
            raise Conflict(f"{self.version}: part {part.number} was written with {count} rows before")

    def _load(self, part: Part, cursor: Any) -> None:
        load = partial(send, cursor, self.sink.schema, self.sink.names.base, self.seq)
        if load(part.rows):
            raise refusal(part, self.sink.contract, self.sink.schema, load)

    def _seal(self, cursor: Any) -> StagedCounts:
        record = self._record(cursor, "FOR UPDATE")
        if record.state not in {State.STAGED, State.VALIDATED}:
            raise Conflict(f"{self.version} is {record.state}; it cannot be sealed")
        ((count,),) = rows(cursor, f"SELECT COUNT(*) FROM {self.sink.names.base} WHERE {SEQ} = ?", (self.seq,))
        ((marked,),) = rows(cursor, f"SELECT COALESCE(SUM(row_count), 0) FROM {self._parts} WHERE seq = ?", (self.seq,))
        if count != marked:
            raise CheckFailed(f"{self.version}: the server counts {count} rows where its parts brought {marked}")
        self.sink.registry.store(cursor, replace(record, rows=count))
        return StagedCounts(count)

    def _change(self, changed: Callable[[Record], Record]) -> bool:
        """Change the record if the version is still open; tell whether it was."""

        def change(cursor: Any) -> bool:
            record = self._record(cursor, "FOR UPDATE")
            if record.state.is_open:
                self.sink.registry.store(cursor, changed(record))
            return record.state.is_open

        return self._transact(change)

    def _transact(self, work: Callable[[Any], Result]) -> Result:
        return transact(self.sink.settings, work)

    def _record(self, cursor: Any, lock: str) -> Record:
        return self.sink.registry.record(cursor, self.version, lock)

    @property
    def _parts(self) -> str:
        return self.sink.names.parts


def _changed(query: str, cursor: Any) -> int:
    cursor.execute(query)
    return int(cursor.rowcount)


def _approved(record: Record) -> Record:
    if record.state not in {State.STAGED, State.VALIDATED} or record.rows is None:
        raise Conflict(f"{record.version} is {record.state}; it cannot be approved")
    return replace(record, state=State.VALIDATED)
