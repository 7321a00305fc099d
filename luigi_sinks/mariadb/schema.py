"""Turns a user's columns into the table that holds all versions, and into the contract for rows."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.schema import CreateColumn

from luigi_sinks.columns import Column
from luigi_sinks.contract import Field, TupleShape
from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb import options
from luigi_sinks.mariadb.names import LONGEST, check_name, quoted
from luigi_sinks.mariadb.types import Codec, codec

Columns = sa.Table | Sequence[sa.Column[Any]]

SEQ = "_seq"
IN_KEY = "is in a key"
COMPUTED = "is computed by the server"
READ_BY_COMPUTED = "is read by a computed column"
"""Why a column cannot change."""

_DIALECT = MariaDBDialect(paramstyle="qmark")


@dataclass(frozen=True)
class Schema:
    """The columns of a dataset.

    `columns` maps each column that readers see to its DDL, `described` to the same as
    JSON; `types` maps each that is loaded, which computed ones are not, to its type of
    SQLAlchemy; `optional` are those that may be NULL. `unique` and `indexes` map the
    names of keys to columns, PRIMARY among the unique ones if there is one; `lengths`
    tells how many characters of a column a key holds, where not all. `renamed` maps columns
    to their former names. `stored` maps those that the table holds under another name, since
    they have changed, to that name. `utc` are those that keep times of UTC.
    """

    columns: Mapping[str, str]
    described: Mapping[str, Mapping[str, Any]]
    types: Mapping[str, Any]
    optional: Collection[str]
    unique: Mapping[str, Sequence[str]]
    indexes: Mapping[str, Sequence[str]]
    collation: str = ""
    row_format: str = ""
    lengths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)
    utc: Collection[str] = ()

    @cached_property
    def codecs(self) -> Mapping[str, Codec]:
        """How each column is checked and sent."""
        found = {name: _codec(name, kind) for name, kind in self.types.items()}
        return {name: codec.optional() if name in self.optional else codec for name, codec in found.items()}

    @cached_property
    def shape(self) -> TupleShape:
        """The form of a row."""
        each = tuple(
            Field(name, codec.type, codec.refuse, codec.take, codec.refuse_column, codec.admit)
            for name, codec in self.codecs.items()
        )
        loaded = [key for name, key in self.unique.items() if name != "PRIMARY" and set(key) <= set(self.types)]
        whole = tuple(tuple(key) for key in loaded if not any(key == self.unique.get(name) for name in self.lengths))
        return TupleShape(each, tuple(self.unique.get("PRIMARY", ())), whole)

    @property
    def of_key(self) -> Schema:
        """The columns of the primary key alone, by which rows are looked up; they may repeat."""
        key = self.unique.get("PRIMARY", ())
        return Schema(
            columns={name: self.columns[name] for name in key},
            described={name: self.described[name] for name in key},
            types={name: self.types[name] for name in key},
            optional=(),
            unique={},
            indexes={"key": key},
            collation=self.collation,
        )

    @cached_property
    def declared(self) -> Mapping[str, Any]:
        """All of this as JSON: columns with types in MariaDB's words, keys, collation."""
        unique, indexes = (
            {str(name): [str(column) for column in key] for name, key in keys.items()}
            for keys in (self.unique, self.indexes)
        )
        others = {"row_format": self.row_format, "lengths": self.lengths, "stored": self.stored}
        return {
            "columns": self.described,
            "unique": unique,
            "indexes": indexes,
            "collation": self.collation,
            **{name: value for name, value in others.items() if value},
        }

    @property
    def declared_columns(self) -> Mapping[str, Column]:
        """The types of the columns, and which of them cannot change."""
        computed = {name: each["computed"] for name, each in self.described.items() if "computed" in each}
        fixed = dict.fromkeys(re.findall(r"\w+", " ".join(computed.values())), READ_BY_COMPUTED)
        fixed |= dict.fromkeys(chain(*self.unique.values(), *self.indexes.values()), IN_KEY)
        fixed |= dict.fromkeys(computed, COMPUTED)
        return {
            name: Column(described["type"], fixed.get(name, ""), self.renamed.get(name, ""))
            for name, described in self.described.items()
        }

    def stored_name(self, column: str) -> str:
        """Return how the table calls a column."""
        return self.stored.get(column, column)

    def __reduce__(self) -> Any:
        """Pickle what was given: a codec's functions cannot travel, but are made again."""
        return Schema, tuple(getattr(self, field.name) for field in fields(self))

    def body(self) -> str:
        """Return what follows the table's name in CREATE TABLE.

        The version's number comes first in every key: each version is unique in
        itself, and one key serves one version.
        """
        lines = ",\n  ".join((*self.columns.values(), f"{SEQ} INTEGER UNSIGNED NOT NULL", *self._keys()))
        return " ".join((f"(\n  {lines}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4", *self.options))

    @property
    def options(self) -> list[str]:
        """What is declared of the table itself, as SHOW CREATE TABLE writes it."""
        given = {"COLLATE": self.collation, "ROW_FORMAT": self.row_format}
        return [f"{name}={value}" for name, value in given.items() if value]

    def _keys(self) -> Iterator[str]:
        if "PRIMARY" not in self.unique:
            yield f"KEY {_listed((SEQ,))}"
        for name, columns in self.unique.items():
            kind = "PRIMARY KEY" if name == "PRIMARY" else f"UNIQUE KEY {quoted(name)}"
            yield f"{kind} {_listed((SEQ, *columns), self.lengths.get(name))}"
        for name, columns in self.indexes.items():
            yield f"KEY {quoted(name)} {_listed((SEQ, *columns), self.lengths.get(name))}"


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
    options.refuse_column_options(given)
    keys = _named(sorted(_keys(columns, given)))
    schema = Schema(
        columns={column.name: _ddl(column) for column in given},
        described={str(column.name): _described(column) for column in given},
        types={column.name: column.type for column in given if column.computed is None},
        optional={column.name for column in given if _is_optional(column)},
        unique=_primary(columns, given) | {name: key.columns for name, key in keys.items() if key.is_unique},
        indexes={name: key.columns for name, key in keys.items() if not key.is_unique},
        lengths={name: dict(key.lengths) for name, key in keys.items() if key.lengths},
        renamed=options.former_names(given),
        stored={},
        utc=options.in_utc(given),
        **options.table_options(columns),
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
        advice = "; give it one: String(40)" if "requires a length" in str(error) else ""
        raise BadSetting(f"column {column.name!r}: {error}{advice}") from None


def _primary(columns: Columns, given: Sequence[sa.Column[Any]]) -> dict[str, tuple[str, ...]]:
    in_order = columns.primary_key.columns if isinstance(columns, sa.Table) else given
    key = tuple(column.name for column in in_order if column.primary_key)
    return {"PRIMARY": key} if key else {}


@dataclass(frozen=True, order=True)
class _Key:
    """A key besides the primary one; `name` is empty where the user gave none."""

    is_unique: bool
    columns: tuple[str, ...]
    name: str = ""
    lengths: tuple[tuple[str, int], ...] = ()


def _keys(columns: Columns, given: Sequence[sa.Column[Any]]) -> Iterator[_Key]:
    """Yield the keys but the primary one."""
    if not isinstance(columns, sa.Table):
        _refuse_lost_keys(given)
        yield from (_Key(bool(each.unique), (each.name,)) for each in given if each.unique or each.index)
        return
    for rule in columns.constraints:
        options.refuse_rule_options(rule)
        if isinstance(rule, sa.UniqueConstraint):
            yield _Key(True, tuple(column.name for column in rule.columns), _name(rule.name))
        elif not isinstance(rule, sa.PrimaryKeyConstraint):
            raise BadSetting(f"a {type(rule).__name__} is not supported; test the same in one of the task's checks")
    for index in columns.indexes:
        key = tuple(column.name for column in options.index_columns(index))
        yield _Key(bool(index.unique), key, _name(index.name), tuple(sorted(options.lengths(index).items())))


def _refuse_lost_keys(given: Sequence[sa.Column[Any]]) -> None:
    """Raise BadSetting where columns are taken from a Table whose keys over several columns would be lost."""
    for table in {column.table for column in given if isinstance(column.table, sa.Table)}:
        unique = (rule for rule in table.constraints if isinstance(rule, sa.UniqueConstraint))
        rules: list[sa.Index | sa.UniqueConstraint] = [*table.indexes, *unique]
        for rule in rules:
            if len(rule.columns) > 1 or not any(column.unique or column.index for column in rule.columns):
                raise BadSetting(f"key {rule.name!r} of table {table.name!r} would be lost; give the Table itself")


def _name(given: object) -> str:
    """Return the name that a user gave a key, or an empty string, as for one that a convention made too long."""
    if not isinstance(given, str) or (isinstance(given, sa.sql.elements.conv) and len(given) > LONGEST):
        return ""
    check_name(given, "key")
    if given.casefold() == "primary":
        raise BadSetting(f"key {given!r}: MariaDB calls the primary key so; choose another name")
    return str(given)


def _named(keys: Iterable[_Key]) -> dict[str, _Key]:
    """Return the keys by their names. No name is cut: one that is too long or taken gets a digest of its columns."""
    found: dict[str, _Key] = {}
    taken: set[str] = set()
    for key in sorted(keys, key=lambda each: not each.name):
        name = key.name or _generated(key, taken)
        if name.casefold() in taken:
            raise BadSetting(f"key {name!r} is declared twice: MariaDB ignores the case of names; choose another name")
        taken.add(name.casefold())
        found[name] = key
    return found


def _generated(key: _Key, taken: Collection[str]) -> str:
    plain = "_".join(("uq" if key.is_unique else "ix", *key.columns))
    if len(plain) <= LONGEST and plain.casefold() not in taken:
        return plain
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
    return f"{plain[: LONGEST - 17]}_{digest}"


def _listed(names: Iterable[str], lengths: Mapping[str, int] | None = None) -> str:
    limits = {name: f"({length})" for name, length in (lengths or {}).items()}
    return f"({', '.join(quoted(name) + limits.get(name, '') for name in names)})"
