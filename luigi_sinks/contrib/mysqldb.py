"""`luigi.contrib.mysqldb`, for MariaDB: change the import, remove the connection, and say what a run replaces."""

from __future__ import annotations

from typing import ClassVar

from luigi_sinks.contrib.old_targets import refusing
from luigi_sinks.contrib.table import TableTask
from luigi_sinks.task_events import watch

__all__ = ["CopyToTable"]


class CopyToTable(TableTask):
    """Loads `rows()`, by default the lines of the input, as one version of a table.

    It takes what tasks of `luigi.contrib.mysqldb` are written with:

    - `table`, and `columns` as `(NAME, "TYPE")`.
    - `rows()`: tuples or lists. Text is cast to the numbers and dates that it spells, see `casting`.
    - `null_values` and `column_separator`, which are honoured here.

    `bulk_size` has no effect, and is warned of. Overridden `copy()`, `create_table()`, `init_copy()` and
    `post_copy()`, `update_id`, metadata columns, `host`, `port`, `database`, `user` and `password`
    raise luigi's ParameterException, which says what to do. Running it raises what `CopyTask` does.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> class Words(CopyToTable):
        ...     table = "words"
        ...     columns = [("word", "VARCHAR(64)"), ("n", "INT")]
        ...     null_values = (None, "")
        ...     def rows(self):
        ...         yield "tea", "3"
        ...         yield "", 2
        >>> task = Words()
        >>> task.run()
        >>> list(task.output().rows())
        [{'word': 'tea', 'n': 3}, {'word': None, 'n': 2}]

    """

    _store = "mariadb"
    _without_effect: ClassVar[tuple[str, ...]] = ("bulk_size",)


watch(CopyToTable)

__getattr__ = refusing("MySqlTarget", "luigi_sinks.mariadb.Marker")
