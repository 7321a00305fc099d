# ruff: noqa: S608 - names are quoted, values are bound
"""Finds what is left of dead versions: rows, and the notes of parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from luigi_sinks.mariadb import format_1
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.errors import ABSENT, suppressing
from luigi_sinks.mariadb.names import Names
from luigi_sinks.mariadb.schema import SEQ
from luigi_sinks.version import DEAD, ENDING, WHOLE, Version

_UNREGISTERED = "seq_"
"""Begins the made-up id of a version of which there are rows and no record."""


def find(cursor: Any, names: Names, partition: str | None) -> list[Version]:
    """Return the dead versions of which something is left."""
    found: list[Version] = []
    with suppressing(ABSENT):  # nothing was loaded, or the registry has format 1
        query, values = _dead(names, partition), () if partition is None else (partition,)
        found += [Version(names.dataset, place, id_) for place, id_ in rows(cursor, query, values)]
        if partition is None and not format_1.look(cursor, names).has_versions:  # which may hold records to be moved
            found += _unregistered(cursor, names)
    return found


def seq_of(version: Version) -> int:
    """Return the number of a version without a record; 0 for one that has a record."""
    number = version.id.removeprefix(_UNREGISTERED)
    return int(number) if number != version.id and number.isdecimal() else 0


def _dead(names: Names, partition: str | None) -> str:
    return (
        f"SELECT l.`partition`, l.id FROM {names.log} l WHERE l.state IN ({_listed(DEAD)})"
        f"{'' if partition is None else ' AND l.`partition` = ?'} AND (l.state IN ({_listed(ENDING)})"
        f" OR EXISTS (SELECT 1 FROM {names.base} b WHERE b.{SEQ} = l.seq)"
        f" OR EXISTS (SELECT 1 FROM {names.parts} p WHERE p.seq = l.seq))"
    )


def _unregistered(cursor: Any, names: Names) -> Iterator[Version]:
    """Yield versions without a record. The server reads one row of each version."""
    found = f"SELECT DISTINCT {SEQ} AS seq FROM {names.base} UNION SELECT DISTINCT seq FROM {names.parts}"
    query = f"SELECT f.seq FROM ({found}) f LEFT JOIN {names.log} l ON l.seq = f.seq WHERE l.seq IS NULL"
    for (seq,) in rows(cursor, query):
        yield Version(names.dataset, WHOLE, f"{_UNREGISTERED}{seq}")


def _listed(states: Iterable[str]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))
