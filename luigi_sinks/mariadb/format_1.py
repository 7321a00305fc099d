# ruff: noqa: S608 - names are quoted, values are bound
"""Reads and moves registries in the format of luigi_sinks 0.1. Delete this module when 0.1 is no longer supported.

There, one registry served all datasets of a database: `DATABASE__v._versions` and
`DATABASE__v._parts`; the pointer, `DATASET__head`, called a partition a part. A dataset
is in format 1 as long as its pointer has the column `part`: until then its records are
where they were or, for a moment, in the log already. What was moved stays in the old
tables as `moved`, a state that releases before 0.2 do not know and stop at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import ABSENT, FORBIDDEN, suppressing
from luigi_sinks.mariadb.names import Names, qualified

VERSIONS, PARTS = "_versions", "_parts"

_MOMENT = "DATE_FORMAT({}, '%Y-%m-%dT%H:%i:%s.%fZ')"
_JSON = "JSON_COMPACT({} COLLATE utf8mb4_nopad_bin)"  # that of the other columns
_RECORD = f"""
JSON_OBJECT('version', JSON_OBJECT('dataset', dataset, 'partition', part, 'id', id), 'seq', seq, 'state', state,
  'origin', {_JSON.format("origin")}, 'lease', {_JSON.format("lease")}, 'rows', row_count,
  'staged_at', {_MOMENT.format("staged_at")}, 'published_at', {_MOMENT.format("published_at")}) COLLATE utf8mb4_bin"""

_LOG = f"SELECT seq, part AS `partition`, id, update_id, {_RECORD} AS record FROM {{}} WHERE dataset = ?"
"""The rows of the old registry in the form of the log; the callers exclude the rows that were moved."""


@dataclass(frozen=True)
class Tables:
    """The tables of a dataset that this login can see.

    `pointer` is the column of the pointer that names the partition, empty if there is no
    pointer; `has_versions` tells whether the database has a registry of format 1.
    """

    pointer: str
    has_log: bool
    has_versions: bool = False

    @property
    def are_old(self) -> bool:
        """Tell whether the dataset is in format 1."""
        return self.pointer == "part"

    @property
    def are_there(self) -> bool:
        """Tell whether the dataset is in the present format."""
        return self.pointer == "partition" and self.has_log


@dataclass(frozen=True)
class Left:
    """What the registry of format 1 tells of a dataset that is in the present format."""

    was_old: bool
    is_moved: bool


def look(cursor: Any, names: Names) -> Tables:
    """Return which tables the dataset has."""
    pointer = (
        "SELECT MIN(COLUMN_NAME) FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME IN ('part', 'partition')"
    )
    table = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
    ((column, has_log, has_versions),) = rows(
        cursor,
        f"SELECT ({pointer}), ({table}), ({table})",
        (names.database, names.head_table, names.hidden, names.log_table, names.hidden, VERSIONS),
    )
    return Tables(column or "", bool(has_log), bool(has_versions))


def look_again(cursor: Any, names: Names) -> Left:
    """Return whether the dataset was in format 1, and whether all its records are moved.

    A login without SELECT on the old registry gets the answer for a dataset that never
    was in format 1: it could not move records either.
    """
    query = f"SELECT MAX(state = 'moved'), MAX(state <> 'moved') FROM {_versions(names)} WHERE dataset = ?"
    with suppressing(ABSENT | FORBIDDEN):
        ((moved, left),) = rows(cursor, query, (names.dataset,))
        return Left(was_old=bool(moved), is_moved=not left)
    return Left(was_old=False, is_moved=True)


def as_format_2(names: Names, tables: Tables) -> tuple[str, str]:
    """Return queries in place of the log and of the pointer; the first takes the dataset's name as its value."""
    log = f"{_LOG.format(_versions(names))} AND state <> 'moved'"
    if tables.has_log:
        log += f" UNION ALL SELECT seq, `partition`, id, update_id, record FROM {names.log}"
    return f"({log})", f"(SELECT part AS `partition`, seq, version, epoch FROM {names.head})"


def is_moved(cursor: Any, names: Names) -> bool:
    """Tell whether records of the dataset were moved to the log, which this login may not be able to see."""
    query = f"SELECT 1 FROM {_versions(names)} WHERE dataset = ? AND state = 'moved' LIMIT 1"
    return bool(rows(cursor, query, (names.dataset,)))


def datasets(cursor: Any, hidden: str) -> list[str]:
    """Return the datasets whose records are in the old registry of a database."""
    query = f"SELECT DISTINCT dataset FROM {qualified(hidden, VERSIONS)} WHERE state <> 'moved'"
    return [name for (name,) in rows(cursor, query)]


def last_seq(cursor: Any, names: Names) -> int:
    """Return the highest number that the old registry gave to a version of any dataset."""
    ((seq,),) = rows(cursor, f"SELECT COALESCE(MAX(seq), 0) FROM {_versions(names)}")
    return int(seq)


def move(cursor: Any, names: Names) -> None:
    """Move the dataset's records and parts into tables of its own, in one transaction; may be called again.

    It waits for parts that are being written by an old release; they lock the records.
    """
    versions, dataset = _versions(names), (names.dataset,)
    theirs = f"SELECT seq FROM {versions} WHERE dataset = ? AND state <> 'moved'"
    cursor.execute("START TRANSACTION")
    rows(cursor, f"{theirs} FOR UPDATE", dataset)
    cursor.execute(
        f"INSERT INTO {names.log} (seq, `partition`, id, update_id, record)"
        f" {_LOG.format(versions)} AND state <> 'moved'",
        dataset,
    )
    parts = f"SELECT seq, number, row_count FROM {qualified(names.hidden, PARTS)} WHERE seq IN ({theirs})"
    cursor.execute(f"INSERT INTO {names.parts} (seq, number, row_count) {parts}", dataset)
    cursor.execute(f"UPDATE {versions} SET state = 'moved' WHERE dataset = ? AND state <> 'moved'", dataset)
    cursor.execute("COMMIT")


def _versions(names: Names) -> str:
    return qualified(names.hidden, VERSIONS)
