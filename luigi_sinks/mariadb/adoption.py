# ruff: noqa: S608 - names are quoted, values are bound
"""Adopts an ordinary table: its rows become a version, and in one RENAME the view takes its place.

Readers see the table until then, and the same rows afterwards. A transaction that began
before the rows were there would find none in the view, without an error, so the RENAME
waits until it ends. What was written to the table after it was copied is found when the
table has its new name, under which nobody writes; then both get their old names back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa

from luigi_sinks.errors import BadSetting, Conflict, Unavailable
from luigi_sinks.mariadb import creation, filling
from luigi_sinks.mariadb.connection import rows, run
from luigi_sinks.mariadb.names import Names, qualified, quoted
from luigi_sinks.mariadb.query import Select, Source
from luigi_sinks.mariadb.reflection import reflect
from luigi_sinks.mariadb.schema import SEQ, parse_schema
from luigi_sinks.mariadb.sink import MariaDBSink, MariaDBStage
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.version import Version

_PART_ROWS = 100_000
_CACHED = 0.25
"""Seconds after which INNODB_TRX shows what is there: the server keeps an answer for 0.1 s."""

_REFERRING = """
SELECT CONCAT(TABLE_NAME, '.', CONSTRAINT_NAME) FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?"""

_OLDER = """
SELECT trx_mysql_thread_id, trx_started FROM information_schema.INNODB_TRX
WHERE trx_started <= ? AND trx_mysql_thread_id <> CONNECTION_ID() ORDER BY trx_started LIMIT 1"""


@dataclass(frozen=True)
class _Beside(MariaDBSink):
    """The sink of a dataset whose view does not have its name yet."""

    @cached_property
    def names(self) -> Names:
        """The names of its tables."""
        return Names(self.settings.database, self.dataset).beside


@dataclass(frozen=True)
class ExistingTable:
    """An ordinary table with the name of a dataset; `of` is the sink that tasks load it by."""

    of: MariaDBSink

    @cached_property
    def sink(self) -> MariaDBSink:
        """Loads a version beside it."""
        return _Beside(self.of.settings, self.of.dataset, self.of.schema)

    def refuse(self) -> None:
        """Raise BadSetting for what is no ordinary table, has other columns or odd values, or is referred to."""
        run(self.of.settings, self._refuse)

    def _refuse(self, cursor: Any) -> None:
        table, names = self._table(cursor), self.of.names
        found = reflect(cursor, names.database, table)
        there, declared = found.table.columns.keys(), list(self.of.schema.columns)
        if sorted(there) != sorted(declared) or len(found.unknown) > 0:
            raise BadSetting(
                f"{names.view} has the columns {[*there, *found.unknown]}, and the task declares {declared}; "
                f"{self._way_out}"
            )
        schemas = (parse_schema(names.dataset, found.table), self.of.schema)
        found_layout, declared_layout = (creation.layout_of(cursor, names.database, each) for each in schemas)
        if unlike := list(found_layout.unlike(declared_layout)):
            raise BadSetting(
                f"{names.view}: {'; '.join(unlike)}. Versions would have what is declared; {self._way_out}"
            )
        for (key,) in rows(cursor, _REFERRING, (names.database, table)):
            raise BadSetting(f"{names.view}: the foreign key {key} refers to it, and none can refer to a view; drop it")
        if creation.is_table(cursor, names.database, self._kept):
            raise BadSetting(
                f"{qualified(names.database, self._kept)} is there, and the table will need this name; rename it"
            )
        if changed := filling.misfit(cursor, self.of.schema, self._rows(self._place(cursor))):
            raise BadSetting(f"{names.view} has in {changed}; correct it, or declare a type that keeps it")

    def lost(self) -> Sequence[str]:
        """Return what no declaration can say."""
        return run(self.of.settings, self._lost)

    def _lost(self, cursor: Any) -> Sequence[str]:
        return reflect(cursor, self.of.names.database, self._table(cursor)).undeclared

    def copy(self, writer: Any) -> None:
        """Copy its rows in the server, in parts by its primary key."""
        for where, values in run(self.of.settings, lambda cursor: list(self._parts(cursor))):
            writer.make_part(partial(self._copy_part, where, values))

    def _parts(self, cursor: Any) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield a condition for the rows of each part, and its values."""
        names, types = self.of.schema.unique.get("PRIMARY", ()), self.of.schema.types
        # An ENUM is sorted by its place in the list, and compared as text.
        key = [] if any(isinstance(types[name], sa.Enum) for name in names) else list(map(quoted, names))
        columns = ", ".join(key) or "NULL"
        numbered = f"SELECT {columns}, ROW_NUMBER() OVER (ORDER BY {columns}) AS _number FROM {self._place(cursor)}"
        last = f"SELECT {columns} FROM ({numbered}) AS k WHERE _number % {_PART_ROWS} = 0 ORDER BY _number"
        ends = rows(cursor, last) if key else []
        first, marks = (key or [columns])[0], f"({', '.join('?' * len(key))})"
        for low, high in zip([None, *ends], [*ends, None], strict=True):
            # The server finds a range by the first column only.
            after = [f"{first} >= ? AND ({columns}) > {marks}"] if low else []
            until = [f"{first} <= ? AND ({columns}) <= {marks}"] if high else []
            values = [value for end in (low, high) if end for value in (end[0], *end)]
            yield " AND ".join([*after, *until]) or "TRUE", values

    def _copy_part(self, where: str, values: Sequence[Any], stage: MariaDBStage, number: int) -> int:
        return stage.fill(number, self._rows(run(self.of.settings, self._place), where, values))

    def _rows(self, place: str, where: str = "TRUE", values: Sequence[Any] = ()) -> Select:
        columns = ", ".join(map(quoted, self.of.schema.types))
        way_out = f"correct it there, or {self._way_out}"
        query = f"SELECT {columns} FROM {place} WHERE {where}"
        return Select(query, values, {}, Source("the table that is adopted gives", way_out))

    def equals(self, version: Version) -> bool:
        """Tell whether a version has as many rows as the table, with the same checksum."""
        return run(self.of.settings, self._equals, version)

    def _equals(self, cursor: Any, version: Version) -> bool:
        seq = self.sink.registry.record(cursor, version).seq
        values = ", ".join(f"QUOTE({quoted(name)})" for name in self.of.schema.types)
        summed = f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS(',', {values}))) FROM"
        there = rows(cursor, f"{summed} {self._place(cursor)}")
        return there == rows(cursor, f"{summed} {self.sink.names.base} WHERE {SEQ} = {seq}")

    def give_way(self, version: Version) -> str:
        """Let the view take the table's name, in one RENAME, once no transaction is older than the version."""
        ((born,),) = run(self.of.settings, rows, "SELECT NOW(6)")
        patience = self.of.settings.patience
        time.sleep(_CACHED)
        retry_unavailable(patience, run, self.of.settings, self._refuse_older_transactions, born)
        retry_unavailable(patience, run, self.of.settings, self._swap)
        if not self.equals(version):
            retry_unavailable(patience, run, self.of.settings, self._swap_back)
            raise Conflict(
                f"{version}: rows were written to {self.of.names.view} after it was copied, so readers see it as "
                "before; stop what writes to it, and run this again"
            )
        run(self.of.settings, self._rename, (self._unsure, self._kept))
        return f"the table is kept as {qualified(self.of.names.database, self._kept)} until you drop it"

    def _refuse_older_transactions(self, cursor: Any, born: Any) -> None:
        for session, since in rows(cursor, _OLDER, (born,)):
            raise Unavailable(
                f"{self.of.names.view}: the transaction of session {session}, open since {since}, would find no rows "
                f"in the view; end it, or KILL {session}, and run this again"
            )

    def _swap(self, cursor: Any) -> None:
        if self._table(cursor) != self._unsure:
            self._rename(cursor, (self.of.dataset, self._unsure), (self.sink.names.view_name, self.of.dataset))

    def _swap_back(self, cursor: Any) -> None:
        if self._table(cursor) == self._unsure:
            self._rename(cursor, (self.of.dataset, self.sink.names.view_name), (self._unsure, self.of.dataset))

    def _rename(self, cursor: Any, *pairs: tuple[str, str]) -> None:
        """Rename in one step; readers queue behind a statement that waits for a lock, so it waits for short."""
        database = self.of.names.database
        renames = (f"{qualified(database, old)} TO {qualified(database, new)}" for old, new in pairs)
        cursor.execute(f"SET STATEMENT lock_wait_timeout = 2 FOR RENAME TABLE {', '.join(renames)}")

    def _place(self, cursor: Any) -> str:
        return qualified(self.of.names.database, self._table(cursor))

    def _table(self, cursor: Any) -> str:
        """Return the table's name now: another one between the RENAME and the comparison that follows it."""
        is_swapped = creation.is_table(cursor, self.of.names.database, self._unsure)
        return self._unsure if is_swapped else self.of.dataset

    @property
    def _way_out(self) -> str:
        return f"declare what is there, as `luigi-sinks declare mariadb:{self.of.dataset}` prints it"

    @property
    def _unsure(self) -> str:
        return f"{self.of.dataset}__was"

    @property
    def _kept(self) -> str:
        return f"{self.of.dataset}__old"
