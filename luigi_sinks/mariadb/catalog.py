# ruff: noqa: S608 - names are quoted, values are bound
"""The versions of a dataset in MariaDB: one table of rows keyed by version, a pointer, and a view that follows it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from luigi_sinks import record as rules
from luigi_sinks import withdrawal
from luigi_sinks.comparison import Diff, compared
from luigi_sinks.errors import BadSetting, Conflict, SinkError
from luigi_sinks.mariadb import comparing, creation, exposures, format_1, reader, remains, removal
from luigi_sinks.mariadb.connection import rows, run, transact
from luigi_sinks.mariadb.dataset import MariaDBDataset
from luigi_sinks.mariadb.errors import FORBIDDEN, NO_SUCH_TABLE, suppressing
from luigi_sinks.mariadb.names import Names, hidden
from luigi_sinks.mariadb.registry import COMMENT, OldFormat, Registry
from luigi_sinks.mariadb.schema import SEQ
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.record import Head, Publication, Record, Transition
from luigi_sinks.sink import Row
from luigi_sinks.version import Version, check_partition

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_DELETED_AT_ONCE = 20_000
"""Rows of one DELETE: a longer one makes other transactions wait and the undo log grow."""


@dataclass(frozen=True)
class MariaDBCatalog(MariaDBDataset):
    """The versions of one dataset of a database, opened by its name alone.

    `dataset` is the table's name as readers use it. Calls raise what
    `luigi_sinks.Catalog` says, BadSetting for a name that MariaDB does not allow, and
    CredentialError if there is no token that the server accepts.

    Example:
        >>> settings = MariaDBSettings("127.0.0.1", database="flights", user="loader", credential="local")
        >>> MariaDBCatalog(settings, "departures").names.head
        '`flights`.`departures__head`'

    """

    @cached_property
    def names(self) -> Names:
        """The names of its tables."""
        return Names(self.settings.database, self.dataset)

    @property
    def database(self) -> MariaDBSettings:
        """The database, and as whom it is used."""
        return self.settings

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        check_partition(partition)
        return run(self.settings, self.registry.head, partition)

    def heads(self) -> Mapping[str, Head]:
        """Return what readers see now, by partition."""
        return dict(sorted(run(self.settings, self.registry.heads).items()))

    def example(self) -> Record | None:
        """Return the published version that shows how the dataset is divided."""
        return run(self.settings, self.registry.example)

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        if partition is not None:
            check_partition(partition)
        yield from run(self.settings, self.registry.records, partition, update_ids)

    def unfinished(self, partition: str) -> Iterator[Record]:
        """Yield the records of a partition that say that a load is at work."""
        yield from run(self.settings, self.registry.unfinished, partition)

    def record(self, version: Version) -> Record:
        """Return a version's record."""
        return run(self.settings, self.registry.record, version)

    def change(self, version: Version, become: Transition) -> Record:
        """Replace the record by what `become` makes of it."""
        return self.transact(self.registry.change, version, become)

    def publish(self, version: Version, *, replacing: Head, by: str = "", why: str = "") -> Record:
        """Move the head if it still is `replacing`: pointer and both records in one transaction."""
        publication = Publication(0, datetime.now(UTC), by or self.publisher.principal, why)
        become = partial(rules.publish, replacing=replacing.pointer, publication=publication)
        return self.transact(self.publish_in, version, become)

    def publish_all(self, moves: Sequence[tuple[Version, Head]], *, why: str = "") -> list[Record]:
        """Move the heads of several partitions, also of other tables of the database, in one transaction."""
        return self.transact(self._publish_all, moves, why)

    def _publish_all(self, cursor: Any, moves: Sequence[tuple[Version, Head]], why: str) -> list[Record]:
        publication, published = Publication(0, datetime.now(UTC), self.publisher.principal, why), list[Record]()
        for version, head in moves:
            become = partial(rules.publish, replacing=head.pointer, publication=publication)
            published.append(replace(self, dataset=version.dataset).publish_in(cursor, version, become))
        return published

    def publish_in(self, cursor: Any, version: Version, become: Transition) -> Record:
        """Make a version the head, if `become` allows it, within a transaction."""
        self.registry.head(cursor, version.partition, "FOR UPDATE")  # each call locks a head before a record
        record, pointer = self.registry.lock(cursor, version)
        published = become(record, pointer)
        if pointer.version != version:
            example = None if pointer.version else self.registry.compare_with_example(cursor, published)
            self.registry.move_head(cursor, published, example)
        return published

    def unpublish(self, version: Version, *, replacing: Head) -> Record:
        """Move the head to nothing if it still is `replacing`: pointer and record in one transaction."""
        become = partial(withdrawal.unpublish, replacing=replacing.pointer)
        return self.transact(self._unpublish, version, become)

    def _unpublish(self, cursor: Any, version: Version, become: Transition) -> Record:
        self.registry.head(cursor, version.partition, "FOR UPDATE")
        record, pointer = self.registry.lock(cursor, version)
        retired = become(record, pointer)
        if pointer.version == version:
            self.registry.clear_head(cursor, retired, pointer.epoch)
        return retired

    def delete_rows(self, version: Version) -> None:
        """Delete the rows and parts of a version that is not the head, a few at a time."""
        seq = remains.seq_of(version) or self.record(version).seq
        while self.transact(self._delete_some, version, seq) == _DELETED_AT_ONCE:
            pass

    def _delete_some(self, cursor: Any, version: Version, seq: int) -> int:
        """Delete some rows, the parts with the last of them; return how many rows."""
        if self.registry.head(cursor, version.partition, "LOCK IN SHARE MODE").version == version:
            raise Conflict(f"{version} is the head; its rows cannot be deleted")
        if remains.seq_of(version) and self.registry.knows(cursor, seq):
            raise Conflict(f"{version}: it was registered meanwhile")
        cursor.execute(f"DELETE FROM {self.names.base} WHERE {SEQ} = {seq} LIMIT {_DELETED_AT_ONCE}")
        deleted = int(cursor.rowcount)
        if deleted < _DELETED_AT_ONCE:
            cursor.execute(f"DELETE FROM {self.names.parts} WHERE seq = {seq}")
        return deleted

    def remains(self, partition: str | None = None) -> list[Version]:
        """Return the dead versions of which something is left."""
        return run(self.settings, remains.find, self.names, partition)

    def count(self, version: Version) -> int:
        """Return how many rows there are."""
        query = f"SELECT COUNT(*) FROM {self.names.base} WHERE {SEQ} = ?"
        ((count,),) = run(self.settings, rows, query, (self.record(version).seq,))
        return int(count)

    def read(self, version: Version) -> Iterator[Row]:
        """Yield the version's rows as they were given, as the server sends them."""
        record = rules.readable(self.record(version))
        columns = reader.Columns.of(self.names, record, self._schema_of(record))
        yield from reader.read(self.settings, self.names, columns)

    def compare(self, before: Record, after: Record, *, examples: int) -> Diff:
        """Compare the rows of two versions in the server; by its client where they have no key, or other columns."""
        each = [reader.Columns.of(self.names, record, self._schema_of(record)) for record in (before, after)]
        key = comparing.key_of(self._schema_of(after))
        if key and each[0].types == each[1].types and set(key) <= each[0].types.keys():
            return run(self.settings, comparing.compare, self.names, each[0], each[1], key, examples)
        old, new = ((("", row) for row in reader.read(self.settings, self.names, columns)) for columns in each)
        return compared(old, new, {"": key} if key else {}, examples=examples)

    def refuse_name(self, version: Version, name: str) -> None:
        """Raise BadSetting for a name that MariaDB does not allow, or that another table or view has."""
        run(self.settings, exposures.refuse, self.names, self.record(version).seq, name)

    def expose(self, record: Record, name: str) -> None:
        """Make a view of the version's rows."""
        loaded = reader.Columns.of(self.names, record, self._schema_of(record)).found
        columns = {column: held.stored for column, held in loaded.items()}
        run(self.settings, exposures.show, self.names, record.seq, name, columns)

    def hide(self, version: Version, name: str) -> None:
        """Drop the view of the version's rows."""
        run(self.settings, exposures.remove, self.names, self.record(version).seq, name)

    def shows(self, version: Version, name: str) -> bool:
        """Tell whether there is a view of this name, of this version."""
        return run(self.settings, exposures.shows, self.names, self.record(version).seq, name)

    def drop(self) -> None:
        """Delete the tables, the procedures and the view; the registry last, by which the dataset is known."""
        run(self.settings, removal.drop, self.names)

    def _schema_of(self, record: Record) -> Mapping[str, Any]:
        return record.schema or run(self.settings, reader.existing_schema, self.names)

    @property
    def registry(self) -> Registry:
        """The queries on history and head."""
        return Registry(self.names)

    def transact(
        self, work: Callable[Concatenate[Any, Arguments], Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Return `work(cursor, ...)` of one transaction; a registry of format 1 is upgraded first."""
        try:
            return transact(self.settings, work, *args, **kwargs)
        except OldFormat:
            run(self.settings, creation.upgrade, self.names)
        try:
            return transact(self.settings, work, *args, **kwargs)
        except OldFormat:
            raise SinkError(
                f"table {self.dataset!r}: its registry is there and its procedures are not, as after a drop-dataset "
                "that was interrupted; run `luigi-sinks drop-dataset` again, or `luigi-sinks create`"
            ) from None


def datasets(settings: MariaDBSettings) -> list[str]:
    """Return the names of the datasets of a database, sorted."""
    return sorted(run(settings, _datasets, hidden(settings.database)))


def _datasets(cursor: Any, hidden: str) -> set[str]:
    logs = (
        "SELECT TABLE_NAME FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = ? AND TABLE_NAME LIKE '%\\_\\_log' AND TABLE_COMMENT LIKE ?"
    )
    found = {name.removesuffix("__log") for (name,) in rows(cursor, logs, (hidden, f"{COMMENT}%"))}
    with suppressing({NO_SUCH_TABLE} | FORBIDDEN):  # for a login without rights there, it holds none of its datasets
        found.update(format_1.datasets(cursor, hidden))
    return found


def preflight(settings: MariaDBSettings) -> None:
    """Log in, and raise what is wrong: Unavailable, Forbidden, BadSetting or CredentialError."""
    query = "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?"
    if not run(settings, rows, query, (settings.database,)):
        raise BadSetting(
            f"MariaDB at {settings.address} shows user {settings.user!r} no database {settings.database!r}; create it, "
            "grant rights in it, or correct `database` in luigi.cfg"
        )
