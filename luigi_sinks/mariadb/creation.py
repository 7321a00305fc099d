# ruff: noqa: S608 - names are quoted, values are bound
"""Creates, upgrades and checks a dataset's tables and view.

Separate from the registry because `luigi-sinks create` runs it as the owner. Each step
looks first and changes nothing that exists, so several processes can run it at once.
Where nothing is missing, it needs no right except to create a temporary table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import mariadb

from luigi_sinks import columns
from luigi_sinks import record as rules
from luigi_sinks.errors import BadSetting, Conflict, Forbidden
from luigi_sinks.mariadb import changing, format_1, guard, layout, registry, views
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import ABSENT, FORBIDDEN, NO_SUCH_TABLE, is_refusal, suppressing
from luigi_sinks.mariadb.layout import Layout
from luigi_sinks.mariadb.names import Names, qualified, quoted
from luigi_sinks.mariadb.registry import Registry
from luigi_sinks.mariadb.schema import SEQ, Schema
from luigi_sinks.record import Pointer, Record
from luigi_sinks.version import WHOLE

_TRIES = 3

_COMMENT_OF_PROCEDURE = (
    "SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? AND ROUTINE_NAME = ?"
)

_COLUMN = "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME = ?"

_GAP = 1_000_000
"""How many numbers are left free for loads of an old release that begin while the dataset is upgraded."""


def prepare(
    cursor: Any,
    names: Names,
    schema: Schema,
    partition: str,
    record: Record | None = None,
    *,
    allow_change: Collection[str] = (),
) -> None:
    """Create what a load of the partition needs, and register its record if one is given.

    Where loads had other columns, changes the tables in place, or drops and creates them
    again if no version was published. Raises BadSetting for a change that is not possible
    or not allowed, or if rows of the record's base cannot be kept, see `luigi_sinks.columns`,
    or if the dataset has another kind of partitions, Conflict if such a load is running, and
    Forbidden if this login is not permitted to create or change what is needed.
    """
    _refuse_a_missing_database(cursor, names)
    for _ in range(_TRIES):
        with suppressing({NO_SUCH_TABLE}):  # another process makes the tables again
            with _owners_work(names):
                was_old, seen = _create_missing(cursor, names, schema, partition)
            with _refusing_columns(names):
                declared = layout_of(cursor, names.hidden, schema)
            if record is not None and record.base:
                base = Registry(names).record(cursor, replace(record.version, id=record.base))
                changing.refuse_to_keep(base, schema, seen, declared)
            if seen.takes(declared) and _is_registered(cursor, names, schema, partition, record, seen, was_old=was_old):
                return
            with _owners_work(names), _refusing_columns(names):
                _adapt(cursor, names, schema, partition, declared, allow_change)
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
        _add_digest(cursor, names)
    _create_view_to_add(cursor, names)
    if not is_current:
        example = f"INSERT INTO {names.head} (`partition`, epoch) VALUES ('', 0)"  # a row that publications can lock
        cursor.execute(f"{example} ON DUPLICATE KEY UPDATE `partition` = `partition`")
        _renew_records(cursor, names)
        for statement in guard.statements(names, views.definer(cursor), again=bool(found)):
            cursor.execute(statement)


def _add_digest(cursor: Any, names: Names) -> None:
    """Give the table of parts of an earlier release the column for their digests."""
    if not rows(cursor, _COLUMN, (names.hidden, names.part_table, "digest")):
        added = f"ADD COLUMN IF NOT EXISTS {registry.DIGEST}, ALGORITHM = INSTANT"
        cursor.execute(f"{views.BRIEFLY} ALTER TABLE {names.parts} {added}")


def _create_view_to_add(cursor: Any, names: Names) -> None:
    """Create the view that rows are added through, or replace it where the table has other columns by now."""
    held = views.columns(cursor, names)
    view = f"{names.add} AS {guard.view(names, [*held, SEQ])}"
    if _kind(cursor, names.hidden, names.add_view)[0] is None:
        cursor.execute(f"CREATE {views.definer(cursor)} VIEW IF NOT EXISTS {view}")
    elif set(views.columns(cursor, names, names.add_view)) != set(held):
        with changing.alone(cursor, names):
            view = f"{names.add} AS {guard.view(names, [*views.columns(cursor, names), SEQ])}"
            cursor.execute(f"{views.BRIEFLY} CREATE OR REPLACE {views.definer(cursor)} VIEW {view}")


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


def _create_missing(cursor: Any, names: Names, schema: Schema, partition: str) -> tuple[bool, Layout]:
    """Create what is missing, and views of the columns that the table has. Drop a view whose table is gone.

    Returns what `upgrade` returns, and the columns.
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
    seen = layout.read(cursor, names.base, schema)
    if not (shown := views.shown(cursor, names)):
        query = views.query(names, seen.selected, is_whole=partition == WHOLE)
        cursor.execute(f"CREATE {views.definer(cursor)} VIEW IF NOT EXISTS {names.view} AS {query}")
    elif not _shows(seen, shown):
        seen = _complete_view(cursor, names, schema)
    _create_guard(cursor, names)
    return was_old, seen


