"""The versions of a dataset in SQLite."""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from luigi_sinks import record as rules
from luigi_sinks import scheme, stored, withdrawal
from luigi_sinks.checks import StagedCounts
from luigi_sinks.comparison import Diff, compared
from luigi_sinks.errors import Conflict, SinkError
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.record import Head, Pointer, Publication, Record, Transition, as_pointed
from luigi_sinks.retry import PATIENCE
from luigi_sinks.sqlite import exposures
from luigi_sinks.sqlite.connection import transaction
from luigi_sinks.sqlite.types import KEYS, decode, typed
from luigi_sinks.version import DEAD, ENDING, OPEN, WHOLE, Version, check_partition

_SELECT = """
SELECT r.seq, r.body, h.epoch FROM record r LEFT JOIN head h ON h.seq = r.seq AND h.dataset = r.dataset"""

_HEAD = "SELECT r.seq, r.body, h.epoch FROM head h LEFT JOIN record r ON r.seq = h.seq AND r.dataset = h.dataset"

_LISTED = "(SELECT value FROM json_each(?))"
"""A value that is a list, as JSON."""

_REMAINS = """
SELECT r.partition, r.id FROM record r
WHERE r.dataset = :dataset AND r.partition = coalesce(:partition, r.partition)
  AND r.state IN (SELECT value FROM json_each(:dead))
  AND (r.state IN (SELECT value FROM json_each(:ending)) OR EXISTS (SELECT 1 FROM part p WHERE p.id = r.id))
UNION ALL
SELECT NULL, id FROM (SELECT DISTINCT id FROM part WHERE :partition IS NULL) WHERE id NOT IN (SELECT id FROM record)"""


def datasets(folder: Path, store: str) -> list[str]:
    """Return the names of the datasets that a store has in the folder, sorted."""
    with transaction(folder / f"{store}.sqlite", "BEGIN") as db:
        return [name for (name,) in db.execute("SELECT DISTINCT dataset FROM record ORDER BY dataset")]


