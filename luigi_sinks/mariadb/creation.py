# ruff: noqa: S608 - names are quoted, values are bound
"""Creates, upgrades and checks a dataset's tables and view.

Separate from the registry because `luigi-sinks create` runs it as the owner. Each step
looks first and changes nothing that exists, so several processes can run it at once.
Where nothing is missing, it needs no right except to create a temporary table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import mariadb

from luigi_sinks import record as rules
from luigi_sinks.errors import BadSetting, Conflict, Forbidden
from luigi_sinks.mariadb import format_1, guard, registry, views
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import ABSENT, FORBIDDEN, NO_SUCH_TABLE, is_refusal, suppressing
from luigi_sinks.mariadb.names import Names, qualified, quoted
from luigi_sinks.mariadb.registry import Registry
from luigi_sinks.mariadb.schema import SEQ, Schema
from luigi_sinks.record import Pointer, Record
from luigi_sinks.version import WHOLE

_TRIES = 3

_COMMENT_OF_PROCEDURE = (
    "SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? AND ROUTINE_NAME = ?"
)

_GAP = 1_000_000
"""How many numbers are left free for loads of an old release that begin while the dataset is upgraded."""


def prepare(cursor: Any, names: Names, schema: Schema, partition: str, record: Record | None = None) -> None:
    """Create what a load of the partition needs, and register its record if one is given.

    Drops and creates again the tables of loads with other columns, if none of them
    published a version. Raises BadSetting if one did, or if the dataset has another kind
    of partitions, Conflict if such a load is running, and Forbidden if this login is not
    permitted to create what is missing.
    """
    _refuse_a_missing_database(cursor, names)
    for _ in range(_TRIES):
        with suppressing({NO_SUCH_TABLE}):  # another process makes the tables again
            with _owners_work(names):
                was_old = _create_missing(cursor, names, schema, partition)
            misfit = _register(cursor, names, schema, partition, record, was_old=was_old)
            if not misfit:
                return
            with _owners_work(names):
                _clear(cursor, names, misfit)
    raise Conflict(f"table {names.dataset!r}: other processes keep replacing its tables; run this again")


def upgrade(cursor: Any, names: Names) -> bool:
    """Move a dataset of format 1 into tables of its own, and make the procedures that are missing.

    Returns whether the dataset was in format 1, as far as this login can see.

    After a crash, call it again: it finishes what is left. Several processes can call it
    at once. Readers see the same version all the time: the view stops
    naming the pointer's column before that is renamed.
    """
    with _owners_work(names):
        was_old = upgrade_format_1(cursor, names)
        if _kind(cursor, names.hidden, names.base_table)[0]:
            _create_guard(cursor, names)
    return was_old


def upgrade_format_1(cursor: Any, names: Names) -> bool:
    """Move a dataset of format 1 into tables of its own; returns what `upgrade` does."""
    tables = format_1.look(cursor, names)
    if tables.are_old:
        _begin_upgrade(cursor, names)
        _end_upgrade(cursor, names)
        return True
    if not tables.has_versions or not (left := format_1.look_again(cursor, names)).was_old:
        return False
    _end_upgrade(cursor, names, is_moved=left.is_moved)
    return True


def _create_guard(cursor: Any, names: Names) -> None:
    """Create what lets loaders do their work and nothing else: see guard.py.

    The last procedure is there only if all else is; the view goes with the table.
    """
    found = rows(cursor, _COMMENT_OF_PROCEDURE, (names.hidden, f"{names.dataset}{guard.ALL[-1].suffix}"))
    is_current = found == [(guard.COMMENT,)]
    if not is_current:
        _create_table(cursor, names.hidden, names.open_table, guard.OPEN)
    if not is_current or _kind(cursor, names.hidden, names.add_view)[0] is None:
        query = guard.view(names, [*views.columns(cursor, names), SEQ])
        cursor.execute(f"CREATE {views.definer(cursor)} VIEW IF NOT EXISTS {names.add} AS {query}")
    if not is_current:
        example = f"INSERT INTO {names.head} (`partition`, epoch) VALUES ('', 0)"  # a row that publications can lock
        cursor.execute(f"{example} ON DUPLICATE KEY UPDATE `partition` = `partition`")
        _renew_records(cursor, names)
        for statement in guard.statements(names, views.definer(cursor), again=bool(found)):
            cursor.execute(statement)


def _renew_records(cursor: Any, names: Names) -> None:
    cursor.execute("START TRANSACTION")
    Registry(names).renew(cursor)
    cursor.execute("COMMIT")


def _begin_upgrade(cursor: Any, names: Names) -> None:
    """Move the records, then rename the pointer's column: from then on the dataset is in the present format."""
    first = f"AUTO_INCREMENT = {format_1.last_seq(cursor, names) + _GAP}"
    _create_table(cursor, names.hidden, names.log_table, f"{registry.LOG} {first}")
    _create_table(cursor, names.hidden, names.part_table, registry.PARTS)
    if (seen := views.shown(cursor, names)) and views.is_whole(seen):
        views.replace(cursor, names, views.of_whole(cursor, names).replace(views.OF_WHOLE, views.OF_ANY))
    format_1.move(cursor, names)
    with suppressing(ABSENT):  # another process renamed it
        wait = "SET STATEMENT lock_wait_timeout = 2 FOR"  # readers queue behind a statement that waits
        rename = f"ALTER TABLE {names.head} RENAME COLUMN part TO `partition`, ALGORITHM = INSTANT"
        cursor.execute(f"{wait} {rename}")


