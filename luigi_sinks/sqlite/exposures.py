"""Versions that are shown under a name of their own: views of JSON, as a file keeps rows."""

from __future__ import annotations

import sqlite3

from luigi_sinks.errors import BadSetting
from luigi_sinks.version import Version

_NAMED = """
SELECT sql, type = 'view' FROM sqlite_master WHERE name = :name COLLATE NOCASE
UNION ALL SELECT '', FALSE FROM record WHERE dataset = :name"""

_VIEW = (
    "CREATE VIEW {name} AS SELECT p.kind, e.value AS row"
    " FROM part p, json_each(CAST(p.body AS TEXT)) e WHERE p.id = '{id}'"
)


def refuse(db: sqlite3.Connection, version: Version, name: str) -> None:
    """Raise BadSetting for a name that something else has."""
    is_taken = db.execute(_NAMED, {"name": name}).fetchone() or name.casefold().startswith("sqlite_")
    if is_taken and not shows(db, version, name):
        raise BadSetting(f"{name!r} is taken: a dataset, a table or another view has it; choose another name")


def show(db: sqlite3.Connection, version: Version, name: str) -> None:
    """Make the view."""
    refuse(db, version, name)
    if not shows(db, version, name):
        db.execute(_view(version, name))


def remove(db: sqlite3.Connection, version: Version, name: str) -> None:
    """Drop the view, if it shows this version."""
    if shows(db, version, name):
        db.execute(f"DROP VIEW {_quoted(name)}")


def shows(db: sqlite3.Connection, version: Version, name: str) -> bool:
    """Tell whether the name is that of a view of this version."""
    return (_view(version, name), 1) in db.execute(_NAMED, {"name": name}).fetchall()


def _view(version: Version, name: str) -> str:
    return _VIEW.format(name=_quoted(name), id=version.id)


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
