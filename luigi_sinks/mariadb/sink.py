# ruff: noqa: S608 - names are quoted, values are bound
"""Loads rows into MariaDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from luigi_sinks import record as rules
from luigi_sinks.checks import SharedKey, StagedCounts
from luigi_sinks.contract import Contract
from luigi_sinks.mariadb import creation, filling, layout, reader
from luigi_sinks.mariadb.bad_rows import refusal, stored_key
from luigi_sinks.mariadb.carrying import Carrying
from luigi_sinks.mariadb.catalog import MariaDBCatalog
from luigi_sinks.mariadb.connection import rows, run
from luigi_sinks.mariadb.names import quoted
from luigi_sinks.mariadb.query import HEAD, Select
from luigi_sinks.mariadb.schema import SEQ, Schema
from luigi_sinks.mariadb.writer import encode, encode_frame, send
from luigi_sinks.record import Record
from luigi_sinks.sink import Part, keyless
from luigi_sinks.version import Version


@dataclass(frozen=True)
class MariaDBSink(MariaDBCatalog):
    """A catalog that can also load, as it knows the columns.

    `schema` is what `parse_schema` makes of SQLAlchemy columns or a Table. `allow_change`
    names columns that may change though readers may break.

    Example, which needs a server:

        sink = MariaDBSink(settings, "departures", parse_schema("departures", columns))
        luigi_sinks.load(sink, "201301", Origin("January"), rows)
    """

    schema: Schema
    allow_change: Collection[str] = ()

    @property
    def contract(self) -> Contract:
        """What a row must look like."""
        return Contract(
            self.dataset, {"": self.schema.shape}, encode=partial(encode, self.schema), encode_frame=encode_frame
        )

    @property
    def key_contract(self) -> Contract:
        """What the key of a row must look like."""
        return Contract(self.dataset, {"": self.schema.of_key.shape})

    @property
    def lease(self) -> float:
        """For how many seconds the claim of a load is valid without being renewed."""
        return self.settings.lease

    @property
    def declared(self) -> Mapping[str, Any]:
        """The columns and keys."""
        return self.schema.declared

    @property
    def columns(self) -> Mapping[str, str]:
        """The types of the columns."""
        return {name: column["type"] for name, column in self.schema.described.items()}

    def begin(self, record: Record) -> MariaDBStage:
        """Make or change the dataset's tables if need be, register the version, and open its stage.

        Raises BadSetting if the columns cannot change as declared, and Forbidden if this
        login may not make or upgrade the tables.
        """
        creating = partial(creation.prepare, allow_change=self.allow_change)
        run(self.settings, creating, self.names, self.schema, record.version.partition, record)
        return self.attach(record.version)

    def shared_key(self, version: Version) -> SharedKey | None:
        """Return a key of the sealed version that the head of another partition has too."""
        key = self.contract.shapes[""].key
        if not key:
            raise keyless(self.dataset)
        asked = ", ".join(f"b.{quoted(name)}" for name in key)
        equal = " AND ".join(f"o.{quoted(name)} = b.{quoted(name)}" for name in key)
        query = (
            f"SELECT h.`partition`, h.version, {asked} FROM {self.names.base} b"
            f" JOIN {self.names.head} h ON h.seq IS NOT NULL AND h.`partition` <> ?"
            f" JOIN {self.names.base} o ON o.{SEQ} = h.seq AND {equal} WHERE b.{SEQ} = ? LIMIT 1"
        )
        for partition, id_, *values in run(self.settings, rows, query, (version.partition, self.record(version).seq)):
            return SharedKey(key, tuple(values), Version(self.dataset, partition, id_))
        return None

    def attach(self, version: Version) -> MariaDBStage:
        """Open the stage of a registered version."""
        record = self.record(version)
        schema = replace(self.schema, stored=reader.stored_names(self.names, record.schema))
        return MariaDBStage(replace(self, schema=schema), version, record.seq)

    def _schema_of(self, record: Record) -> Mapping[str, Any]:
        return record.schema or self.declared


@dataclass(frozen=True)
class MariaDBStage:
    """A version being written; `seq` is its number in every row.

    While one writer's text is made, the other's is loaded; docs/speed.md compares the
    rate with that of LOAD DATA by the command line.
    """

    sink: MariaDBSink
    version: Version
    seq: int
    writers: int = 2

    def write(self, part: Part) -> None:
        """Load the part and mark it as loaded in one transaction: a part whose mark is there is whole."""
        self.sink.transact(self._write, part)

    def _write(self, cursor: Any, part: Part) -> None:
        rules.accept_rows(*self.sink.registry.lock(cursor, self.version, "LOCK IN SHARE MODE"))
        cursor.execute(
            f"INSERT IGNORE INTO {self.sink.names.parts} (seq, number, row_count, digest) VALUES (?, ?, ?, ?)",
            (self.seq, part.number, len(part.rows), part.digest),
        )
        if not cursor.rowcount:
            for count, digest in self._before(cursor, part.number):
                part.refuse_another(self.version, int(count), digest)
            return
        self.sink.registry.open(cursor, self.seq)
        load = partial(send, cursor, self.sink.schema, self.sink.names.add, self.seq)
        if load(part.text, len(part.rows), of_frames=part.of_frames):
            load_rows = lambda rows: load(encode(self.sink.schema, rows), len(rows))  # noqa: E731 - read once
            stored = partial(stored_key, cursor, self.sink.names.base, self.seq)
            raise refusal(part, self.sink.contract, self.sink.schema, load_rows, stored)

    def fill(self, number: int, select: Select) -> int:
        """Have the server make a part by a SELECT, exactly once however often it is tried; return how many rows it has.

        Raises BadSetting for a query that gives other columns than the table has, or that
        the server does not understand, and CheckFailed for a row that the columns do not take.
        """
        run(self.sink.settings, filling.refuse_other_columns, self.sink.contract, select)
        return self.sink.transact(self._fill_all, number, select)

    def _fill_all(self, cursor: Any, number: int, select: Select) -> int:
        count = self._fill(cursor, number, select)
        filling.refuse_none(cursor, self.sink.names, self.sink.schema, self.seq, select.source)
        return count

    def carry(self, number: int, base: Record, deleted: Sequence[Any]) -> int:
        """Copy the rows of `base` that were neither changed nor deleted, some at a time; return how many.

        One session does it all: it has the deleted keys in a temporary table.
        """
        return run(self.sink.settings, self._carry, number, base, deleted)

    def _carry(self, cursor: Any, number: int, base: Record, deleted: Sequence[Any]) -> int:
        names, schema = self.sink.names, self.sink.schema
        loaded = {name: schema.stored_name(name) for name in schema.codecs}
        held = layout.read(cursor, names.base, schema).held_before(loaded, base.seq)
        carrying = Carrying(names, schema, base.seq, self.seq, held)
        carrying.note_deleted(cursor, deleted)
        count = 0
        for part, select in enumerate(carrying.selects(cursor), number):
            cursor.execute("START TRANSACTION")
            count += self._fill(cursor, part, select)
            cursor.execute("COMMIT")
        carrying.forget_deleted(cursor)
        filling.refuse_none(cursor, names, schema, self.seq, HEAD)
        rules.readable(self.sink.registry.record(cursor, base.version))
        return count

    def _fill(self, cursor: Any, number: int, select: Select) -> int:
        rules.accept_rows(*self.sink.registry.lock(cursor, self.version, "LOCK IN SHARE MODE"))
        for before, _ in self._before(cursor, number):
            return int(before)
        self.sink.registry.open(cursor, self.seq)
        count = filling.fill(cursor, self.sink.names, self.sink.schema, self.seq, select)
        cursor.execute(
            f"INSERT INTO {self.sink.names.parts} (seq, number, row_count) VALUES (?, ?, ?)", (self.seq, number, count)
        )
        return count

    def _before(self, cursor: Any, number: int) -> list[tuple[Any, ...]]:
        """Return the count of rows and the digest of a part that was written before; nothing if it was not."""
        query = f"SELECT row_count, digest FROM {self.sink.names.parts} WHERE seq = ? AND number = ?"
        return rows(cursor, query, (self.seq, number))

    def seal(self) -> StagedCounts:
        """Wait for parts being written, refuse further ones, have the server compare its count with theirs."""
        return self.sink.transact(self._seal)

    def _seal(self, cursor: Any) -> StagedCounts:
        self.sink.registry.change(cursor, self.version, rules.close)
        self.sink.registry.end_other_writers(cursor, self.seq)
        query = f"SELECT COALESCE(SUM(row_count), 0) FROM {self.sink.names.parts} WHERE seq = ?"
        ((brought,),) = rows(cursor, query, (self.seq,))
        counts = StagedCounts(int(brought))
        self.sink.registry.change(cursor, self.version, partial(rules.seal, counts=counts))
        return counts
