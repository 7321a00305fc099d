"""Turns a user's columns into the table that holds all versions, and into the contract for rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.schema import CreateColumn

from luigi_sinks.contract import Field, TupleShape
from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.names import check_name, quoted
from luigi_sinks.mariadb.types import Codec, codec

Columns = sa.Table | Sequence[sa.Column[Any]]

SEQ = "_seq"
_DIALECT = MariaDBDialect(paramstyle="qmark")


@dataclass(frozen=True)
class Schema:
    """The columns of a dataset.

    `columns` maps each column that readers see to its DDL, `described` to the same as
    JSON; `types` maps each that is loaded, which computed ones are not, to its type of
    SQLAlchemy; `optional` are those that may be NULL. `unique` and `indexes` map the
    names of keys to columns, PRIMARY among the unique ones if there is one.
    """

    columns: Mapping[str, str]
    described: Mapping[str, Mapping[str, Any]]
    types: Mapping[str, Any]
    optional: Collection[str]
    unique: Mapping[str, Sequence[str]]
    indexes: Mapping[str, Sequence[str]]
    collation: str = ""

    @cached_property
    def codecs(self) -> Mapping[str, Codec]:
        """How each column is checked and sent."""
        found = {name: _codec(name, kind) for name, kind in self.types.items()}
        return {name: codec.optional() if name in self.optional else codec for name, codec in found.items()}

    @cached_property
    def shape(self) -> TupleShape:
        """The form of a row."""
        each = tuple(Field(name, codec.type, codec.refuse) for name, codec in self.codecs.items())
        return TupleShape(each, tuple(self.unique.get("PRIMARY", ())))

    @cached_property
    def declared(self) -> Mapping[str, Any]:
        """All of this as JSON: columns with types in MariaDB's words, keys, collation."""
        unique, indexes = (
            {str(name): [str(column) for column in key] for name, key in keys.items()}
            for keys in (self.unique, self.indexes)
        )
        return {"columns": self.described, "unique": unique, "indexes": indexes, "collation": self.collation}

    def __reduce__(self) -> Any:
        """Pickle what was given: a codec's functions cannot travel, but are made again."""
        return Schema, tuple(getattr(self, field.name) for field in fields(self))

    def body(self) -> str:
        """Return what follows the table's name in CREATE TABLE.

        The version's number comes first in every key: each version is unique in
        itself, and one key serves one version.
        """
        lines = ",\n  ".join((*self.columns.values(), f"{SEQ} INTEGER UNSIGNED NOT NULL", *self._keys()))
        collation = f" COLLATE={self.collation}" if self.collation else ""
        return f"(\n  {lines}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4{collation}"

    def _keys(self) -> Iterator[str]:
        if "PRIMARY" not in self.unique:
            yield f"KEY {_listed((SEQ,))}"
        for name, columns in self.unique.items():
            kind = "PRIMARY KEY" if name == "PRIMARY" else f"UNIQUE KEY {quoted(name)}"
            yield f"{kind} {_listed((SEQ, *columns))}"
        for name, columns in self.indexes.items():
            yield f"KEY {quoted(name)} {_listed((SEQ, *columns))}"


def parse_schema(dataset: str, columns: Columns) -> Schema:
    """Return what SQLAlchemy columns or a Table mean. Raises BadSetting that names the first that cannot work.

    Example:
        >>> from sqlalchemy import Column, Integer, String
        >>> schema = parse_schema("flights", [Column("id", Integer, primary_key=True), Column("carrier", String(2))])
        >>> schema.declared["columns"]["carrier"]
        {'type': 'VARCHAR(2)', 'nullable': True}

    """
    try:
        return _parse(columns, _given(columns))
    except BadSetting as error:
        raise BadSetting(f"table {dataset!r}: {error}") from None


def _parse(columns: Columns, given: Sequence[sa.Column[Any]]) -> Schema:
    _refuse_names([column.name for column in given])
    _refuse_constraints(columns, given)
    keys = sorted(_keys(columns, given))
    schema = Schema(
        columns={column.name: _ddl(column) for column in given},
        described={str(column.name): _described(column) for column in given},
        types={column.name: column.type for column in given if column.computed is None},
        optional={column.name for column in given if _is_optional(column)},
        unique=_primary(columns, given) | {name: key for is_unique, key, name in keys if is_unique},
        indexes={name: key for is_unique, key, name in keys if not is_unique},
        collation=_collation(columns),
    )
    if not schema.codecs:
        raise BadSetting("all columns are computed, so there is nothing to load; add one that is not")
    return schema