@dataclass(frozen=True)
class SQLiteCatalog:
    """The versions of one dataset of one store, in a file of the folder."""

    patience: ClassVar[float] = PATIENCE

    folder: Path
    store: str
    dataset: str

    @property
    def location(self) -> Location:
        """Where the dataset is, by its name in OpenLineage."""
        return Location("file", f"{self.folder.absolute()}/{self.store}.sqlite/{self.dataset}")

    @property
    def login(self) -> Login:
        """The user of the operating system."""
        return Login(user())

    @property
    def publisher(self) -> Login:
        """The user of the operating system, who also publishes."""
        return self.login

    @property
    def database(self) -> Path:
        """The file."""
        return self.file

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        check_partition(partition)
        with self._snapshot() as db:
            return self._head(db, partition)

    def heads(self) -> Mapping[str, Head]:
        """Return what readers see now, by partition."""
        with self._snapshot() as db:
            return dict(sorted(self._heads(db).items()))

    def example(self) -> Record | None:
        """Return the published version that shows how the dataset is divided."""
        with self._snapshot() as db:
            return self._example(db)

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        if partition is not None:
            check_partition(partition)
        where, values = "TRUE", list[str]()
        if partition is not None:
            where, values = "r.partition = ?", [partition]
        if update_ids is not None:
            where, values = f"{where} AND r.update_id IN {_LISTED}", [*values, json.dumps(list(update_ids))]
        yield from self._records(where, *values)

    def unfinished(self, partition: str) -> Iterator[Record]:
        """Yield the records of a partition that say that a load is at work."""
        at_work = f"(r.state IN {_LISTED} OR json_extract(r.body, '$.release.is_settled') = 0)"
        yield from self._records(f"r.partition = ? AND {at_work}", partition, json.dumps(list(OPEN)))

    def record(self, version: Version) -> Record:
        """Return a version's record."""
        with self._snapshot() as db:
            return self._record(db, version)

    def change(self, version: Version, become: Transition) -> Record:
        """Replace the record by what `become` makes of it."""
        with self.transaction() as db:
            return self.change_in(db, version, become)

    def publish(self, version: Version, *, replacing: Head, by: str = "", why: str = "") -> Record:
        """Move the head if it still is `replacing`."""
        publication = Publication(0, datetime.now(UTC), by or self.publisher.principal, why)
        become = partial(rules.publish, replacing=replacing.pointer, publication=publication)
        with self.transaction() as db:
            return self.publish_in(db, version, become)

    def publish_all(self, moves: Sequence[tuple[Version, Head]], *, why: str = "") -> list[Record]:
        """Move the heads of several partitions, also of other datasets of the file, in one transaction."""
        publication, published = Publication(0, datetime.now(UTC), self.publisher.principal, why), list[Record]()
        with self.transaction() as db:
            for version, head in moves:
                become = partial(rules.publish, replacing=head.pointer, publication=publication)
                published.append(replace(self, dataset=version.dataset).publish_in(db, version, become))
        return published

    def publish_in(self, db: sqlite3.Connection, version: Version, become: Transition) -> Record:
        """Make a version the head, if `become` allows it, within a transaction."""
        before = self._head(db, version.partition)
        record = self.change_in(db, version, become)
        if before.version is None:
            self._compare_with_example(db, record)
        if before.version != version:
            pointer = Pointer(version, before.epoch + 1)
            self._point(db, version.partition, record.seq, pointer.epoch)
            if before.record is not None:
                write_record(db, rules.retire(before.record, pointer))
        return record

    def unpublish(self, version: Version, *, replacing: Head) -> Record:
        """Move the head to nothing if it still is `replacing`."""
        with self.transaction() as db:
            before = self._head(db, version.partition).pointer
            record = self.change_in(db, version, partial(withdrawal.unpublish, replacing=replacing.pointer))
            if before.version == version:
                self._point(db, version.partition, None, withdrawal.after(before).epoch)
        return record

    def delete_rows(self, version: Version) -> None:
        """Delete the parts of a version that is not the head."""
        with self.transaction() as db:
            if self._head(db, version.partition).version == version:
                raise Conflict(f"{version} is the head; its rows cannot be deleted")
            db.execute("DELETE FROM part WHERE id = ?", (version.id,))

    def remains(self, partition: str | None = None) -> list[Version]:
        """Return the dead versions of which something is left; one without a record may be of any dataset."""
        with self._snapshot() as db:
            states = {"dead": json.dumps(sorted(DEAD)), "ending": json.dumps(sorted(ENDING))}
            found = db.execute(_REMAINS, {"dataset": self.dataset, "partition": partition, **states}).fetchall()
        return [Version(self.dataset, place or WHOLE, id_) for place, id_ in found]

    def count(self, version: Version) -> int:
        """Return how many rows there are."""
        with self._snapshot() as db:
            return counts(db, version).rows

    def read(self, version: Version) -> Iterator[Any]:
        """Yield the version's rows as they were given."""
        for kind, given in self._rows(version):
            yield (kind, given) if kind else given

    def compare(self, before: Record, after: Record, *, examples: int) -> Diff:
        """Compare the rows of two versions, by the keys that the second one was loaded with."""
        keys = self._schema_of(after).get(KEYS, {})
        return compared(self._rows(before.version), self._rows(after.version), keys, examples=examples)

    def refuse_name(self, version: Version, name: str) -> None:
        """Raise BadSetting for a name that something else in the file has."""
        with self._snapshot() as db:
            exposures.refuse(db, version, name)

    def expose(self, record: Record, name: str) -> None:
        """Make a view of the version's rows, as JSON."""
        with self.transaction() as db:
            exposures.show(db, record.version, name)

    def hide(self, version: Version, name: str) -> None:
        """Drop the view of the version's rows."""
        with self.transaction() as db:
            exposures.remove(db, version, name)

    def shows(self, version: Version, name: str) -> bool:
        """Tell whether there is a view of this name, of this version."""
        with self._snapshot() as db:
            return exposures.shows(db, version, name)

    def drop(self) -> None:
        """Delete the dataset."""
        with self.transaction() as db:
            db.execute("DELETE FROM part WHERE id IN (SELECT id FROM record WHERE dataset = ?)", (self.dataset,))
            for table in ("head", "example", "record"):
                db.execute(f"DELETE FROM {table} WHERE dataset = ?", (self.dataset,))  # noqa: S608 - ours

    def _rows(self, version: Version) -> Iterator[tuple[str, Any]]:
        """Yield the version's rows with their kinds."""
        with self._snapshot() as db:
            record = rules.readable(self._record(db, version))
            parts = db.execute("SELECT kind, body FROM part WHERE id = ? ORDER BY number", (version.id,)).fetchall()
        for kind, body in parts:
            for given in _given(record, self._schema_of(record).get(kind), body):
                yield kind, given

    @property
    def file(self) -> Path:
        """The store's file."""
        return self.folder / f"{self.store}.sqlite"

    def _schema_of(self, record: Record) -> Mapping[str, Any]:
        """Return what a version was loaded with; empty for a record of format 1, whose rows come as tuples."""
        return record.schema

    def _heads(self, db: sqlite3.Connection) -> dict[str, Head]:
        found = db.execute(f"{_SELECT} WHERE r.dataset = ? AND h.seq IS NOT NULL", (self.dataset,)).fetchall()
        heads = (Head(_seen(seq, body, epoch), epoch) for seq, body, epoch in found)
        return {head.record.version.partition: head for head in heads if head.record}

    def _head(self, db: sqlite3.Connection, partition: str) -> Head:
        query = f"{_HEAD} WHERE h.dataset = ? AND h.partition = ?"
        for seq, body, epoch in db.execute(query, (self.dataset, partition)):
            return Head(None if seq is None else _seen(seq, body, epoch), epoch)
        return Head()

    def _point(self, db: sqlite3.Connection, partition: str, seq: int | None, epoch: int) -> None:
        db.execute("INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?)", (self.dataset, partition, seq, epoch))

    def _example(self, db: sqlite3.Connection) -> Record | None:
        query = f"{_SELECT} JOIN example e ON e.seq = r.seq AND e.dataset = r.dataset WHERE r.dataset = ?"
        for row in db.execute(query, (self.dataset,)):
            return _seen(*row)
        return scheme.found(head.record for head in self._heads(db).values() if head.record)

    def _compare_with_example(self, db: sqlite3.Connection, record: Record) -> None:
        example = scheme.better(self._example(db), record)
        db.execute("INSERT OR REPLACE INTO example VALUES (?, ?)", (self.dataset, example.seq))

    def _records(self, where: str, *values: str) -> list[Record]:
        with self._snapshot() as db:
            return self._records_in(db, where, *values)

    def _records_in(self, db: sqlite3.Connection, where: str, *values: Any) -> list[Record]:
        query = f"{_SELECT} WHERE r.dataset = ? AND {where} ORDER BY r.seq"
        return [_seen(*found) for found in db.execute(query, (self.dataset, *values))]

    def _record(self, db: sqlite3.Connection, version: Version) -> Record:
        found = db.execute(f"{_SELECT} WHERE r.dataset = ? AND r.id = ?", (self.dataset, version.id)).fetchone()
        if found is None:
            raise rules.unknown(version)
        return _seen(*found)

    def change_in(self, db: sqlite3.Connection, version: Version, become: Transition) -> Record:
        """Replace the record by what `become` makes of it, within a transaction; return the result."""
        record = self._record(db, version)
        changed = become(record, self._head(db, version.partition).pointer)
        if changed != record:
            write_record(db, changed)
        return changed

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection that may write."""
        return transaction(self.file)

    def _snapshot(self) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(self.file, "BEGIN")


def write_record(db: sqlite3.Connection, record: Record) -> None:
    """Replace a record within a transaction."""
    db.execute("UPDATE record SET state = ?, body = ? WHERE seq = ?", (record.state, stored.encode(record), record.seq))


def _seen(seq: int, body: str | bytes, epoch: int | None) -> Record:
    """Return a record as the pointer has it; `epoch` is that of the head, None for what is not the head."""
    record = stored.decode(body, seq)
    return as_pointed(record, Pointer() if epoch is None else Pointer(record.version, epoch))


def counts(db: sqlite3.Connection, version: Version) -> StagedCounts:
    """Count a version's rows."""
    rows, set_aside = db.execute(
        "SELECT ifnull(sum(rows), 0), ifnull(sum(set_aside), 0) FROM part WHERE id = ?", (version.id,)
    ).fetchone()
    return StagedCounts(rows - set_aside, set_aside)


def _given(record: Record, fields: Any, body: bytes) -> Iterator[Any]:
    """Yield the rows of a part; tuples where the fields are not known."""
    names, rows_type = typed(fields)
    try:
        rows = decode(body, rows_type)
    except msgspec.ValidationError as error:
        raise SinkError(
            f"{record.version}: its rows do not fit its fields ({error}); read it with the columns it was loaded with"
        ) from None
    for row in rows:
        if names:
            yield dict(zip(names, row, strict=True))
        else:
            yield tuple(row) if isinstance(row, list) else row


def user() -> str:
    """Return the user of the operating system."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container without an entry for it
        return f"uid {os.getuid()}"
