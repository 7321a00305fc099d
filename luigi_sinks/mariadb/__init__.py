"""Versioned loads into MariaDB. Needs the extra `mariadb`."""

from luigi_sinks.errors import NotInstalled

try:
    import mariadb as _driver  # noqa: F401 - to say what is missing
except ImportError as missing:
    raise NotInstalled("mariadb", missing) from missing

from luigi_sinks.mariadb.schema import Schema, schema_of
from luigi_sinks.mariadb.settings import Settings
from luigi_sinks.mariadb.sink import MariaDBSink, MariaDBStage
from luigi_sinks.mariadb.target import MariaDBTarget
from luigi_sinks.mariadb.task import CopyToTable

__all__ = [
    "CopyToTable",
    "MariaDBSink",
    "MariaDBStage",
    "MariaDBTarget",
    "Schema",
    "Settings",
    "schema_of",
]
