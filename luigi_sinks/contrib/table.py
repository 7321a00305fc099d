"""What the two dialects of tables share: the target, and the task that casts its rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, ClassVar, Unpack

import sqlalchemy as sa

from luigi_sinks import mariadb
from luigi_sinks.contrib import without_effect
from luigi_sinks.contrib.adopted import Adoptable
from luigi_sinks.contrib.casting import cast_for
from luigi_sinks.contrib.columns import as_columns
from luigi_sinks.contrib.lines import lines
from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.schema import Columns, parse_schema
from luigi_sinks.target import TargetOptions
from luigi_sinks.task import setting


class TableTarget(mariadb.MariaDBTarget, Adoptable):
    """A version of a table whose columns are declared as for `luigi.contrib`.

    The options are those of `MariaDBTarget`.

    Example:
        >>> TableTarget("items", columns=[("id", "INT PRIMARY KEY")], update_id="first").contract.shapes[""].key
        ('id',)

    """

    def __init__(self, table: str, *, columns: Any, **options: Unpack[TargetOptions]) -> None:
        super().__init__(table, columns=as_columns(table, columns), **options)


class TableTask(mariadb.CopyToTable):
    """The base of `sqla.CopyToTable` and `mysqldb.CopyToTable`.

    - `null_values`: the values that are loaded as NULL. Default: (None,).
    - `column_separator`: what stands between two values in a line of the input. Default: a tab.
    """

    _target_class = TableTarget
    _reads_adopted_marks = True
    _without_effect: ClassVar[tuple[str, ...]] = ()
    _logger = logging.getLogger("luigi-interface")

    null_values = setting((None,))
    """The values that are loaded as NULL."""

    column_separator = setting("\t")
    """What stands between two values in a line of the input."""

    def rows(self) -> Iterable[Any]:
        """Return the rows: by default the values in the lines of the input."""
        return (line.split(self.column_separator) for line in lines(self))

    def output(self) -> TableTarget:
        """Return the version this task makes."""
        return TableTarget(self.table, columns=self.columns, **self._target_options())

    def _refuse_what_is_ignored(self) -> None:
        super()._refuse_what_is_ignored()
        without_effect.warn(type(self), self._without_effect)
        if not self.table:
            raise BadSetting(f"{self.task_family} names no table; set table to the one that readers use")
        if not isinstance(self.null_values, (tuple, list, set, frozenset)):
            raise BadSetting(
                f"{self.task_family}: null_values = {self.null_values!r} is no tuple, list or set of values; write "
                f"null_values = ({self.null_values!r},)"
            )
        parse_schema(self.table, self._columns)

    @cached_property
    def _columns(self) -> Columns:
        return as_columns(self.table, self.columns)

    def fresh_rows(self) -> Iterator[Any]:
        """Yield the rows with their values cast."""
        columns = self._columns
        cast = cast_for(list(columns.columns if isinstance(columns, sa.Table) else columns), self.null_values)
        for row in super().fresh_rows():
            yield cast.row(row)
