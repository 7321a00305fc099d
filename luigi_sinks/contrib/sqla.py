"""`luigi.contrib.sqla`, for MariaDB: change the import, remove the connection, and say what a run replaces."""

from __future__ import annotations

from typing import ClassVar

from luigi_sinks.contrib.old_targets import refusing
from luigi_sinks.contrib.table import TableTask
from luigi_sinks.task_events import watch

__all__ = ["CopyToTable"]


class CopyToTable(TableTask):
    r"""Loads `rows()`, by default the lines of the input, as one version of a table.

    It takes what tasks of `luigi.contrib.sqla` are written with:

    - `table`, and `columns` as `([NAME, TYPE], {OPTION: VALUE})` for `Column`.
    - `rows()`: tuples or lists. Text is cast to the numbers and dates that it spells, see `casting`.
    - `column_separator`, and `null_values` besides.

    `chunk_size` and `echo` have no effect, and are warned of. Overridden `copy()` and
    `create_table()`, `update_id()`, `schema`, `reflect`, `connection_string` and `connect_args` raise
    luigi's ParameterException, which says what to do. Running it raises what `CopyTask` does.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> import sqlalchemy
        >>> class Items(CopyToTable):
        ...     table = "items"
        ...     columns = [
        ...         (["id", sqlalchemy.Integer], {"primary_key": True}),
        ...         (["price", sqlalchemy.Float], {}),
        ...     ]
        ...     def rows(self):
        ...         yield "1", "1.5\n"
        ...         yield 2, 2
        >>> task = Items()
        >>> task.run()
        >>> list(task.output().rows())
        [{'id': 1, 'price': 1.5}, {'id': 2, 'price': 2.0}]

    """

    _store = "mariadb"
    _without_effect: ClassVar[tuple[str, ...]] = ("chunk_size", "echo")


watch(CopyToTable)

__getattr__ = refusing("SQLAlchemyTarget", "luigi_sinks.mariadb.Marker")
