# ruff: noqa: S608 - names are quoted, values are bound
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

_DIALECT = MariaDBDialect(paramstyle="qmark")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


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

    def of(self, columns: str) -> str:
        """Return the statement that asks it for columns, which are prefixed with `q`."""
        named = ", ".join(f"{quoted(table)} AS ({source})" for table, source in self.sources.items())
        return f"{f'WITH {named} ' * bool(named)}SELECT {columns} FROM (\n{self.text}\n) q"


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
            found = _PLACEHOLDER.findall(self.given)
        elif isinstance(self.given, (sa.Select, sa.CompoundSelect)):
            found = [str(each.name) for each in visitors.iterate(self.given) if isinstance(each, sa.TableClause)]
        else:
            raise BadSetting(f"table {self.table!r}: query must be SQL text or a select of SQLAlchemy")
        return list(dict.fromkeys(found))

    def bind(self, sources: Mapping[str, str], params: Mapping[str, Any]) -> Select:
        """Return the query with `params` for its values, and with each table standing for a SELECT of `sources`.

        Raises BadSetting for a value without a parameter.
        """
        text, values = self._compiled(params)
        return Select(text, values, {table: sources[table] for table in self.tables})

    def _compiled(self, params: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
        clause = self.given
        if isinstance(clause, str):
            clause = sa.text(_PLACEHOLDER.sub(lambda found: quoted(found[1]), clause.strip().rstrip(";")))
        marks = (each for each in visitors.iterate(clause) if isinstance(each, sa.BindParameter) and each.required)
        wanted = [each.key for each in marks]
        if unknown := [name for name in wanted if name not in params]:
            raise BadSetting(
                f"table {self.table!r}: the query asks for the value :{unknown[0]}, which is no parameter of the task; "
                f"{did_you_mean(unknown[0], params)}. Write a colon that names no value as \\:"
            )
        compiled = clause.compile(dialect=_DIALECT)
        expanded = compiled.construct_expanded_state({name: params[name] for name in wanted})
        return expanded.statement, expanded.positional_parameters
