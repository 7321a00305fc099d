# ruff: noqa: S608 - names are quoted, numbers are the registry's
"""Compares two versions in the server, by their primary key: both lie in one table, ordered by it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from luigi_sinks.comparison import Diff, Difference
from luigi_sinks.mariadb.connection import rows
from luigi_sinks.mariadb.names import Names, quoted
from luigi_sinks.mariadb.reader import Column, Columns
from luigi_sinks.mariadb.schema import SEQ

_BY_COLLATION = re.compile("(var)?char|(tiny|medium|long)?text|enum|set", re.IGNORECASE)
"""The types that the server compares by a collation, to which other letters may be equal."""


def key_of(schema: Mapping[str, Any]) -> Sequence[str]:
    """Return the columns of the primary key by a record's schema; a loader may have written anything there."""
    try:
        return msgspec.convert(schema.get("unique", {}), dict[str, list[str]]).get("PRIMARY", [])
    except msgspec.ValidationError:
        return []


def compare(cursor: Any, names: Names, before: Columns, after: Columns, key: Sequence[str], examples: int) -> Diff:
    """Return how two versions with the same columns differ."""
    old, new = before.record.seq, after.record.seq
    same = " AND ".join(f"n.{quoted(each)} = o.{quoted(each)}" for each in key)
    both = f"FROM {names.base} o JOIN {names.base} n ON n.{SEQ} = {new} AND {same} WHERE o.{SEQ} = {old}"
    differs = " OR ".join(f"NOT {_equal(old, after.found[name])}" for name, old in before.found.items())
    ((matched, changed),) = rows(cursor, f"SELECT COUNT(*), COALESCE(SUM({differs}), 0) {both}")
    removed, added = (_count(cursor, names, seq) - matched for seq in (old, new))
    shown: list[Difference] = []
    if added:
        found = rows(cursor, _only(names, after, new, old, key, examples))
        shown += [Difference("", None, _plain(after.row(row))) for row in found]
    if removed:
        found = rows(cursor, _only(names, before, old, new, key, examples))
        shown += [Difference("", _plain(before.row(row)), None) for row in found]
    if changed:
        asked = f"SELECT {before.asked('o.')}, {after.asked('n.')} {both} AND ({differs}) LIMIT {examples:d}"
        width = len(before.found)
        for row in rows(cursor, asked):
            shown.append(Difference("", _plain(before.row(row[:width])), _plain(after.row(row[width:]))))
    return Diff(added, removed, int(changed), tuple(shown))


def _count(cursor: Any, names: Names, seq: int) -> int:
    ((count,),) = rows(cursor, f"SELECT COUNT(*) FROM {names.base} WHERE {SEQ} = {seq}")
    return int(count)


def _only(names: Names, columns: Columns, seq: int, other: int, key: Sequence[str], most: int) -> str:
    """Return the query for rows of a version whose keys the other one does not have."""
    same = " AND ".join(f"n.{quoted(each)} = o.{quoted(each)}" for each in key)
    join = f"FROM {names.base} o LEFT JOIN {names.base} n ON n.{SEQ} = {other} AND {same}"
    return f"SELECT {columns.asked('o.')} {join} WHERE o.{SEQ} = {seq} AND n.{SEQ} IS NULL LIMIT {most:d}"


def _equal(before: Column, after: Column) -> str:
    """Compare a column's values, NULL among them; text letter by letter."""
    old, new = f"o.{quoted(before.stored)}", f"n.{quoted(after.stored)}"
    if _BY_COLLATION.match(before.type):
        return f"(BINARY {old} <=> BINARY {new})"
    return f"({old} <=> {new})"


def _plain(row: Mapping[str, Any]) -> Any:
    return msgspec.to_builtins(row)
