"""Versioned, atomic, fast loads from Luigi into MariaDB, Elasticsearch and Neo4j.

`luigi_sinks.mariadb`, `luigi_sinks.elasticsearch` and `luigi_sinks.neo4j` contain the
tasks and targets; each needs the extra of the same name.

Importing this package imports neither Luigi, which a task or target needs, nor the SDK of a store.
"""

from typing import TYPE_CHECKING

from luigi_sinks import lazy
from luigi_sinks.checks import Check, StagedCounts, not_empty
from luigi_sinks.closing import close
from luigi_sinks.errors import (
    BadRow,
    BadSetting,
    CheckFailed,
    Conflict,
    CredentialError,
    Forbidden,
    NotInstalled,
    SinkError,
    Unavailable,
)
from luigi_sinks.events import Event
from luigi_sinks.listeners import listen, stop_listening
from luigi_sinks.load import load, loading, staging
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.retention import Retention
from luigi_sinks.sink import Catalog, Part, Sink, Stage
from luigi_sinks.staged import Written
from luigi_sinks.together import together
from luigi_sinks.version import State, Version

if TYPE_CHECKING:
    from luigi_sinks.release_task import ReleaseTask
    from luigi_sinks.target import VersionedTarget
    from luigi_sinks.task import BulkComplete, CopyTask, setting

__all__ = [
    "BadRow",
    "BadSetting",
    "BulkComplete",
    "Catalog",
    "Check",
    "CheckFailed",
    "Conflict",
    "CopyTask",
    "CredentialError",
    "Event",
    "Forbidden",
    "Head",
    "NotInstalled",
    "Origin",
    "Part",
    "Record",
    "ReleaseTask",
    "Retention",
    "Sink",
    "SinkError",
    "Stage",
    "StagedCounts",
    "State",
    "Unavailable",
    "Version",
    "VersionedTarget",
    "Written",
    "close",
    "listen",
    "load",
    "loading",
    "not_empty",
    "setting",
    "staging",
    "stop_listening",
    "together",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "BulkComplete": "task",
        "CopyTask": "task",
        "ReleaseTask": "release_task",
        "VersionedTarget": "target",
        "setting": "task",
    },
)