def _given(columns: Any) -> list[sa.Column[Any]]:
    given = list(columns.columns if isinstance(columns, sa.Table) else columns or ())
    if given and all(isinstance(column, sa.Column) for column in given):
        return given
    raise BadSetting(
        f"columns must be SQLAlchemy's, [Column('id', Integer, primary_key=True), ...], or a Table, not {columns!r}"
    )


def _refuse_names(names: Sequence[str]) -> None:
    folded = Counter(name.casefold() for name in names)
    for name in names:
        check_name(name, "column")
        if name.casefold() == SEQ:
            raise BadSetting(f"column {name!r}: the name is reserved for the version's number")
        if folded[name.casefold()] > 1:
            raise BadSetting(f"column {name!r} is declared twice: MariaDB ignores the case of column names")


def _refuse_constraints(columns: Columns, given: Sequence[sa.Column[Any]]) -> None:
    for column in given:
        for key in column.foreign_keys:
            raise BadSetting(
                f"column {column.name!r} has a foreign key to {key.target_fullname}, which versions cannot keep; "
                "remove it, and test the same in one of the task's checks"
            )
    rules = chain(
        columns.constraints if isinstance(columns, sa.Table) else (), *(column.constraints for column in given)
    )
    for rule in rules:
        if isinstance(rule, sa.CheckConstraint):
            raise BadSetting(f"CHECK ({rule.sqltext}) is not supported; test the same in one of the task's checks")


def _codec(name: str, kind: Any) -> Codec:
    try:
        return codec(kind)
    except BadSetting as error:
        raise BadSetting(f"column {name!r}: {error}") from None


def _is_optional(column: sa.Column[Any]) -> bool:
    return bool(column.nullable) and not column.primary_key


def _described(column: sa.Column[Any]) -> dict[str, Any]:
    """Describe a column as JSON; what later compares or makes a table by it must check each value."""
    found = {"type": column.type.compile(dialect=_DIALECT), "nullable": _is_optional(column)}
    if column.computed is not None:
        found |= {"computed": str(column.computed.sqltext), "persisted": bool(column.computed.persisted)}
    return found | ({"comment": column.comment} if column.comment else {})


def _ddl(column: sa.Column[Any]) -> str:
    """Return the DDL of a copy that belongs to no table and has no AUTO_INCREMENT."""
    computed = [] if column.computed is None else [sa.Computed(column.computed.sqltext, column.computed.persisted)]
    copy: sa.Column[Any] = sa.Column(
        column.name, column.type, *computed, nullable=_is_optional(column), autoincrement=False, comment=column.comment
    )
    try:
        return str(CreateColumn(copy).compile(dialect=_DIALECT))
    except sa.exc.CompileError as error:
        raise BadSetting(f"column {column.name!r}: {error}") from None


def _primary(columns: Columns, given: Sequence[sa.Column[Any]]) -> dict[str, tuple[str, ...]]:
    in_order = columns.primary_key.columns if isinstance(columns, sa.Table) else given
    key = tuple(column.name for column in in_order if column.primary_key)
    return {"PRIMARY": key} if key else {}


def _keys(columns: Columns, given: Sequence[sa.Column[Any]]) -> Iterator[tuple[bool, tuple[str, ...], str]]:
    """Yield whether a key is unique, its columns and its name; not the primary key."""
    if not isinstance(columns, sa.Table):
        for column in given:
            if column.unique or column.index:
                yield _key(bool(column.unique), (column,), None)
        return
    for rule in columns.constraints:
        if isinstance(rule, sa.UniqueConstraint):
            yield _key(True, rule.columns, rule.name)
    for index in columns.indexes:
        if len(index.expressions) != len(index.columns):
            raise BadSetting(
                f"index {index.name!r} is on an expression, which MariaDB cannot do; index a computed column"
            )
        yield _key(bool(index.unique), index.columns, index.name)


def _key(is_unique: bool, columns: Iterable[sa.Column[Any]], name: object) -> tuple[bool, tuple[str, ...], str]:
    names = tuple(column.name for column in columns)
    given = name if isinstance(name, str) else "_".join(("uq" if is_unique else "ix", *names))[:64]
    return is_unique, names, given


def _collation(columns: Columns) -> str:
    options = columns.kwargs if isinstance(columns, sa.Table) else {}
    return str(options.get("mariadb_collate") or options.get("mysql_collate") or "")


def _listed(names: Iterable[str]) -> str:
    return f"({', '.join(map(quoted, names))})"
