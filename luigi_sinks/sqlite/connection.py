"""The file that a store's datasets lie in: its tables, their format, and transactions on them."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from luigi_sinks.errors import SinkError, Unavailable

_FORMAT = 5
"""The version of the tables, kept as SQLite's `user_version`.

Format 1 called a partition a part, and had no number; format 2 had no examples, format 3 no marks and gaps, format 4
no digests of parts.
"""

_TABLES = """
CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY, dataset, partition, id UNIQUE, update_id, state, body);
CREATE TABLE IF NOT EXISTS head (dataset, partition, seq, epoch, PRIMARY KEY (dataset, partition));
CREATE TABLE IF NOT EXISTS part
  (id, number, kind, first_row, rows, set_aside, body, gaps, digest, PRIMARY KEY (id, number));
CREATE TABLE IF NOT EXISTS example (dataset PRIMARY KEY, seq);
CREATE TABLE IF NOT EXISTS mark (dataset, digest, update_id, body, PRIMARY KEY (dataset, digest));
CREATE INDEX IF NOT EXISTS record_by_partition ON record (dataset, partition, state);
CREATE INDEX IF NOT EXISTS record_by_output ON record (dataset, update_id);
PRAGMA user_version = 5;
"""

_TO_FORMAT_2 = (
    "ALTER TABLE record RENAME COLUMN part TO partition",
    "ALTER TABLE head RENAME COLUMN part TO partition",
)
_TO_FORMAT_3 = (
    "CREATE TABLE example (dataset PRIMARY KEY, seq)",
    "CREATE INDEX record_by_partition ON record (dataset, partition, state)",
    "CREATE INDEX record_by_output ON record (dataset, update_id)",
    "PRAGMA user_version = 3",
)
_TO_FORMAT_4 = (
    "ALTER TABLE part ADD COLUMN gaps",
    "CREATE TABLE mark (dataset, digest, update_id, body, PRIMARY KEY (dataset, digest))",
    "PRAGMA user_version = 4",
)
_TO_FORMAT_5 = ("ALTER TABLE part ADD COLUMN digest", "PRAGMA user_version = 5")


_FOR_NOW = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
"""What may pass: https://www.sqlite.org/rescode.html"""


@contextmanager
def transaction(path: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """Give a connection in a transaction, which is committed when the block ends cleanly.

    The file is made, or upgraded, first. Raises Unavailable if it cannot be opened, read
    or written now, and SinkError if it is not a file of luigi_sinks.
    """
    try:
        _make(path)
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:  # closing rolls back
            _upgrade(connection, path)
            connection.execute(begin)
            yield connection
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _FOR_NOW:  # the rest of the code tells more of the same
            raise Unavailable(f"{path}: {error}; run this again") from error
        raise SinkError(
            f"{path} is not a file that luigi_sinks can use: {error}; move it, or choose another folder"
        ) from error


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file of an older format to the present one, in one transaction."""
    ((found,),) = connection.execute("PRAGMA user_version").fetchall()
    if found > _FORMAT:
        raise SinkError(f"{path} has format {found}, newer than this luigi_sinks; install a newer one")
    if found == _FORMAT:
        return
    connection.execute("BEGIN IMMEDIATE")
    ((found,),) = connection.execute("PRAGMA user_version").fetchall()
    for to, statements in ((2, _TO_FORMAT_2), (3, _TO_FORMAT_3), (4, _TO_FORMAT_4), (5, _TO_FORMAT_5)):
        for statement in statements if found < to else ():
            connection.execute(statement)
    connection.execute("COMMIT")


def _make(path: Path) -> None:
    """Make a missing file with its tables, whole or not at all, though other processes do the same."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with closing(sqlite3.connect(beside)) as connection:
        connection.executescript(_TABLES)
        connection.execute("PRAGMA journal_mode = WAL")
    with suppress(FileExistsError):
        path.hardlink_to(beside)
    beside.unlink()
