"""Makes a dataset's tables and view when it is first loaded, and refuses what stands in their way.

Every step looks first and leaves alone what is there: several processes may take it at
once, and where all is there it takes no right to create anything but a temporary table.
"""

from __future__ import annotations

from typing import Any

import mariadb

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb import registry
from luigi_sinks.mariadb.connection import is_refusal, rows
from luigi_sinks.mariadb.names import Names, qualified, quoted
from luigi_sinks.mariadb.schema import Schema
from luigi_sinks.version import WHOLE


def create(cursor: Any, names: Names, schema: Schema, partition: str) -> None:
    """Make what is missing for a load of the partition; raises BadSetting for what cannot be."""
    _refuse_a_missing_database(cursor, names)
    _refuse_a_table_in_the_way(cursor, names)
    _create_database(cursor, names.hidden)
    _create_table(cursor, names.hidden, "_versions", registry.VERSIONS)
    _create_table(cursor, names.hidden, "_parts", registry.PARTS)
    _create_table(cursor, names.database, names.head_table, registry.HEAD)
    _create_base(cursor, names, schema)
    _create_view(cursor, names, schema, partition)


def _refuse_a_missing_database(cursor: Any, names: Names) -> None:
    if not _has_database(cursor, names.database):
        raise BadSetting(
            f"there is no database {names.database!r} on the server; create it, or mend `database` in luigi.cfg"
        )


def _create_database(cursor: Any, name: str) -> None:
    if not _has_database(cursor, name):
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(name)}")


def _has_database(cursor: Any, name: str) -> bool:
    return bool(rows(cursor, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", (name,)))


def _create_table(cursor: Any, database: str, name: str, body: str) -> None:
    kind = _kind(cursor, database, name)
    if kind is None:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {qualified(database, name)} {body}")
    elif kind != "BASE TABLE":
        raise BadSetting(f"{qualified(database, name)} is a {kind.lower()} where a table must be; take another name")


def _create_base(cursor: Any, names: Names, schema: Schema) -> None:
    try:
        _create_table(cursor, names.hidden, names.base_table, schema.body())
        declared = _declared(cursor, names, schema)
    except mariadb.Error as error:
        if is_refusal(error):
            raise BadSetting(f"table {names.dataset!r}: MariaDB refuses the columns: {error}") from error
        raise
    _refuse_other_columns(names, declared, _definitions(cursor, names.base))


def _declared(cursor: Any, names: Names, schema: Schema) -> dict[str, str]:
    """Let the server itself say how it understands the columns: as it would of the table that is there."""
    table = qualified(names.hidden, "_declared")
    cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE {table} {schema.body()}")
    try:
        return _definitions(cursor, table)
    finally:
        cursor.execute(f"DROP TEMPORARY TABLE {table}")


def _definitions(cursor: Any, table: str) -> dict[str, str]:
    """Return the lines of a table's columns and keys, by what they define."""
    ((_, statement),) = rows(cursor, f"SHOW CREATE TABLE {table}")
    lines = [line.strip().rstrip(",") for line in statement.splitlines()[1:-1]]
    return {"`".join(line.split("`")[:2]): line for line in lines}


def _refuse_other_columns(names: Names, declared: dict[str, str], existing: dict[str, str]) -> None:
    for what in {**declared, **existing}:
        wanted, found = declared.get(what, f"no {what}`"), existing.get(what, f"no {what}`")
        if wanted != found:
            raise BadSetting(
                f"table {names.dataset!r} was loaded with other columns: the task declares {wanted}, the versions that "
                f"are there have {found}. The columns of a table that is loaded cannot be changed yet; "
                "declare them as they are, or take another table name"
            )


def _refuse_a_table_in_the_way(cursor: Any, names: Names) -> None:
    if _kind(cursor, names.database, names.dataset) == "BASE TABLE":
        raise BadSetting(
            f"{names.view} is an ordinary table, and the view for readers must have its name. Adopting a table comes "
            f"later; until then take another table name, or rename it: RENAME TABLE {names.view} TO ..."
        )


def _create_view(cursor: Any, names: Names, schema: Schema, partition: str) -> None:
    whole = partition == WHOLE
    if _kind(cursor, names.database, names.dataset) is None:
        definer = "DEFINER = CURRENT_ROLE " if _has_role(cursor) else ""  # a view must outlive whoever made it
        cursor.execute(f"CREATE {definer}VIEW IF NOT EXISTS {names.view} AS {schema.view(names, whole=whole)}")
    ((definition,),) = rows(
        cursor,
        "SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
        (names.database, names.dataset),
    )
    if names.head not in definition:
        raise BadSetting(f"{names.view} is a view of somebody else's; take another table name, or rename or drop it")
    if whole != (f"'{WHOLE}'" in definition):
        raise BadSetting(
            f"table {names.dataset!r} is {'partitioned' if whole else 'loaded as a whole'} so far, and readers would "
            "see rows twice or not at all if that changed; keep to its partition_by, or take another table name"
        )


def _has_role(cursor: Any) -> bool:
    ((role,),) = rows(cursor, "SELECT CURRENT_ROLE()")
    return role is not None


def _kind(cursor: Any, database: str, name: str) -> str | None:
    """Return BASE TABLE, VIEW or the like, or None if there is nothing of the name."""
    found = rows(
        cursor,
        "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
        (database, name),
    )
    return str(found[0][0]) if found else None