def _end_upgrade(cursor: Any, names: Names, *, is_moved: bool = False) -> None:
    """Move the records that an old release added before the rename, and complete the view."""
    if not is_moved:
        format_1.move(cursor, names)
        _renew_records(cursor, names)
    if (seen := views.shown(cursor, names)) and views.is_whole(seen) and views.SHOWN_OF_WHOLE not in seen:
        views.replace(cursor, names, views.of_whole(cursor, names))


@contextmanager
def _owners_work(names: Names) -> Iterator[None]:
    """Turn a missing permission into a Forbidden that names `luigi-sinks create`."""
    try:
        yield
    except mariadb.Error as error:
        if error.errno not in FORBIDDEN:
            raise
        raise Forbidden(
            f"table {names.dataset!r} must be created or upgraded first, and this login is not permitted to ({error}); "
            "run `luigi-sinks create` as the owner"
        ) from error


def _create_missing(cursor: Any, names: Names, schema: Schema, partition: str) -> bool:
    """Create what is missing. Drop a view whose table is gone, if nothing was published.

    Returns what `upgrade` returns.
    """
    _refuse_a_table_in_the_way(cursor, names)
    was_old = upgrade_format_1(cursor, names)
    if not _has_database(cursor, names.hidden):
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(names.hidden)}")
    _create_table(cursor, names.hidden, names.log_table, registry.LOG)
    _create_table(cursor, names.hidden, names.part_table, registry.PARTS)
    _create_table(cursor, names.database, names.head_table, registry.HEAD)
    # The view is looked at first, as it is created last: another process may be at its first load.
    if views.shown(cursor, names) and _kind(cursor, names.hidden, names.base_table)[0] is None:
        lost = (
            f"{names.base} is missing, or hidden from this login, though versions were published; restore or grant it"
        )
        _refuse_to_clear(Registry(names).records(cursor, None, None), lost)
        cursor.execute(f"DROP VIEW IF EXISTS {names.view}, {names.add}")
    with _refusing_columns(names):
        _create_table(cursor, names.hidden, names.base_table, schema.body())
    if not views.shown(cursor, names):
        query = views.query(names, schema.columns, is_whole=partition == WHOLE)
        cursor.execute(f"CREATE {views.definer(cursor)} VIEW IF NOT EXISTS {names.view} AS {query}")
    _create_guard(cursor, names)
    return was_old


def _register(
    cursor: Any, names: Names, schema: Schema, partition: str, record: Record | None, *, was_old: bool
) -> str:
    """Register the record, and complete records of format 1; return how the tables differ, empty if they fit.

    Until the record is registered, the transaction prevents a DROP of the table.
    """
    with _refusing_columns(names):
        declared = _declared(cursor, names, schema)
    cursor.execute("START TRANSACTION")
    rows(cursor, f"SELECT 1 FROM {names.base} LIMIT 0")
    misfit = _other_columns(names, declared, _definitions(cursor, names.base, schema))
    misfit = misfit or _other_partitions(names, views.shown(cursor, names), partition)
    if record is not None and not misfit:
        Registry(names).add(cursor, record)
    if was_old and not misfit:
        Registry(names).complete(cursor, schema.declared)
    cursor.execute("COMMIT")
    return misfit


