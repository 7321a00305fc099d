"""Deletes a dataset: what readers use first, and last the registry, so that what is interrupted is found again."""

from __future__ import annotations

from typing import Any

from luigi_sinks.mariadb import creation, guard
from luigi_sinks.mariadb.names import Names


def drop(cursor: Any, names: Names) -> None:
    """Drop all that the dataset has; each step looks first, so it may be repeated."""
    creation.upgrade(cursor, names)
    views = [names.beside.view, names.add]
    if not creation.is_table(cursor, names.database, names.dataset):  # which an adoption left that did not end
        views.append(names.view)
    cursor.execute(f"DROP VIEW IF EXISTS {', '.join(views)}")
    for procedure in guard.ALL:
        cursor.execute(f"DROP PROCEDURE IF EXISTS {names.procedure(procedure.suffix)}")
    for table in (names.base, names.parts, names.open, names.head, names.log):
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
