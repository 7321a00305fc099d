# ruff: noqa: S608 - names are quoted, numbers are the registry's
"""Versions that are shown under a name of their own: views of the rows of one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb import views
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import NO_SUCH_TABLE, NOT_A_VIEW, suppressing
from luigi_sinks.mariadb.names import Names, check_name, qualified, quoted
from luigi_sinks.mariadb.schema import SEQ

_TAKEN = "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"


def refuse(cursor: Any, names: Names, seq: int, name: str) -> None:
    """Raise BadSetting for a name that MariaDB does not allow, or that another table or view has."""
    check_name(name, "name")
    Names(names.database, name)  # refuses what the driver cannot quote
    for (kind,) in rows(cursor, _TAKEN, (names.database, name)):
        if not shows(cursor, names, seq, name):
            raise BadSetting(
                f"{qualified(names.database, name)} is taken by a {kind.lower()}; choose another name, or drop that"
            )


def show(cursor: Any, names: Names, seq: int, name: str, columns: Mapping[str, str]) -> None:
    """Make the view, with the columns that the version was loaded with, and what the table calls them.

    Raises what `refuse` does.
    """
    refuse(cursor, names, seq, name)
    listed = ", ".join(f"f.{quoted(stored)} AS {quoted(column)}" for column, stored in columns.items())
    query = f"SELECT {listed} FROM {names.base} f WHERE f.{SEQ} = {seq}"
    view = f"{views.definer(cursor)} VIEW {qualified(names.database, name)} AS {query}"
    if not shows(cursor, names, seq, name):
        cursor.execute(f"CREATE {view}")


def remove(cursor: Any, names: Names, seq: int, name: str) -> None:
    """Drop the view, if it shows this version."""
    if shows(cursor, names, seq, name):
        cursor.execute(f"DROP VIEW IF EXISTS {qualified(names.database, name)}")


def shows(cursor: Any, names: Names, seq: int, name: str) -> bool:
    """Tell whether the name is that of a view of this version."""
    with suppressing({NO_SUCH_TABLE, NOT_A_VIEW}):
        ((_, definition, *_),) = rows(cursor, f"SHOW CREATE VIEW {qualified(names.database, name)}")
        return f" from {names.base} " in definition and definition.endswith(f"`{SEQ}` = {seq}")
    return False