def _shows(seen: Layout, shown: str) -> bool:
    return f"select {seen.selected} from" in shown


def _complete_view(cursor: Any, names: Names, schema: Schema) -> Layout:
    """Have the view show the columns that the table has, which nobody changes meanwhile; return them."""
    with changing.alone(cursor, names):
        seen, shown = layout.read(cursor, names.base, schema), views.shown(cursor, names)
        if not _shows(seen, shown):
            views.replace(cursor, names, views.query(names, seen.selected, is_whole=views.is_whole(shown)))
    return seen


def _is_registered(
    cursor: Any, names: Names, schema: Schema, partition: str, record: Record | None, seen: Layout, *, was_old: bool
) -> bool:
    """Register the record, and complete records of format 1, if the table still has the columns and fits the partition.

    Until the record is registered, the transaction prevents a DROP and a change of the table.
    """
    cursor.execute("START TRANSACTION")
    rows(cursor, f"SELECT 1 FROM {names.base} LIMIT 0")
    fits = layout.read(cursor, names.base, schema) == seen
    fits = fits and not _other_partitions(names, views.shown(cursor, names), partition)
    if record is not None and fits:
        stored = {"stored": seen.names} if seen.names else {}
        Registry(names).add(cursor, replace(record, schema={**record.schema, **stored}))
    if was_old and fits:
        Registry(names).complete(cursor, schema.declared)
    cursor.execute("COMMIT")
    return fits


def _adapt(
    cursor: Any, names: Names, schema: Schema, partition: str, declared: Layout, allow_change: Collection[str]
) -> None:
    """Make the tables fit: in place, or again if nothing was published. Raises BadSetting if they cannot be made to."""
    misfit = _other_partitions(names, views.shown(cursor, names), partition)
    found = layout.read(cursor, names.base, schema)
    if not misfit and found.takes(declared):
        return  # another process changed them
    is_published = any(record.publications for record in Registry(names).records(cursor, None, None))
    if is_published and not misfit:
        changing.change(cursor, names, schema, declared, allow_change)
    else:
        differs, *_ = *map(str, columns.changes(found.columns, declared.columns)), "its keys differ"
        _clear(cursor, names, misfit or f"table {names.dataset!r} is loaded otherwise: {differs}")


def _clear(cursor: Any, names: Names, misfit: str) -> None:
    """Drop the tables of loads that never published, and record that they failed. Raises if any published."""
    log = Registry(names)
    _refuse_to_clear(log.records(cursor, None, None), misfit)
    tables = f"{names.log} WRITE, {names.log} l WRITE, {names.base} WRITE, {names.parts} WRITE"
    with changing.locked(cursor, tables):
        records = log.log(cursor)
        _refuse_to_clear(records, misfit)
        cursor.execute(f"DROP TABLE {names.base}, {names.parts}")
        for record in records:
            failed = rules.fail(rules.abandon(record, Pointer()), Pointer())
            if failed != record:
                log.store(cursor, failed)


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
        if is_refusal(error) and error.errno != NO_SUCH_TABLE:
            raise BadSetting(f"table {names.dataset!r}: MariaDB refuses the columns: {error}") from error
        raise


def layout_of(cursor: Any, database: str, schema: Schema) -> Layout:
    """Return the columns as the server writes them, for which it creates a temporary table."""
    table = qualified(database, "_declared")
    cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE {table} {schema.body()}")
    try:
        return layout.read(cursor, table, schema)
    finally:
        cursor.execute(f"DROP TEMPORARY TABLE {table}")


def _other_partitions(names: Names, view: str, partition: str) -> str:
    if (partition == WHOLE) == views.is_whole(view):
        return ""
    so_far = "loaded as a whole" if views.is_whole(view) else "partitioned"
    return (
        f"table {names.dataset!r} is {so_far} so far, and readers "
        "would see rows twice or not at all if that changed; keep its partition_by, or choose another table name"
    )