def _clear(cursor: Any, names: Names, misfit: str) -> None:
    """Drop the tables of loads that never published, and record that they failed. Raises if any published."""
    log = Registry(names)
    _refuse_to_clear(log.records(cursor, None, None), misfit)
    cursor.execute("SET @idle = @@wait_timeout, SESSION wait_timeout = @@idle_transaction_timeout")  # locked tables too
    cursor.execute(f"LOCK TABLES {names.log} WRITE, {names.log} l WRITE, {names.base} WRITE, {names.parts} WRITE")
    records = log.log(cursor)
    _refuse_to_clear(records, misfit)
    cursor.execute(f"DROP TABLE {names.base}, {names.parts}")
    for record in records:
        failed = rules.fail(rules.abandon(record, Pointer()), Pointer())
        if failed != record:
            log.store(cursor, failed)
    cursor.execute("UNLOCK TABLES")
    cursor.execute("SET SESSION wait_timeout = @idle")


def _refuse_to_clear(records: Collection[Record], misfit: str) -> None:
    if any(record.publications for record in records):
        raise BadSetting(misfit)
    for record in records:
        if record.is_unfinished and record.claim.is_live(record.version.id):
            raise rules.being_loaded(record, f"{misfit}. ")


def _refuse_a_missing_database(cursor: Any, names: Names) -> None:
    if not _has_database(cursor, names.database):
        raise BadSetting(
            f"there is no database {names.database!r} on the server; create it, or correct `database` in luigi.cfg"
        )


def _has_database(cursor: Any, name: str) -> bool:
    return bool(rows(cursor, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", (name,)))


def _refuse_a_table_in_the_way(cursor: Any, names: Names) -> None:
    if is_table(cursor, names.database, names.view_name):
        raise BadSetting(
            f"{names.view} is an ordinary table, and the view for readers must have its name. Adopt its rows by "
            f"`luigi-sinks adopt MODULE TASK`, or choose another table name"
        )


def _create_table(cursor: Any, database: str, name: str, body: str) -> None:
    kind, comment = _kind(cursor, database, name)
    if kind is None:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {qualified(database, name)} {body}")
    elif kind != "BASE TABLE":
        raise BadSetting(
            f"{qualified(database, name)} is a {kind.lower()}, and a table needs this name; choose another table name"
        )
    else:
        registry.refuse_newer(qualified(database, name), comment)


def is_table(cursor: Any, database: str, name: str) -> bool:
    """Tell whether there is a table of this name that is no view."""
    return _kind(cursor, database, name)[0] == "BASE TABLE"


def _kind(cursor: Any, database: str, name: str) -> tuple[str | None, str]:
    """Return the kind of a table, such as BASE TABLE or VIEW, None if there is no such table, and its comment."""
    query = "SELECT TABLE_TYPE, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
    for kind, comment in rows(cursor, query, (database, name)):
        return kind, comment
    return None, ""


@contextmanager
def _refusing_columns(names: Names) -> Iterator[None]:
    try:
        yield
    except mariadb.Error as error:
        if is_refusal(error):
            raise BadSetting(f"table {names.dataset!r}: MariaDB refuses the columns: {error}") from error
        raise


def _declared(cursor: Any, names: Names, schema: Schema) -> dict[str, str]:
    """Return the columns as the server writes them, for which it creates a temporary table."""
    table = qualified(names.hidden, "_declared")
    cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE {table} {schema.body()}")
    try:
        return _definitions(cursor, table, schema)
    finally:
        cursor.execute(f"DROP TEMPORARY TABLE {table}")


def _definitions(cursor: Any, table: str, schema: Schema) -> dict[str, str]:
    """Return the lines of a table's columns and keys, by what they define, and the options that are declared."""
    ((_, statement),) = rows(cursor, f"SHOW CREATE TABLE {table}")
    *lines, last = (line.strip().rstrip(",") for line in statement.splitlines()[1:])
    options = {option: option for option in schema.options if option.casefold() in last.casefold().split()}
    return {"`".join(line.split("`")[:2]): line for line in lines} | options


def _other_columns(names: Names, declared: dict[str, str], existing: dict[str, str]) -> str:
    for what in {**declared, **existing}:
        missing = f"no {what}" + "`" * (what.count("`") % 2)
        wanted, found = declared.get(what, missing), existing.get(what, missing)
        if wanted != found:
            return (
                f"table {names.dataset!r} was loaded with other columns: the task declares {wanted}, the versions that "
                f"are there have {found}. The columns of a table that is loaded cannot be changed yet; "
                "declare them as they are, or choose another table name"
            )
    return ""


def _other_partitions(names: Names, view: str, partition: str) -> str:
    if (partition == WHOLE) == views.is_whole(view):
        return ""
    so_far = "loaded as a whole" if views.is_whole(view) else "partitioned"
    return (
        f"table {names.dataset!r} is {so_far} so far, and readers "
        "would see rows twice or not at all if that changed; keep its partition_by, or choose another table name"
    )
