"""An ordinary table as it is: its columns and keys in SQLAlchemy's words, and what versions cannot keep of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.names import qualified, quoted
from luigi_sinks.mariadb.options import ROW_FORMATS
from luigi_sinks.mariadb.types import codec

_COLUMNS = """
SELECT c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE = 'YES', c.COLUMN_DEFAULT, c.EXTRA, c.COLUMN_COMMENT,
  c.GENERATION_EXPRESSION, NULLIF(c.COLLATION_NAME, COLLATION(CONVERT('' USING utf8mb4))), k.CONSTRAINT_NAME IS NOT NULL
FROM information_schema.COLUMNS c
LEFT JOIN information_schema.CHECK_CONSTRAINTS k
  ON k.CONSTRAINT_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME
  AND k.CONSTRAINT_NAME = c.COLUMN_NAME AND k.CHECK_CLAUSE LIKE 'json_valid(%'
WHERE c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ? ORDER BY c.ORDINAL_POSITION"""

_KEYS = """
SELECT INDEX_NAME, NON_UNIQUE, INDEX_TYPE, COLUMN_NAME, SUB_PART, COLLATION FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"""

_RULES = """
SELECT CONCAT('foreign key ', CONSTRAINT_NAME, ' to ', REFERENCED_TABLE_NAME)
  FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?
UNION ALL SELECT CONCAT('check ', CONSTRAINT_NAME, ': ', CHECK_CLAUSE)
  FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?
  AND CHECK_CLAUSE NOT LIKE 'json_valid(%'
UNION ALL SELECT CONCAT('trigger ', TRIGGER_NAME) FROM information_schema.TRIGGERS
  WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?
UNION SELECT CONCAT('PARTITION BY ', PARTITION_METHOD, ' (', COALESCE(PARTITION_EXPRESSION, ''), ')')
  FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND PARTITION_METHOD IS NOT NULL
