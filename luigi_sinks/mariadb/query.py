"""The user's SELECT that makes a version of others: which tables it reads, and how it reads one version of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.sql import visitors

from luigi_sinks.columns import LOAD_WHOLE
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.mariadb.names import quoted
from luigi_sinks.mariadb.values import bindable

_DIALECT = MariaDBDialect(paramstyle="qmark")

_COMMENT = r"(?:--(?!\S)|\#)[^\n]*|/\*.*?\*/"
_TOKEN = re.compile(
    rf"""'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `[^`]*` | {_COMMENT} | \{{(?P<table>\w+)\}} | :(?P<value>\w+)""",
    re.DOTALL | re.VERBOSE,
)
"""What a text is searched for; literals, names in backticks and comments stay as they are."""

_WITH = re.compile(rf"(?:\s|{_COMMENT})*WITH\b(?:(?:\s|{_COMMENT})*RECURSIVE\b)?", re.DOTALL | re.IGNORECASE)
"""How a text begins that has common table expressions of its own."""


@dataclass(frozen=True)
class Source:
    """Where rows come from, in words: the subject of a sentence about one of them, and what to do about it."""

    gives: str
    way_out: str


QUERY = Source("the query gives", "cast, round or filter it in the query, or declare another column")
HEAD = Source("the head has", LOAD_WHOLE)


@dataclass(frozen=True)
class Select:
    """A SELECT as SQL with a mark `?` for each of the values, and what it reads: a SELECT for each table's name."""

    text: str
    values: Sequence[Any]
    sources: Mapping[str, str]
    source: Source = QUERY

    def execute(self, cursor: Any, columns: str, *, before: str = "", after: str = "") -> None:
        """Execute the statement that asks it for columns, which are prefixed with `q`.

        The server itself looks for marks in the text: a driver may take some in literals and comments for such.
        Bytes are written in hex, as the driver 1.1 would prepare the statement for them.
        """
        statement = f"{before} SELECT {columns} FROM (\n{self._with_sources}\n) q {after}".strip()  # noqa: S608 - quoted
        marks = [f"X'{value.hex()}'" if isinstance(value, bytes) else "?" for value in self.values]
        given = [value for value in self.values if not isinstance(value, bytes)]
        using = f" USING {', '.join(marks)}" if marks else ""
        cursor.execute(f"EXECUTE IMMEDIATE ?{using}", (statement, *given))

    @property
    def _with_sources(self) -> str:
        """The text, before whose own common table expressions those of the sources come, as it sees no others."""
        named = ", ".join(f"{quoted(table)} AS ({source})" for table, source in self.sources.items())
        if not named:
            return self.text
        if opening := _WITH.match(self.text):
            return f"{opening[0]} {named}, {self.text[opening.end() :]}"
        return f"WITH {named} {self.text}"


@dataclass(frozen=True)
class Query:
    """A query as the user wrote it: SQL text, or a select of SQLAlchemy.

    Text names the tables that it reads in braces, and values by a colon: `FROM {departures}
    WHERE day >= :since`. `table` is the name of the table that is made, for messages.
    """

    table: str
    given: Any

    @cached_property
    def tables(self) -> list[str]:
        """The tables that it reads, by their names. Raises BadSetting for what is no query."""
        if isinstance(self.given, str):
            found = [each["table"] for each in _TOKEN.finditer(self.given) if each["table"]]
        elif isinstance(self.given, (sa.Select, sa.CompoundSelect)):
            found = [str(each.name) for each in visitors.iterate(self.given) if isinstance(each, sa.TableClause)]
        else:
            raise BadSetting(f"table {self.table!r}: query must be SQL text or a select of SQLAlchemy")
        return list(dict.fromkeys(found))

    def bind(self, sources: Mapping[str, str], params: Mapping[str, Any]) -> Select:
        """Return the query with `params` for its values, and with each table standing for a SELECT of `sources`.

        Raises BadSetting for a value without a parameter, or whose parameter is no value of MariaDB.
        """
        text, named = self._of_text(params) if isinstance(self.given, str) else self._of_select(params)
        values = [bindable(value, f"table {self.table!r}: the query's value :{name}") for name, value in named]
        return Select(text, values, {table: sources[table] for table in self.tables})

    def _of_text(self, params: Mapping[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
        """Return the text with marks, and the values for them with their names."""
        values: list[tuple[str, Any]] = []

        def placed(found: re.Match[str]) -> str:
            if found["table"]:
                return quoted(found["table"])
            if found["value"]:
                values.append((found["value"], self._value(found["value"], params)))
                return "?"
            return found[0]

        return _TOKEN.sub(placed, self.given.strip().rstrip(";")), values

    def _of_select(self, params: Mapping[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
        marks = (each for each in visitors.iterate(self.given) if isinstance(each, sa.BindParameter) and each.required)
        compiled = self.given.compile(dialect=_DIALECT)
        expanded = compiled.construct_expanded_state({each.key: self._value(each.key, params) for each in marks})
        return expanded.statement, list(zip(expanded.positiontup, expanded.positional_parameters, strict=True))

    def _value(self, name: str, params: Mapping[str, Any]) -> Any:
        if name in params:
            return params[name]
        raise BadSetting(
            f"table {self.table!r}: the query asks for the value :{name}, which is no parameter of the task; "
            f"{did_you_mean(name, params)}"
        )
