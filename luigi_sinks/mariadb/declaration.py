"""Writes an ordinary table as Python to paste into a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from luigi_sinks.declaration import Declaration
from luigi_sinks.mariadb.connection import run
from luigi_sinks.mariadb.names import check_name
from luigi_sinks.mariadb.reflection import reflect
from luigi_sinks.mariadb.settings import MariaDBSettings


def declare(settings: MariaDBSettings, table: str) -> Declaration:
    """Return the declaration of a table. Raises BadSetting if there is no ordinary table of this name."""
    check_name(table, "table")
    found = run(settings, reflect, settings.database, table)
    return Declaration(as_python(found.table), found.undeclared)


def as_python(table: sa.Table) -> str:
    """Return the attributes `table` and `columns` of a task.

    Example:
        >>> from sqlalchemy import Column, Integer, MetaData, Table
        >>> print(as_python(Table("orders", MetaData(), Column("id", Integer, primary_key=True))))
        from sqlalchemy import Column, Integer, MetaData, Table
        <BLANKLINE>
        table = 'orders'
        columns = Table(
            'orders',
            MetaData(),
            Column('id', Integer(), primary_key=True),
        )

    """
    unique = sorted(
        (each for each in table.constraints if isinstance(each, sa.UniqueConstraint)), key=lambda each: str(each.name)
    )
    lines = [repr(table.name), "MetaData()", *map(_column, table.columns), *_primary(table)]
    lines += [f"UniqueConstraint({_names(each)}, name={each.name!r})" for each in unique]
    lines += [_index(each) for each in sorted(table.indexes, key=lambda each: str(each.name))]
    lines += [f"{name}={value!r}" for name, value in sorted(table.dialect_kwargs.items())]
    body = "".join(f"    {line},\n" for line in lines)
    return f"{_imports(table, body)}\n\ntable = {table.name!r}\ncolumns = Table(\n{body})"


def _column(column: sa.Column[Any]) -> str:
    parts = [repr(column.name), _type(column.type)]
    if (computed := column.computed) is not None:
        parts.append(f"Computed({str(computed.sqltext)!r}, persisted={computed.persisted})")
    parts += ["primary_key=True"] if column.primary_key else [] if column.nullable else ["nullable=False"]
    parts += [f"comment={column.comment!r}"] if column.comment else []
    return f"Column({', '.join(parts)})"


def _type(kind: Any) -> str:
    is_dialects = type(kind).__module__.startswith("sqlalchemy.dialects")
    return f"mysql.{kind!r}" if is_dialects else repr(kind)


def _primary(table: sa.Table) -> Iterator[str]:
    """Yield the primary key where its columns do not come in their own order."""
    if table.primary_key.columns.keys() != [column.name for column in table.columns if column.primary_key]:
        yield f"PrimaryKeyConstraint({_names(table.primary_key)})"


def _index(index: sa.Index) -> str:
    options = [f"unique={index.unique}"] if index.unique else []
    options += [f"{name}={value!r}" for name, value in index.dialect_kwargs.items() if value]
    return f"Index({', '.join([repr(index.name), _names(index), *options])})"


def _names(key: Any) -> str:
    return ", ".join(repr(column.name) for column in key.columns)


def _imports(table: sa.Table, body: str) -> str:
    plain = {type(column.type) for column in table.columns if not _type(column.type).startswith("mysql.")}
    keys = (sa.Computed, sa.PrimaryKeyConstraint, sa.UniqueConstraint, sa.Index)
    others = {each.__name__ for each in keys if f"{each.__name__}(" in body}
    known = sorted({"Column", "MetaData", "Table", *others, *(each.__name__ for each in plain)})
    dialect = ["from sqlalchemy.dialects import mysql"] if "mysql." in body else []
    return "\n".join([f"from sqlalchemy import {', '.join(known)}", *dialect])
