# ruff: noqa: S608 - names are quoted, values are bound or written in hex
"""Marks in MariaDB: a table for each name, in the database that readers do not use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any

import mariadb

from luigi_sinks.errors import BadSetting, Forbidden, SinkError
from luigi_sinks.mariadb.connection import rows, run
from luigi_sinks.mariadb.dataset import MariaDBDataset
from luigi_sinks.mariadb.errors import ABSENT, FORBIDDEN, NO_SUCH_TABLE, suppressing
from luigi_sinks.mariadb.names import Names, check_name, qualified, quoted, refuse_schema
from luigi_sinks.mariadb.session import open_session
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.mark import FORMAT, Mark, OldMark, digest, refuse_newer

_TABLE = f"""(
  digest BINARY(32) NOT NULL PRIMARY KEY,
  update_id LONGTEXT NOT NULL,
  mark JSON NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin COMMENT = 'luigi_sinks marks, format {FORMAT}'"""

_AT_ONCE = 500

_USERS_OWN = (
    "SET SESSION idle_transaction_timeout = DEFAULT, wait_timeout = DEFAULT, net_read_timeout = DEFAULT, "
    "innodb_lock_wait_timeout = DEFAULT, lock_wait_timeout = DEFAULT, sql_mode = DEFAULT, tx_isolation = DEFAULT"
)
"""A session of a task is as the server has them: its transactions may pause for longer than ours."""


@dataclass(frozen=True)
class MariaDBMarks(MariaDBDataset):
    """The marks under one name of a database.

    Example:
        >>> settings = MariaDBSettings("127.0.0.1", database="flights", user="loader", credential="local")
        >>> MariaDBMarks(settings, "orders").location.name
        'flights.orders'

    """

    def __post_init__(self) -> None:
        """Refuse a name that no table can have, or that is one with its schema."""
        refuse_schema(self.dataset)
        _ = self.names

    @cached_property
    def names(self) -> Names:
        """The names of its table."""
        return Names(self.settings.database, self.dataset)

    def create(self, role: str = "") -> None:
        """Make the table, as the role if there is one, unless it is there."""
        run(self.settings, self._create, role)

    def known(self, update_ids: Collection[str]) -> set[str]:
        """Return those of the outputs that are marked."""
        keys, found = [digest(each) for each in update_ids], set[str]()
        for first in range(0, len(keys), _AT_ONCE):
            found.update(run(self.settings, self._known, keys[first : first + _AT_ONCE]))
        return found

    def add(self, marks: Iterable[Mark]) -> None:
        """Keep marks; one that is there stays as it is."""
        marks = list(marks)
        run(self.settings, self._create, "")
        for first in range(0, len(marks), _AT_ONCE):
            run(self.settings, self._add, marks[first : first + _AT_ONCE])

    def connect(self) -> Any:
        """Return a new connection, logged in, whose database is the one of luigi.cfg, without autocommit."""
        connection = open_session(self.settings)
        with closing(connection.cursor()) as cursor:
            cursor.execute(_USERS_OWN)
            with suppressing(FORBIDDEN):  # for a login that may only set marks; names need their database then
                cursor.execute(f"USE {quoted(self.settings.database)}")
        connection.autocommit = False
        return connection

    def add_in(self, connection: Any, mark: Mark) -> bool:
        """Keep a mark in the transaction of a connection: of any DB-API driver, or of SQLAlchemy.

        Waits for another transaction that keeps the same one. Returns False if the mark was there.
        Raises BadSetting for what is no connection, and SinkError if the mark is not there afterwards.
        """
        table, key = self.names.marks, f"X'{mark.digest}'"
        values = f"{key}, {_literal(mark.update_id)}, {_literal(mark.encode())}"
        with closing(_cursor(connection)) as cursor:
            cursor.execute(f"INSERT IGNORE INTO {table} (digest, update_id, mark) VALUES ({values})")
            if cursor.rowcount == 1:
                return True
            # A locking read sees what was committed after the transaction's snapshot, too.
            cursor.execute(f"SELECT 1 FROM {table} WHERE digest = {key} LOCK IN SHARE MODE")
            is_there = cursor.fetchone()
        if not is_there:
            raise SinkError(
                f"{self.dataset}: the server did not keep the mark of {mark.update_id!r}; see SHOW WARNINGS"
            )
        return False

    def _create(self, cursor: Any, role: str) -> None:
        if role:
            cursor.execute(f"SET ROLE {quoted(role)}")
        if rows(cursor, _COMMENT, (self.names.hidden, self.names.mark_table)):
            return
        try:
            if not rows(cursor, _DATABASE, (self.names.hidden,)):
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(self.names.hidden)}")
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {self.names.marks} {_TABLE}")
        except mariadb.Error as error:
            if error.errno not in FORBIDDEN:
                raise
            raise Forbidden(
                f"the table of the marks of {self.dataset!r} must be created first, and this login is not permitted to "
                f"({error}); run `luigi-sinks create` as the owner"
            ) from error

    def _known(self, cursor: Any, keys: Sequence[str]) -> list[str]:
        marks = ", ".join(f"X'{key}'" for key in keys)
        query = f"SELECT update_id, JSON_VALUE(mark, '$.format') FROM {self.names.marks} WHERE digest IN ({marks})"
        with suppressing({NO_SUCH_TABLE}):
            found = rows(cursor, query)
            for _, written in found:
                refuse_newer(self.names.marks, written)
            return [update_id for update_id, _ in found]
        return []

    def _add(self, cursor: Any, marks: Sequence[Mark]) -> None:
        values = [(bytes.fromhex(mark.digest), mark.update_id, mark.encode()) for mark in marks]
        listed = ", ".join(["(?, ?, ?)"] * len(values))
        cursor.execute(
            f"INSERT IGNORE INTO {self.names.marks} (digest, update_id, mark) VALUES {listed}",
            list(chain.from_iterable(values)),
        )


_COMMENT = "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
_DATABASE = "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?"


def of_contrib(settings: MariaDBSettings, table: str) -> Iterator[OldMark]:
    """Yield the marks that `luigi.contrib` left in a table. Raises BadSetting if it is not there, or another table."""
    check_name(table, "table")
    query = f"SELECT update_id, target_table, inserted FROM {qualified(settings.database, table)} ORDER BY update_id"
    found = run(settings, _old, query)
    if found is None:
        raise BadSetting(
            f"{qualified(settings.database, table)} is no table with the columns update_id, target_table and inserted, "
            "as luigi.contrib's marks are kept; name the one of [sqlalchemy] or [mysql] marker-table in luigi.cfg"
        )
    for update_id, name, at in found:
        yield OldMark(str(update_id or ""), str(name or ""), at if isinstance(at, datetime) else None)


def _old(cursor: Any, query: str) -> list[tuple[Any, ...]] | None:
    with suppressing(ABSENT):
        return rows(cursor, query)
    return None


def _literal(text: str) -> str:
    """Write a text in hex: each driver has its own way to bind one, and all pass this on as it is."""
    return f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)"


def _cursor(connection: Any) -> Any:
    """Return a cursor on a connection of a DB-API driver, or on that of a Connection or Session of SQLAlchemy."""
    if callable(getattr(connection, "get_bind", None)):  # a Session, which begins its transaction now if need be
        connection = connection.connection()
    if hasattr(connection, "exec_driver_sql"):
        connection.exec_driver_sql("SELECT 1").close()  # likewise
        connection = connection.connection
    if not callable(getattr(connection, "cursor", None)):
        raise BadSetting(
            f"touch() was given a {type(connection).__name__}; give a connection of a DB-API driver, or a Connection "
            "or Session of SQLAlchemy"
        )
    return connection.cursor()
