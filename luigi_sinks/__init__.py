"""Versioned, atomic, fast loads from Luigi into MariaDB, Elasticsearch and Neo4j.

`luigi_sinks.mariadb`, `luigi_sinks.elasticsearch` and `luigi_sinks.neo4j` hold the
tasks and targets; each needs the extra of the same name.
"""

from luigi_sinks.checks import Check, not_empty
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
from luigi_sinks.load import load, loading
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.report import Report
from luigi_sinks.sink import Part, Sink, Stage, StagedCounts
from luigi_sinks.target import VersionedTarget
from luigi_sinks.task import CopyTask, setting
from luigi_sinks.version import State, Version

__all__ = [
    "BadRow",
    "BadSetting",
    "Check",
    "CheckFailed",
    "Conflict",
    "CopyTask",
    "CredentialError",
    "Forbidden",
    "Head",
    "NotInstalled",
    "Origin",
    "Part",
    "Record",
    "Report",
    "Sink",
    "SinkError",
    "Stage",
    "StagedCounts",
    "State",
    "Unavailable",
    "Version",
    "VersionedTarget",
    "load",
    "loading",
    "not_empty",
    "setting",
]