ORDER BY 1"""

_TABLE = """
SELECT ENGINE, CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES
WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND TABLE_TYPE = 'BASE TABLE'"""

_KIND = re.compile(r"(?P<word>\w+)(?:\((?P<given>.*)\))?(?P<unsigned> unsigned)?(?P<zerofill> zerofill)?")
_OPTION = re.compile(r"([\w`]+)(?:=('(?:[^']|'')*'|\S+))?")
_BOOLEAN = "tinyint(1)"
_MEMBER = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True)
class Reflection:
    """A table as it is: `table` is what can be declared, `undeclared` what cannot; `unknown` are columns of that."""

    table: sa.Table
    undeclared: tuple[str, ...]
    unknown: tuple[str, ...]


def reflect(cursor: Any, database: str, name: str) -> Reflection:
    """Return what a table is. Raises BadSetting if there is no ordinary table of this name."""
    place = (database, name)
    tables = rows(cursor, _TABLE, place)
    if not tables:
        raise BadSetting(f"{qualified(*place)} is not an ordinary table, or is hidden from this login")
    ((engine, created_with, comment),) = tables
    kept, not_kept = _options(created_with)
    found = list(_columns(cursor, place))
    keys = {name: list(parts) for name, parts in groupby(rows(cursor, _KEYS, place), lambda row: row[0])}
    descending = [(key, row[3]) for key, parts in keys.items() for row in parts if row[5] == "D"]
    parts = keys.pop("PRIMARY", [])
    cut = [f"{row[3]}({row[4]})" for row in parts if row[4]]
    primary = [] if cut else [row[3] for row in parts]
    columns = (each.declared(primary) for each in found if each.type is not None)
    table = sa.Table(name, sa.MetaData(), *columns, **kept)
    if primary:
        table.append_constraint(sa.PrimaryKeyConstraint(*primary))  # whose order may be another than the columns'
    undeclared = [f"engine {engine}"] if engine != "InnoDB" else []
    undeclared += [f"option {option} of the table" for option in not_kept]
    undeclared += [f"comment {comment!r} of the table; readers use a view, which has none"] if comment else []
    undeclared += [f"PRIMARY KEY with only the beginning of columns: {', '.join(cut)}"] if cut else []
    undeclared += [reason for column in found for reason in column.undeclared()]
    undeclared += [reason for key, parts in keys.items() for reason in _add_key(table, key, parts)]
    undeclared += [f"DESC of column {column!r} in key {key}; the key is ascending" for key, column in descending]
    undeclared += [rule for (rule,) in rows(cursor, _RULES, place * 4)]
    return Reflection(table, tuple(undeclared), tuple(each.name for each in found if each.type is None))


def _options(created_with: str) -> tuple[dict[str, Any], list[str]]:
    """Return the options of a table that can be declared, and those that cannot, from what it was created with."""
    kept: dict[str, Any] = {}
    others: list[str] = []
    for found in _OPTION.finditer(created_with):
        name, value = found[1].casefold(), found[2] or ""
        if name == "row_format" and value.casefold() in ROW_FORMATS:
            kept["mariadb_row_format"] = value.upper()
        elif name != "partitioned":  # `_RULES` tells by what
            others.append(found[0])
    return kept, others


def _columns(cursor: Any, place: tuple[str, str]) -> Iterator[_Column]:
    """Yield the columns; a TINYINT(1) is a Boolean if it holds no other value than 0 and 1."""
    found = [_Column(*row) for row in rows(cursor, _COLUMNS, place)]
    asked = [each for each in found if each.kind == _BOOLEAN]
    numbers: set[str] = set()
    if asked:
        values = ", ".join(f"COALESCE(MAX({quoted(each.name)} NOT IN (0, 1)), 0)" for each in asked)
        ((*answers,),) = rows(cursor, f"SELECT {values} FROM {qualified(*place)}")  # noqa: S608 - names are quoted
        numbers = {each.name for each, is_number in zip(asked, answers, strict=True) if is_number}
    yield from (replace(each, kind="tinyint") if each.name in numbers else each for each in found)


def _add_key(table: sa.Table, name: str, parts: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """Declare a key besides the primary one; yield why not, if it cannot be."""
    columns = [row[3] for row in parts]
    lengths = {row[3]: int(row[4]) for row in parts if row[4]}
    if parts[0][2] != "BTREE" or not set(columns) <= set(table.columns.keys()):
        yield f"key {name} ({parts[0][2]}) on {', '.join(columns)}"
    elif lengths or parts[0][1]:
        options: dict[str, Any] = {"mariadb_length": lengths} if lengths else {}
        sa.Index(name, *(table.columns[each] for each in columns), unique=not parts[0][1], **options)
    else:
        table.append_constraint(sa.UniqueConstraint(*columns, name=name))


@dataclass(frozen=True)
class _Column:
    """A column as information_schema shows it."""

    name: str
    kind: str
    is_optional: bool
    default: str | None
    extra: str
    comment: str
    computed: str | None
    collation: str | None
    is_json: bool

    @property
    def type(self) -> Any:
        """Its type in SQLAlchemy's words, None if rows cannot have values of it."""
        found = sa.JSON() if self.is_json else _type(self.kind, self.collation)
        try:
            codec(found)
        except BadSetting:
            return None
        return found

    def declared(self, primary: list[str]) -> sa.Column[Any]:
        """Return it as a task declares it."""
        computed = [sa.Computed(self.computed, persisted="VIRTUAL" not in self.extra)] if self.computed else []
        is_key = self.name in primary
        options = {"primary_key": True} if is_key else {} if self.is_optional else {"nullable": False}
        return sa.Column(self.name, self.type, *computed, **options, comment=self.comment or None)  # type: ignore[arg-type]

    def undeclared(self) -> Iterator[str]:
        """Yield what its declaration leaves out."""
        if self.type is None:
            yield f"column {self.name!r} of type {self.kind}, which rows cannot have"
        elif self.kind.startswith("timestamp"):
            yield f"TIMESTAMP of column {self.name!r}, which shifts with each session's time zone; it becomes DATETIME"
        if "zerofill" in self.kind and self.type is not None:
            yield f"ZEROFILL of column {self.name!r}, which the driver cannot read back"
        if "auto_increment" in self.extra:
            yield f"AUTO_INCREMENT of column {self.name!r}; rows give its value"
        if self.default not in {None, "NULL"}:
            yield f"DEFAULT {self.default} of column {self.name!r}; rows give its value"
        if "on update" in self.extra:
            yield f"ON UPDATE of column {self.name!r}; rows give its value"
        if "INVISIBLE" in self.extra:
            yield f"INVISIBLE of column {self.name!r}; readers see it"


