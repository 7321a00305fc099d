# ruff: noqa: S608 - names are quoted, values are bound
"""Reads a version's rows back, by the columns that its record keeps."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import Any

import msgspec

from luigi_sinks.errors import SinkError
from luigi_sinks.mariadb.connection import rows, stream
from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.schema import SEQ
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.record import Record


@dataclass(frozen=True)
class Reading:
    """How a column is asked for in SQL, so that the driver brings its value whole, and what is made of that value."""

    select: str = "{}"
    value: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Column:
    """What a record says of a column; a loader may have written anything there, so it only chooses a reading."""

    type: str
    computed: str | None = None
    stored: str = ""

    @property
    def reading(self) -> Reading:
        """How it is asked for, and what is made of its values."""
        (word,) = re.findall(r"\A\w*", self.type)
        return _READINGS.get(word.upper(), Reading())


@dataclass(frozen=True)
class Columns:
    """The columns of a version that were loaded, which computed ones were not, by its record."""

    record: Record
    found: Mapping[str, Column]

    @classmethod
    def of(cls, names: Names, record: Record, schema: Mapping[str, Any]) -> Columns:
        """Return the columns that a schema names. Raises SinkError if it names none."""
        found, stored = _columns(names, schema).items(), stored_names(names, schema)
        loaded = {name: column for name, column in found if column.computed is None}
        return cls(record, {name: replace(column, stored=stored.get(name, name)) for name, column in loaded.items()})

    @property
    def types(self) -> Mapping[str, str]:
        """The type of each, in MariaDB's words."""
        return {name: column.type for name, column in self.found.items()}

    def asked(self, table: str = "") -> str:
        """Return what a SELECT asks for; `table` is an alias of the table, with a dot."""
        return ", ".join(column.reading.select.format(table + quoted(column.stored)) for column in self.found.values())

    def row(self, found: Iterable[Any]) -> dict[str, Any]:
        """Return a row as it was given. Raises SinkError for a value that does not have its column's type."""
        row = dict(zip(self.found, found, strict=True))
        for name, value in self._values:
            if row[name] is not None:
                try:
                    row[name] = value(row[name])
                except _MISFITS as error:
                    raise SinkError(
                        f"{self.record.version}: column {name!r} does not hold {self.found[name].type}, as its record "
                        f"says ({error}); load the version again"
                    ) from None
        return row

    @cached_property
    def _values(self) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        return [(name, column.reading.value) for name, column in self.found.items() if column.reading.value]


def read(settings: MariaDBSettings, names: Names, columns: Columns) -> Iterator[Any]:
    """Yield a version's rows as the server sends them. Raises SinkError as `Columns.row` does."""
    query = f"SELECT {columns.asked()} FROM {names.base} WHERE {SEQ} = {columns.record.seq}"
    yield from map(columns.row, stream(settings, query))


def existing_schema(cursor: Any, names: Names) -> dict[str, Any]:
    """Return the columns as the server knows them: for versions of releases that kept no schema.

    MariaDB has no type for a Boolean; a TINYINT(1) is taken for one.
    """
    found = rows(
        cursor,
        "SELECT c.COLUMN_NAME, c.COLUMN_TYPE, c.GENERATION_EXPRESSION, COUNT(k.CONSTRAINT_NAME)"
        " FROM information_schema.COLUMNS c LEFT JOIN information_schema.CHECK_CONSTRAINTS k"
        " ON k.CONSTRAINT_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME"
        " AND k.CONSTRAINT_NAME = c.COLUMN_NAME AND k.CHECK_CLAUSE LIKE 'json_valid(%'"
        " WHERE c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ? AND c.COLUMN_NAME <> ?"
        " GROUP BY c.COLUMN_NAME, c.COLUMN_TYPE, c.GENERATION_EXPRESSION, c.ORDINAL_POSITION"
        " ORDER BY c.ORDINAL_POSITION",
        (names.hidden, names.base_table, SEQ),
    )
    return {
        "columns": {
            name: {"type": "JSON" if is_json else "BOOL" if kind == "tinyint(1)" else kind, "computed": computed}
            for name, kind, computed, is_json in found
        }
    }


def stored_names(names: Names, schema: Mapping[str, Any]) -> dict[str, str]:
    """Return what the table calls the columns that it holds under another name; raises SinkError as `Columns.of`."""
    try:
        return msgspec.convert(schema.get("stored", {}), dict[str, str])
    except msgspec.ValidationError as error:
        raise SinkError(f"table {names.dataset!r}: the names in the record cannot be read: {error}") from None


def _columns(names: Names, schema: Mapping[str, Any]) -> dict[str, Column]:
    try:
        columns = msgspec.convert(schema.get("columns", {}), dict[str, Column])
    except msgspec.ValidationError as error:
        raise SinkError(f"table {names.dataset!r}: the columns that the record names cannot be read: {error}") from None
    if not columns:
        raise SinkError(f"table {names.dataset!r}: the record names no columns to read")
    return columns


def _time_of_day(found: timedelta) -> time:
    if found // timedelta(days=1):
        raise ValueError(f"{found} is no time of a day")
    return (datetime.min + found).time()  # noqa: DTZ901 - no date is meant


_MISFITS = (ArithmeticError, AttributeError, TypeError, ValueError, msgspec.MsgspecError)
"""What a reading raises for a value of another type."""

_READINGS = {
    "BOOL": Reading(value=bool),
    "FLOAT": Reading(select="CAST({} AS DOUBLE)"),  # as text the server would show six digits only
    "JSON": Reading(value=msgspec.json.decode),
    "TIME": Reading(value=_time_of_day),
    "UUID": Reading(value=uuid.UUID),
}
"""By the first word of a type, those that do not come back as they were given."""
