# ruff: noqa: S608 - names are quoted
"""Changes the columns of a table that holds published versions: in place, each in an instant.

Nothing is taken from the table, so the view of the readers stays right until `creation`
replaces it. Who waits for a lock keeps later readers waiting, so each wait is short, and
the load is retried for as long as its patience.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import mariadb

from luigi_sinks import columns
from luigi_sinks.errors import BadSetting, Unavailable
from luigi_sinks.mariadb import layout, reader
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import NOT_INSTANT
from luigi_sinks.mariadb.layout import Layout, Stored
from luigi_sinks.mariadb.names import LONGEST, Names
from luigi_sinks.mariadb.registry import Registry
from luigi_sinks.mariadb.schema import Schema
from luigi_sinks.mariadb.views import BRIEFLY
from luigi_sinks.record import Record

_PATIENCE = 10
"""How many seconds to wait for another process that changes columns, which takes far less."""


def change(cursor: Any, names: Names, schema: Schema, declared: Layout, allowed: Collection[str]) -> None:
    """Make the table take rows of the declared columns; after a crash, call it again.

    Raises BadSetting for a change of keys, and as `luigi_sinks.columns.refuse` does.
    """
    wanted = _wanted(schema, declared)
    admitted = partial(_admitted, cursor, names, schema, declared.keys, wanted, allowed)
    admitted()
    Registry(names).complete(cursor, reader.existing_schema(cursor, names))
    # Until it is done, no version gets a number.
    with alone(cursor, names), locked(cursor, f"{names.log} WRITE, {names.base} WRITE"):
        found = admitted()
        _rename(cursor, names, found, columns.renamed(found.columns, wanted))
        found = layout.read(cursor, names.base, schema)
        ((last,),) = rows(cursor, f"SELECT MAX(seq) FROM {names.log}")
        number = last + 1
        for name, held in found.shown.items():
            if name not in declared.shown:
                _alter(cursor, names, [_modified(held.ended(number))])
        for name, stored in declared.shown.items():
            _hold(cursor, names, found, name, stored, number)


def refuse_to_keep(base: Record, schema: Schema, found: Layout, declared: Layout) -> None:
    """Raise BadSetting as `luigi_sinks.columns.refuse_to_keep` does, of a version in a table that may change yet."""
    wanted = _wanted(schema, declared)
    former = columns.renamed(found.columns, wanted)
    holding = {name: found.holding(former.get(name, name), base.seq) for name in schema.codecs}
    columns.refuse_to_keep(
        base.version,
        {name: columns.Column(stored.type) for name, stored in holding.items() if stored},
        {name: wanted[name] for name in schema.codecs},
        [name for name, stored in declared.shown.items() if not stored.is_nullable],
    )


def _wanted(schema: Schema, declared: Layout) -> columns.Columns:
    """Return the declared columns with their former names."""
    return {name: replace(each, renamed_from=schema.renamed.get(name, "")) for name, each in declared.columns.items()}


@contextmanager
def alone(cursor: Any, names: Names) -> Iterator[None]:
    """Keep others from changing the columns, and the views of them: one that is late would undo the change in a view.

    Raises Unavailable if another process is at it for long. An error ends the connection, and so the lock.
    """
    lock = f"luigi_sinks {hashlib.sha256(names.base.encode()).hexdigest()[:40]}"
    if rows(cursor, f"SELECT GET_LOCK('{lock}', {_PATIENCE})") != [(1,)]:
        raise Unavailable(f"table {names.dataset!r}: another process is changing its columns; run this again")
    yield
    cursor.execute(f"DO RELEASE_LOCK('{lock}')")


@contextmanager
def locked(cursor: Any, tables: str) -> Iterator[None]:
    """Keep all others away from tables. An error ends the connection, and so the locks."""
    cursor.execute("SET @idle = @@wait_timeout, SESSION wait_timeout = @@idle_transaction_timeout")  # locked tables too
    cursor.execute(f"{BRIEFLY} LOCK TABLES {tables}")
    yield
    cursor.execute("UNLOCK TABLES")
    cursor.execute("SET SESSION wait_timeout = @idle")


def _admitted(
    cursor: Any,
    names: Names,
    schema: Schema,
    keys: Mapping[str, str],
    wanted: columns.Columns,
    allowed: Collection[str],
) -> Layout:
    """Return the layout of the table, which may get these columns. Raises BadSetting as `change` does."""
    found = layout.read(cursor, names.base, schema)
    columns.refuse(names.dataset, found.columns, wanted, allowed)
    for what in {**keys, **found.keys}:
        missing = f"no {what}" + "`" * (what.count("`") % 2)
        here, there = keys.get(what, missing), found.keys.get(what, missing)
        if here != there:
            raise BadSetting(
                f"table {names.dataset!r} was loaded with other keys: the task declares {here}, the versions that are "
                f"there have {there}. Keys of a table that is loaded cannot change; declare them as they are, or "
                "choose another table name"
            )
    return found


def _rename(cursor: Any, names: Names, found: Layout, former: Mapping[str, str]) -> None:
    """Let readers see columns under new names; what went before under such a name is seen no more."""
    for name, old in former.items():
        before = [each.renamed("") for each in found.history(name)]
        moved = [each.renamed(name) for each in found.history(old)]
        _alter(cursor, names, list(map(_modified, before + moved)))


def _hold(cursor: Any, names: Names, found: Layout, name: str, wanted: Stored, number: int) -> None:
    """Make the table hold a declared column: as it is, changed in place, or beside the one that held it so far."""
    held = found.shown.get(name)
    if held is None:
        _alter(cursor, names, [_added(found, name, wanted, number)])
    elif not held.takes(wanted):
        try:
            _alter(cursor, names, [_modified(held.become(wanted))])
        except mariadb.Error as error:
            if error.errno not in NOT_INSTANT:
                raise
            _alter(cursor, names, [_added(found, name, wanted, number), _modified(held.unloaded)])


def _added(found: Layout, name: str, wanted: Stored, number: int) -> str:
    """Return the clause for a new column. Rows of older versions have no value for it, so it can be NULL."""
    taken = {each.name.casefold() for each in found.stored}
    free = name if name.casefold() not in taken else f"_{number}_{name}"[:LONGEST]
    while free.casefold() in taken:
        free = f"_{free}"[:LONGEST]
    return f"ADD {wanted.added(free, number).ddl}"


def _modified(stored: Stored) -> str:
    return f"MODIFY {stored.ddl}"


def _alter(cursor: Any, names: Names, clauses: Sequence[str]) -> None:
    statement = f"ALTER TABLE {names.base} {', '.join(clauses)}, ALGORITHM = INSTANT"
    if "?" in statement:  # driver 1.1 takes some that are quoted for placeholders
        statement = f"EXECUTE IMMEDIATE CONVERT(X'{statement.encode().hex()}' USING utf8mb4)"
    cursor.execute(statement)
