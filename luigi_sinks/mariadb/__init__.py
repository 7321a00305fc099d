"""Versioned loads into MariaDB. Needs the extra `mariadb` or `mariadb-wheel`.

The modules that no other store has are `bad_rows`, `carrying`, `changing`, `comparing`,
`driver`, `filling`, `fitting`, `format_1`, `guard`, `layout`, `options`, `pinned`, `reflection`,
`session`, `values`, `views` and `watchdog`; the docstring of each says why it exists.
"""

from typing import TYPE_CHECKING

from luigi_sinks import lazy
from luigi_sinks.mariadb import driver as _driver  # noqa: F401 - says what is missing

if TYPE_CHECKING:
    from luigi_sinks.mariadb.catalog import MariaDBCatalog
    from luigi_sinks.mariadb.marker import Marker
    from luigi_sinks.mariadb.schema import Schema, parse_schema
    from luigi_sinks.mariadb.settings import MariaDBSettings
    from luigi_sinks.mariadb.sink import MariaDBSink, MariaDBStage
    from luigi_sinks.mariadb.target import MariaDBTarget
    from luigi_sinks.mariadb.task import CopyToTable, QueryToTable

__all__ = [
    "CopyToTable",
    "MariaDBCatalog",
    "MariaDBSettings",
    "MariaDBSink",
    "MariaDBStage",
    "MariaDBTarget",
    "Marker",
    "QueryToTable",
    "Schema",
    "parse_schema",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "CopyToTable": "task",
        "MariaDBCatalog": "catalog",
        "MariaDBSettings": "settings",
        "MariaDBSink": "sink",
        "MariaDBStage": "sink",
        "MariaDBTarget": "target",
        "Marker": "marker",
        "QueryToTable": "task",
        "Schema": "schema",
        "parse_schema": "schema",
    },
)
