"""Versioned loads into MariaDB. Needs the extra `mariadb`."""

from luigi_sinks.errors import NotInstalled

try:
    import mariadb as _driver  # noqa: F401 - to say what is missing
except ImportError as missing:
    raise NotInstalled("mariadb", missing) from missing

from luigi_sinks.mariadb.schema import Schema, parse_schema
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.mariadb.sink import MariaDBSink, MariaDBStage
from luigi_sinks.mariadb.target import MariaDBTarget
from luigi_sinks.mariadb.task import CopyToTable

__all__ = [
    "CopyToTable",
    "MariaDBSettings",
    "MariaDBSink",
    "MariaDBStage",
    "MariaDBTarget",
    "Schema",
    "parse_schema",
]