def _type(kind: str, collation: str | None) -> Any:
    """Return the type that a column's text means, None for one that SQLAlchemy does not know in MariaDB's sense."""
    found = _KIND.fullmatch(kind)
    word, given = (found["word"], found["given"] or "") if found else ("", "")
    is_unsigned = bool(found and found["unsigned"])
    if kind == _BOOLEAN:
        return sa.Boolean()
    if word in _WHOLE:
        plain, exact = _WHOLE[word]
        return plain() if plain and not is_unsigned else exact(unsigned=is_unsigned)
    if word in _UNSIGNED and is_unsigned:
        return _UNSIGNED[word](*_numbers(given))
    if word in _MEMBERS:
        members = [each.replace("''", "'") for each in _MEMBER.findall(given)]
        return mysql.ENUM(*members, collation=collation) if collation else sa.Enum(*members)
    if word in _TEXTS:
        return _TEXTS[word](*_numbers(given), **({"collation": collation} if collation else {}))
    return _OTHERS[word](*_numbers(given)) if word in _OTHERS else None


def _numbers(given: str) -> list[int]:
    return [int(each) for each in given.split(",") if each]


_WHOLE: Mapping[str, tuple[Any, Any]] = {
    "tinyint": (None, mysql.TINYINT),
    "smallint": (sa.SmallInteger, mysql.SMALLINT),
    "mediumint": (None, mysql.MEDIUMINT),
    "int": (sa.Integer, mysql.INTEGER),
    "bigint": (sa.BigInteger, mysql.BIGINT),
}
_UNSIGNED: Mapping[str, Callable[..., Any]] = {
    "decimal": partial(mysql.DECIMAL, unsigned=True),
    "float": lambda *given: None if given else mysql.FLOAT(unsigned=True),
    "double": lambda *given: None if given else mysql.DOUBLE(unsigned=True),
}
"""Numbers with fractions that cannot be negative."""
_MEMBERS = {"enum"}
_TEXTS: Mapping[str, Callable[..., Any]] = {
    "char": sa.CHAR,
    "varchar": sa.String,
    "tinytext": mysql.TINYTEXT,
    "text": sa.Text,
    "mediumtext": mysql.MEDIUMTEXT,
    "longtext": mysql.LONGTEXT,
}
_OTHERS: Mapping[str, Callable[..., Any]] = {
    "decimal": sa.Numeric,
    "float": lambda *given: None if given else sa.Float(),
    "double": lambda *given: None if given else sa.Double(),
    "date": sa.Date,
    "datetime": lambda *given: mysql.DATETIME(fsp=given[0]) if given else sa.DateTime(),
    "timestamp": lambda *given: mysql.DATETIME(fsp=given[0]) if given else sa.DateTime(),
    "time": lambda *given: mysql.TIME(fsp=given[0]) if given else sa.Time(),
    "binary": sa.BINARY,
    "varbinary": sa.VARBINARY,
    "tinyblob": mysql.TINYBLOB,
    "blob": sa.LargeBinary,
    "mediumblob": mysql.MEDIUMBLOB,
    "longblob": mysql.LONGBLOB,
    "uuid": sa.Uuid,
}
