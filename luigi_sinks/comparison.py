"""What differs between two versions: rows by their keys, or as wholes where they have none.

Rows that a store hands over one by one are sorted on the local disk, in a file that is
gone at the end: so memory stays the same however many there are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import sqlite3

Keys = Mapping[str, Sequence[str]]
"""The fields of the key of each kind of row; of a kind that is not named, rows have no key."""

Rows = Iterable[tuple[str, Any]]
"""Pairs of a kind, which is empty where there is only one, and a row: a mapping, or a tuple of nameless fields."""

_AT_ONCE = 5_000

_DIFFERING = """
SELECT kind, olds, news, old, new FROM (
  SELECT kind, count(*) FILTER (WHERE NOT is_new) AS olds, count(*) FILTER (WHERE is_new) AS news,
         max(body) FILTER (WHERE NOT is_new) AS old, max(body) FILTER (WHERE is_new) AS new
  FROM row GROUP BY kind, key
) WHERE olds <> news OR old <> new"""


@dataclass(frozen=True)
class Difference:
    """One row that differs: None stands for the version that does not have it. Values are as JSON has them."""

    kind: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Diff:
    """How many rows the second version has in addition, lacks, and has with other values; and the first few of each.

    Rows without a key are compared as wholes, so one that was changed counts as removed and as added.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    examples: tuple[Difference, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether both versions hold the same rows."""
        return not (self.added or self.removed or self.changed)


def compared(before: Rows, after: Rows, keys: Keys, *, examples: int) -> Diff:
    """Compare the rows of two versions, each of which is read once.

    `examples` is how many rows are kept of those that were added, removed and changed each.
    """
    with _sorting() as file:
        for is_new, rows in ((False, before), (True, after)):
            _fill(file, rows, keys, is_new=is_new)
        return _diff(file.execute(_DIFFERING), examples)


@contextmanager
def _sorting() -> Iterator[sqlite3.Connection]:
    """Give a database in a file of its own, which need not survive anything."""
    import sqlite3  # noqa: PLC0415 - importing this package is not to load it

    with (
        tempfile.TemporaryDirectory(prefix="luigi-sinks-") as folder,
        closing(sqlite3.connect(Path(folder) / "rows", isolation_level=None)) as file,
    ):
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -65536"):
            file.execute(f"PRAGMA {setting}")
        file.execute("CREATE TABLE row (kind, key, is_new, body)")
        file.execute("BEGIN")
        yield file


def _fill(file: sqlite3.Connection, rows: Rows, keys: Keys, *, is_new: bool) -> None:
    lines = (_line(keys, kind, row, is_new=is_new) for kind, row in rows)
    while some := list(islice(lines, _AT_ONCE)):
        file.executemany("INSERT INTO row VALUES (?, ?, ?, ?)", some)


def _line(keys: Keys, kind: str, row: Any, *, is_new: bool) -> tuple[Any, ...]:
    body = _encode(row)
    key = keys.get(kind) if isinstance(row, Mapping) else None
    return kind, _encode([row.get(field) for field in key]) if key else body, is_new, body


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _diff(found: Iterable[tuple[Any, ...]], examples: int) -> Diff:
    counts = {"added": 0, "removed": 0, "changed": 0}
    shown: dict[str, list[Difference]] = {name: [] for name in counts}
    for kind, olds, news, old, new in found:
        what = "added" if news > olds else "removed" if olds > news else "changed"
        counts[what] += abs(news - olds) or 1
        if len(shown[what]) < examples:
            before, after = (None if what == gone else body for gone, body in (("added", old), ("removed", new)))
            shown[what].append(Difference(kind, _decoded(before), _decoded(after)))
    return Diff(**counts, examples=tuple(each for group in shown.values() for each in group))


def _decoded(body: bytes | None) -> Any:
    return None if body is None else msgspec.json.decode(body)
