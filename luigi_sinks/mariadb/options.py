"""What may be declared of tables, columns and keys besides their types: honoured, or refused by name.

An option of another dialect (`postgresql_...`) is not meant for MariaDB, and is left alone as SQLAlchemy does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.names import LONGEST_COMMENT, MARKED, beyond

_OURS = ("mysql", "mariadb")
_CHARSETS = ("charset", "character_set", "default_charset", "default_character_set")
_COLLATIONS = ("collate", "collation", "default_collate", "default_collation")
ROW_FORMATS = ("dynamic", "compact", "redundant")
"""Those that a table of versions may have."""


def table_options(columns: Any) -> Mapping[str, str]:
    """Return the `collation` and `row_format` of a Table. Raises BadSetting for an option that cannot be kept."""
    if not isinstance(columns, sa.Table):
        return {}
    _refuse_clauses(columns)
    found = {}
    for name, value in _given(columns).items():
        text = str(value)
        if name in _COLLATIONS and re.fullmatch("[A-Za-z0-9_]+", text):
            found["collation"] = text
        elif name == "row_format" and text.casefold() in ROW_FORMATS:
            found["row_format"] = text.upper()
        elif not ((name == "engine" and text.casefold() == "innodb") or (name in _CHARSETS and text == "utf8mb4")):
            raise BadSetting(
                f"option {name} = {text} is not supported; versions lie in InnoDB, in utf8mb4, and a row_format of "
                f"{', '.join(ROW_FORMATS)} or a collation may be chosen. Remove it"
            )
    return found


def refuse_column_options(columns: Sequence[sa.Column[Any]]) -> None:
    """Raise BadSetting for the first column with an option that a load would ignore."""
    for column in columns:
        for option in _ignored(column):
            raise BadSetting(
                f"column {column.name!r}: {option} has no effect, as rows give the value of every column; remove it, "
                "and make the value in rows()"
            )
        if column.key != column.name:
            raise BadSetting(f"column {column.name!r}: rows have its name and not key = {column.key!r}; remove the key")
        _refuse_comment(column.name, column.comment or "")
        if column.system:
            raise BadSetting(f"column {column.name!r}: a system column cannot be loaded; leave it out")
        if column.primary_key and column.nullable:
            raise BadSetting(f"column {column.name!r}: a primary key cannot be nullable; remove nullable=True")
        variants = getattr(column.type, "_variant_mapping", {})
        if any(name in variants for name in _OURS):
            raise BadSetting(f"column {column.name!r}: declare the type that with_variant names for MariaDB itself")
        if getattr(column.type, "zerofill", False):  # Connector/Python 2.0.0rc2 fails on zeros in front
            raise BadSetting(f"column {column.name!r}: zerofill numbers cannot be read back by the driver; remove it")


def _refuse_comment(column: str, comment: str) -> None:
    if comment.startswith(MARKED):
        raise BadSetting(f"column {column!r}: its comment begins with {MARKED!r}, which is reserved; change it")
    if len(comment) > LONGEST_COMMENT:
        raise BadSetting(
            f"column {column!r}: its comment has {len(comment)} characters; at most {LONGEST_COMMENT} leave room for "
            "what is noted there when the column changes. Shorten it"
        )
    if replaced := beyond(comment):
        raise BadSetting(f"column {column!r}: MariaDB keeps ? for {replaced} in a comment; remove it")


def former_names(columns: Sequence[sa.Column[Any]]) -> dict[str, str]:
    """Return what columns were called before, as `info={"renamed_from": NAME}` says. Raises BadSetting for no name."""
    names = {str(column.name) for column in columns}
    found = {str(column.name): column.info["renamed_from"] for column in columns if "renamed_from" in column.info}
    for name, old in found.items():
        if not isinstance(old, str) or old in names or list(found.values()).count(old) > 1:
            raise BadSetting(
                f"column {name!r}: renamed_from = {old!r} must be the former name of this column alone, which is no "
                "longer declared; correct it in the info of the column"
            )
    return found


def in_utc(columns: Sequence[sa.Column[Any]]) -> tuple[str, ...]:
    """Return which columns keep times of UTC, as `info={"time_zone": "UTC"}` says.

    Raises BadSetting for another zone, or a column of another type.
    """
    found = {str(column.name): column for column in columns if "time_zone" in column.info}
    for name, column in found.items():
        zone = column.info["time_zone"]
        if zone != "UTC" or not isinstance(column.type, sa.DateTime):
            raise BadSetting(
                f"column {name!r}: time_zone = {zone!r} can only be 'UTC', of a DateTime column; correct it in the "
                "info of the column"
            )
    return tuple(found)


def _ignored(column: sa.Column[Any]) -> Iterator[str]:
    computed = column.computed
    for name in ("default", "onupdate", "server_default", "server_onupdate"):
        if (value := getattr(column, name)) is not None and value is not computed:
            yield type(value).__name__ if isinstance(value, (sa.Identity, sa.Sequence)) else name
    if column.autoincrement is True or column.autoincrement == "ignore_fk":
        yield f"autoincrement = {column.autoincrement}"


def refuse_rule_options(rule: sa.Constraint) -> None:
    """Raise BadSetting for an option of a unique or primary key that MariaDB does not have."""
    for name in ("deferrable", "initially", "comment"):
        if getattr(rule, name, None) is not None:
            raise BadSetting(f"key {rule.name!r}: MariaDB has no {name} for keys; remove it")
    for name, value in _given(rule).items():
        _refuse_key_option(rule.name, name, value)


def index_columns(index: sa.Index) -> list[sa.Column[Any]]:
    """Return the columns of an index. Raises BadSetting for expressions, DESC among them."""
    if all(isinstance(each, sa.Column) for each in index.expressions):
        return list(index.columns)
    raise BadSetting(
        f"index {index.name!r} is on an expression, which MariaDB cannot do; index a column, or a computed one"
    )


def lengths(index: sa.Index) -> dict[str, int]:
    """Return how many characters of each column an index holds, of those that are limited. Raises BadSetting."""
    found: dict[str, int] = {}
    for name, value in _given(index).items():
        if name != "length":
            _refuse_key_option(index.name, name, value)
        elif isinstance(value, Mapping):
            unknown = {str(key) for key in value} - {column.name for column in index.columns}
            if unknown:
                raise BadSetting(f"index {index.name!r}: length names {sorted(unknown)}, which it is not on")
            found = {str(key): int(number) for key, number in value.items()}
        elif value is not None:
            found = {column.name: int(value) for column in index.columns}
    return found


def _refuse_key_option(key: object, name: str, value: Any) -> None:
    if value is None or (name == "using" and str(value).casefold() == "btree"):  # all keys of InnoDB are that
        return
    raise BadSetting(
        f"key {key!r}: {name} = {value} is not supported, as a version's number is the first column of every key; "
        "remove it"
    )


def _refuse_clauses(table: sa.Table) -> None:
    given = {"comment": table.comment, "schema": table.schema, "prefixes": list(getattr(table, "_prefixes", ()))}
    advice = {
        "comment": "readers use a view, which has none; comment columns",
        "schema": "set database in the section of the connection",
        "prefixes": "versions lie in an ordinary table",
    }
    for name, value in given.items():
        if value:
            raise BadSetting(f"{name} of a Table is not supported: {advice[name]}; remove it")


def _given(declared: Any) -> dict[str, Any]:
    """Return the options for MariaDB by their names without the prefix; `mariadb_` is over `mysql_`."""
    split = [(*name.split("_", 1), value) for name, value in declared.dialect_kwargs.items()]
    return {name.casefold(): value for dialect in _OURS for of, name, value in split if of == dialect}
