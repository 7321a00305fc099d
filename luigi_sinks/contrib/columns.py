"""Columns as tasks of `luigi.contrib` declare them, as SQLAlchemy columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.base import ischema_names

from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.mariadb.schema import Columns

_QUOTED = r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*\""""
_TYPE = re.compile(
    r"\s*(?P<word>[a-z]+(?: (?=varying|precision)[a-z]+)?)\s*"
    rf"(?:\((?P<args>(?:{_QUOTED}|[^)'\"])*)\))?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_ARGUMENT = re.compile(rf"{_QUOTED}|[^,\s'\"]+")
_IN_QUOTES = re.compile(r"''|\"\"|\\(.)", re.DOTALL)
_CLAUSE = re.compile(
    r"\s*(PRIMARY\s+KEY|UNIQUE|FOREIGN\s+KEY|CONSTRAINT|CHECK|KEY|INDEX|FULLTEXT|SPATIAL)\b[^(]*\(.*",
    re.IGNORECASE | re.DOTALL,
)
_REST = re.compile(r"UNSIGNED|NOT NULL|NULL|PRIMARY KEY|UNIQUE(?: KEY)?", re.IGNORECASE)
_WHOLE = {"tinyint", "smallint", "mediumint", "int", "integer", "bigint"}
_KINDS: Mapping[str, Any] = {
    **ischema_names,
    "bool": sa.Boolean,
    "character varying": sa.String,
    "double precision": sa.Double,
    "real": sa.Double,
}
_WAYS_OUT = {
    "timestamp": "TIMESTAMP shifts with each session's time zone and ends in 2038; write DATETIME",
    "json": "text would be kept as a text in JSON; declare Column(NAME, sqlalchemy.JSON()), and yield dicts and lists",
    "serial": "the server numbers no rows of a version; give the numbers in rows(), and write BIGINT PRIMARY KEY",
    "auto_increment": "the server numbers no rows of a version; give the numbers in rows(), and remove AUTO_INCREMENT",
    "default": "no value is filled in; give each in rows(), and remove DEFAULT",
}


def as_columns(table: str, columns: Any) -> Columns:
    """Return the columns of a task: each a `Column`, ([NAME, TYPE, ...], {...}) as for `Column`, or (NAME, "TYPE").

    Raises BadSetting that lists every column that cannot work, and the way out.

    Example:
        >>> as_columns("items", [(["id", sa.Integer], {"primary_key": True}), ("name", "VARCHAR(255)")])
        [Column('id', Integer(), table=None, primary_key=True, nullable=False), Column('name', VARCHAR(length=255), table=None)]

    """  # noqa: E501 - what SQLAlchemy prints
    if isinstance(columns, sa.Table):
        return columns
    found: list[sa.Column[Any]] = []
    wrong: list[str] = []
    for column in columns or ():
        try:
            found.append(_column(column))
        except BadSetting as error:
            wrong.append(str(error))
    if wrong:
        raise BadSetting(f"table {table!r}: {'; '.join(wrong)}")
    return found


def _column(column: Any) -> sa.Column[Any]:
    if isinstance(column, sa.Column):
        return column
    if isinstance(column, str) or (isinstance(column, Sequence) and len(column) == 1):
        raise BadSetting(_untyped(column if isinstance(column, str) else column[0]))
    if isinstance(column, Sequence) and len(column) == 2:  # noqa: PLR2004 - a pair
        first, second = column
        if isinstance(first, Sequence) and not isinstance(first, str) and isinstance(second, Mapping):
            return _of_arguments(first, second)
        if isinstance(first, str) and isinstance(second, str) and second.lstrip().startswith("("):
            raise BadSetting(_untyped(f"{first} {second}"))
        if isinstance(first, str):
            return _of_text(first, second) if isinstance(second, str) else sa.Column(first, second)
    raise BadSetting(f"{column!r} is no column; write (NAME, 'TYPE'), ([NAME, TYPE], {{}}) or Column(NAME, TYPE)")


def _untyped(given: Any) -> str:
    """Return what is wrong with a column of one text, which the old classes passed to CREATE TABLE as it was."""
    clause = _CLAUSE.fullmatch(given) if isinstance(given, str) else None
    if clause and clause[1].upper().startswith("PRIMARY"):
        return f"{given!r} is no column; add PRIMARY KEY to the type of each column of the key, as in 'INT PRIMARY KEY'"
    if clause:
        return f"{given!r} is no column; give columns = sqlalchemy.Table(...) with its keys and indexes"
    name, _, kind = given.strip().partition(" ") if isinstance(given, str) else (given, "", "")
    if kind:
        return f"column {given!r} is one text; write ({name!r}, {kind.strip()!r})"
    return f"column {name!r} has no type; write ({name!r}, 'VARCHAR(255)'), or whichever type it has"


def _of_arguments(arguments: Sequence[Any], options: Mapping[str, Any]) -> sa.Column[Any]:
    if len(arguments) == 1 and "type_" not in options:
        raise BadSetting(f"column {arguments[0]!r} has no type; write ([{arguments[0]!r}, TYPE], {{...}})")
    try:
        return sa.Column(*arguments, **options)
    except (TypeError, sa.exc.ArgumentError) as error:
        raise BadSetting(f"column {arguments[0]!r}: SQLAlchemy refuses it: {error}") from None


def _of_text(name: str, text: str) -> sa.Column[Any]:
    found = _TYPE.fullmatch(text)
    word = found["word"].casefold() if found else ""
    if found is None or word in _WAYS_OUT or word not in _KINDS:
        raise BadSetting(f"column {name!r}: {_WAYS_OUT.get(word) or f'{text!r} is no type of MariaDB; {_close(word)}'}")
    rest = _REST.sub("", found["rest"]).strip()
    if rest:
        way_out = _WAYS_OUT.get(rest.split()[0].casefold(), "declare it by Column(NAME, TYPE, ...)")
        raise BadSetting(f"column {name!r}: {rest!r} is not understood: {way_out}")
    given = {option.upper() for option in _REST.findall(found["rest"])}
    is_key = "PRIMARY KEY" in given
    is_unique = any(option.startswith("UNIQUE") for option in given)
    kind = _kind(name, word, found["args"] or "", is_unsigned="UNSIGNED" in given)
    is_optional = not is_key and "NOT NULL" not in given
    return sa.Column(name, kind, primary_key=is_key, nullable=is_optional, unique=is_unique or None)


def _kind(name: str, word: str, args: str, *, is_unsigned: bool) -> Any:
    values: list[Any] = [int(each) if each.isdecimal() else _unquoted(each) for each in _ARGUMENT.findall(args)]
    if word in _WHOLE:
        values = []  # it is only how wide it is shown
    options = {"unsigned": True} if is_unsigned else {}
    if word in {"datetime", "time"} and values:
        values, options = [], {**options, "fsp": values[0]}
    try:
        return _KINDS[word](*values, **options)
    except TypeError as error:
        raise BadSetting(f"column {name!r}: {word.upper()}({args}) is not understood: {error}") from None


def _unquoted(text: str) -> str:
    """Return the text that a literal of SQL stands for."""
    if text[0] not in "'\"":
        return text
    return _IN_QUOTES.sub(lambda found: found[1] or found[0][0], text[1:-1])


def _close(word: str) -> str:
    return did_you_mean(word, [*_KINDS])
