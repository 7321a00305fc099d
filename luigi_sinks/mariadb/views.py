# ruff: noqa: S608 - names are quoted, values are bound
"""The view that readers use: its query, and what the server shows of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import NO_SUCH_TABLE, suppressing
from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.schema import SEQ
from luigi_sinks.version import WHOLE

BRIEFLY = "SET STATEMENT lock_wait_timeout = 1 FOR"
"""Before a statement that waits for readers, since those that come later wait behind it."""

OF_WHOLE = f" WHERE h.`partition` = '{WHOLE}'"
SHOWN_OF_WHOLE = f"`h`.`partition` = '{WHOLE}'"
"""`OF_WHOLE` as the server shows it in a view."""

OF_ANY = " WHERE h.seq IS NOT NULL"
"""In place of `OF_WHOLE` while the column is renamed: the pointer holds one head, and perhaps the example."""


def query(names: Names, selected: str, *, is_whole: bool) -> str:
    """Return the query of the view: for a dataset without partitions, or with them; `f` is the table.

    With 300,000 of 900,000 rows at the head, 100 keys in a row take 0.4 ms by
    the first query and 97 by the second, max(key) 0.2 and 54, a sum 54 and 66
    (10.11): the first knows the version before the server plans. It cannot
    serve several partitions.
    """
    if is_whole:
        return f"SELECT {selected} FROM {names.base} f WHERE f.{SEQ} = (SELECT h.seq FROM {names.head} h{OF_WHOLE})"
    return f"SELECT {selected} FROM {names.head} h JOIN {names.base} f ON f.{SEQ} = h.seq"


def of_whole(cursor: Any, names: Names) -> str:
    """Return the query of the view for the columns that the table has."""
    selected = ", ".join(f"f.{quoted(name)}" for name in columns(cursor, names))
    return query(names, selected, is_whole=True)


def columns(cursor: Any, names: Names, table: str = "") -> list[str]:
    """Return the columns of the table, or of the view that rows are added through, without the version's number."""
    found = (
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
        " AND COLUMN_NAME <> ? ORDER BY ORDINAL_POSITION"
    )
    return [name for (name,) in rows(cursor, found, (names.hidden, table or names.base_table, SEQ))]


def shown(cursor: Any, names: Names) -> str:
    """Return the view's definition as the server writes it, empty if there is none.

    Not information_schema.VIEWS, which shows none while one is replaced.
    """
    with suppressing({NO_SUCH_TABLE}):
        ((_, definition, *_),) = rows(cursor, f"SHOW CREATE VIEW {names.view}")
        if names.head in definition:
            return str(definition)
        raise BadSetting(f"{names.view} is a view that luigi_sinks did not make; choose another table name, or drop it")
    return ""


def is_whole(view: str) -> bool:
    """Tell whether a view, as the server shows it, is of a dataset without partitions."""
    return not view.endswith(f"`f`.`{SEQ}` = `h`.`seq`))")


def replace(cursor: Any, names: Names, by: str) -> None:
    """Replace the view."""
    cursor.execute(f"{BRIEFLY} CREATE OR REPLACE {definer(cursor)} VIEW {names.view} AS {by}")


def definer(cursor: Any) -> str:
    """Return the clause that makes the role the view's owner, if there is a role: a user may be dropped."""
    ((role,),) = rows(cursor, "SELECT CURRENT_ROLE()")
    return "DEFINER = CURRENT_ROLE" if role is not None else ""


def of_versions(names: Names, selected: str, seqs: Collection[int]) -> str:
    """Return the query that reads these versions, whatever the heads are; `selected` as for `query`."""
    numbers = ", ".join(map(str, sorted(seqs)))
    return f"SELECT {selected} FROM {names.base} f WHERE f.{SEQ} IN ({numbers})"
