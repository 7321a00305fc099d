"""Loads rows into SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any, ClassVar

import msgspec

from luigi_sinks import columns, stored
from luigi_sinks import record as rules
from luigi_sinks.checks import SharedKey, StagedCounts
from luigi_sinks.claim import LEASE
from luigi_sinks.contract import Contract, Shape
from luigi_sinks.encoding import lines
from luigi_sinks.errors import BadRow, CheckFailed
from luigi_sinks.record import Record
from luigi_sinks.sink import Part, keyless, numbers
from luigi_sinks.sqlite.catalog import SQLiteCatalog, counts
from luigi_sinks.sqlite.types import COLUMNS, KEYS, decode, described, keys_type, typed
from luigi_sinks.version import Version


@dataclass(frozen=True)
class SQLiteSink(SQLiteCatalog):
    """A catalog that also loads: it knows what a row must look like.

    `folder` holds the files, `store` names the one that this store has there, `dataset` is
    the name that readers use, and `contract` says what a row must look like. `stood_in_for`
    are the columns in the words of the store that it stands in for, by which changes of
    columns are refused as there, unless `allow_change` names them.

    Example:
        >>> from luigi_sinks import Origin, config, load
        >>> from luigi_sinks.contract import Contract, Field, TupleShape
        >>> contract = Contract("numbers", {"": TupleShape((Field("id", int),))})
        >>> sink = SQLiteSink(config.common().local, "mariadb", "numbers", contract)
        >>> load(sink, "_all", Origin("Numbers_1"), [(1,), (2,)])
        >>> list(sink.read(sink.head("_all").version))
        [{'id': 1}, {'id': 2}]

    """

    lease: ClassVar[float] = LEASE

    contract: Contract
    stood_in_for: columns.Columns = field(default_factory=dict)
    allow_change: Collection[str] = ()

    @cached_property
    def key_contract(self) -> Contract:
        """What the key of a row must look like."""
        return Contract(self.dataset, {"": self.contract.shapes[""].of_key})

    @cached_property
    def declared(self) -> Mapping[str, Any]:
        """The fields of each kind of row with the names of their types, the keys of kinds, and the columns."""
        keys = {kind: [*map(str, shape.key)] for kind, shape in self.contract.shapes.items() if shape.key}
        others = {KEYS: keys, COLUMNS: msgspec.to_builtins(self.stood_in_for)}
        return {**self._fields, **{name: value for name, value in others.items() if value}}

    @cached_property
    def _fields(self) -> Mapping[str, Mapping[str, str]]:
        return {kind: described(shape) for kind, shape in self.contract.shapes.items()}

    @property
    def columns(self) -> Mapping[str, str]:
        """The types of the fields of each kind of row."""
        found = ((kind, name, text) for kind, fields in self._fields.items() for name, text in fields.items())
        return {f"{kind}.{name}" if kind else str(name): text for kind, name, text in found}

    def begin(self, record: Record) -> SQLiteStage:
        """Register the version and open its stage.

        Raises BadSetting for columns that cannot change so, or that do not hold the rows of the record's base.
        """
        version = record.version
        values = (self.dataset, version.partition, version.id, record.origin.update_id, record.state)
        with self.transaction() as db:
            self._compare_columns(db)
            if record.base:
                self._refuse_to_keep(db, self._record(db, replace(version, id=record.base)))
            db.execute(
                "INSERT OR IGNORE INTO record (dataset, partition, id, update_id, state, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (*values, stored.encode(record)),
            )
        return self.attach(version)

    def _compare_columns(self, db: sqlite3.Connection) -> None:
        newest = columns.newest(self._heads(db).values())
        seen = _columns_of(newest) if newest else {}
        columns.refuse(self.dataset, seen, self.stood_in_for, self.allow_change)

    def _refuse_to_keep(self, db: sqlite3.Connection, base: Record) -> None:
        seen, former = _columns_of(base), self._former_names(db, base)
        before = {name: seen[was] for name, was in former.items() if was in seen}
        columns.refuse_to_keep(base.version, before, self.stood_in_for)

    def _former_names(self, db: sqlite3.Connection, base: Record) -> Mapping[str, str]:
        """Return what the columns are called in a version, by the loads since."""
        loads = map(_columns_of, self._records_in(db, "r.seq >= ?", base.seq))
        declared = self.stood_in_for or dict.fromkeys(self.contract.shapes[""].names, columns.Column(""))
        return columns.former_names([*filter(None, loads), declared])

    def shared_key(self, version: Version) -> SharedKey | None:
        """Return a key of the sealed version that the head of another partition has too."""
        shapes = {kind: shape for kind, shape in self.contract.shapes.items() if shape.key}
        if not shapes:
            raise keyless(self.dataset)
        with self.transaction() as db:
            others = [head.version for head in self._heads(db).values() if head.version]
            own = set(self._keys(db, shapes, version))
            for other in others:
                for kind, key in self._keys(db, shapes, other) if other.partition != version.partition else ():
                    if (kind, key) in own:
                        return SharedKey(shapes[kind].key, key, other)
        return None

    def _keys(
        self, db: sqlite3.Connection, shapes: Mapping[str, Shape], version: Version
    ) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the keys of a version's rows, with the kinds of these."""
        for kind, body in db.execute("SELECT kind, body FROM part WHERE id = ?", (version.id,)).fetchall():
            if kind in shapes:
                for row in decode(body, keys_type(shapes[kind])):
                    yield kind, shapes[kind].key_of(row)

    def _schema_of(self, record: Record) -> Mapping[str, Any]:
        """Return what a version was loaded with; a record of format 1 kept none, so what this sink declares."""
        return record.schema or self.declared

    def attach(self, version: Version) -> SQLiteStage:
        """Open the stage of a registered version."""
        return SQLiteStage(self, version)


@dataclass(frozen=True)
class SQLiteStage:
    """A version being written."""

    sink: SQLiteSink
    version: Version
    writers: int = 1

    def write(self, part: Part) -> None:
        """Keep the part's rows, once."""
        with self.sink.transaction() as db:
            self.sink.change_in(db, self.version, rules.accept_rows)
            known = db.execute(
                "SELECT rows, digest FROM part WHERE id = ? AND number = ?", (self.version.id, part.number)
            ).fetchone()
            if known is None:
                self._insert(db, part)
            else:
                part.refuse_another(self.version, *known)

    def seal(self) -> StagedCounts:
        """Check keys and references over all parts, and count what is left."""
        with self.sink.transaction() as db:
            self.sink.change_in(db, self.version, rules.close)
            self._check(db)
            counted = counts(db, self.version)
            self.sink.change_in(db, self.version, partial(rules.seal, counts=counted))
        return counted

    def carry(self, number: int, base: Record, deleted: Sequence[Any]) -> int:
        """Copy the rows of `base` that were neither changed nor deleted; return how many.

        Raises CheckFailed for a row that does not fit, BadRow for one that was written with a unique key of such a row.
        """
        shape = self.sink.contract.shapes[""]
        with self.sink.transaction() as db:
            self.sink.change_in(db, self.version, rules.accept_rows)
            db.execute("DELETE FROM part WHERE id = ? AND number >= ?", (self.version.id, number))
            gone = set(map(shape.of_key.key_of, deleted))
            taken: dict[tuple[str, ...], dict[Any, int]] = {unique: {} for unique in shape.unique}
            for _, _, row_numbers, rows in self._parts(db):
                gone.update(map(shape.key_of, rows))
                for unique, seen in taken.items():
                    self._check_unique(seen, unique, row_numbers, map(shape.as_given, rows))
            former = self.sink._former_names(db, base)  # noqa: SLF001 - its stage
            query = "SELECT number, body FROM part WHERE id = ? ORDER BY number"
            count = 0
            for place, body in db.execute(query, (base.version.id,)).fetchall():
                kept = self._kept(base, former, gone, body)
                for unique, seen in taken.items():
                    self._refuse_taken(seen, unique, base, map(shape.as_given, kept))
                self._insert(db, Part(number + place, "", 1, kept, lines(kept)))
                count += len(kept)
        return count

    def _insert(self, db: sqlite3.Connection, part: Part) -> None:
        values = (self.version.id, part.number, part.kind, part.first_row, len(part.rows), 0, _listed(part.text))
        db.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, json.dumps(part.gaps), part.digest))

    def _kept(self, base: Record, former: Mapping[str, str], gone: Collection[Any], body: bytes) -> Sequence[Any]:
        """Return the rows of a part of another version that stay, with None in fields that are new since."""
        shape = self.sink.contract.shapes[""]
        names, rows_type = typed(base.schema.get(""))
        try:
            rows = decode(body, rows_type if names else shape.rows_type)
            if names:
                were: list[Any] = list(map(former.get, shape.names))
                rows = [tuple(map(dict(zip(names, row, strict=True)).get, were)) for row in rows]
            kept, _ = self.sink.contract.accept("", [row for row in rows if shape.key_of(row) not in gone], 1)
        except BadRow as error:
            raise _not_kept(base, f"field {error.field!r}, as declared, does not take its value") from None
        except msgspec.ValidationError as error:
            raise _not_kept(base, str(error)) from None
        return kept

    def _refuse_taken(
        self, taken: Mapping[Any, int], fields: Sequence[str], base: Record, rows: Iterable[Mapping[str, Any]]
    ) -> None:
        for row in rows:
            key = tuple(row[field] for field in fields)
            if key in taken:
                why = f", which stays of {base.version}"
                raise self.sink.contract.duplicate(taken[key], fields, key, why=why)

    def _parts(self, db: sqlite3.Connection) -> Iterator[tuple[int, str, Sequence[int], Sequence[Any]]]:
        """Yield the number and the kind of each part, with the numbers of its rows, and these."""
        parts = db.execute(
            "SELECT number, kind, first_row, gaps FROM part WHERE id = ? ORDER BY number", (self.version.id,)
        ).fetchall()
        for number, kind, first_row, gaps in parts:
            place = (self.version.id, number)
            ((body,),) = db.execute("SELECT body FROM part WHERE id = ? AND number = ?", place)
            rows = decode(body, keys_type(self.sink.contract.shapes[kind]))
            yield number, kind, list(islice(numbers(first_row, json.loads(gaps or "[]")), len(rows))), rows

    def _check(self, db: sqlite3.Connection) -> None:
        keys: dict[str, dict[Any, int]] = {kind: {} for kind in self.sink.contract.shapes}
        others: dict[tuple[str, ...], dict[Any, int]] = defaultdict(dict)
        for number, kind, row_numbers, rows in self._parts(db):
            shape = self.sink.contract.shapes[kind]
            self._check_keys(keys[kind], shape, row_numbers, rows)
            for unique in shape.unique:
                self._check_unique(others[unique], unique, row_numbers, map(shape.as_given, rows))
            kept = self._standing(keys, kind, row_numbers, rows)
            if len(kept) < len(rows):
                db.execute(
                    "UPDATE part SET body = ?, set_aside = ? WHERE id = ? AND number = ?",
                    (_listed(lines(kept)), len(rows) - len(kept), self.version.id, number),
                )

    def _check_keys(self, seen: dict[Any, int], shape: Shape, row_numbers: Sequence[int], rows: Sequence[Any]) -> None:
        if not shape.key:
            return
        keys = list(map(shape.key_of, rows))
        by_key = dict(zip(keys, row_numbers, strict=True))
        if len(by_key) == len(keys) and seen.keys().isdisjoint(by_key):
            seen.update(by_key)
            return
        number, key = next(
            pair for pair in zip(row_numbers, keys, strict=True) if seen.setdefault(pair[1], pair[0]) < pair[0]
        )
        raise self.sink.contract.duplicate(number, shape.key, key, earlier=seen[key])

    def _check_unique(
        self, seen: dict[Any, int], fields: Sequence[str], row_numbers: Sequence[int], rows: Iterable[Any]
    ) -> None:
        for number, row in zip(row_numbers, rows, strict=True):
            key = tuple(row[field] for field in fields)
            if None not in key and (earlier := seen.setdefault(key, number)) < number:
                raise self.sink.contract.duplicate(number, fields, key, earlier=earlier)

    def _standing(
        self, keys: dict[str, dict[Any, int]], kind: str, row_numbers: Sequence[int], rows: Sequence[Any]
    ) -> Sequence[Any]:
        """Return the rows whose references lead somewhere; refuse the others unless they may be set aside."""
        contract = self.sink.contract
        dangling = contract.dangling(kind, rows, keys)
        for index, end in dangling.items() if not contract.sets_aside else ():
            raise contract.bad_row(row_numbers[index], end, "refers to a row that is not there")
        return [row for index, row in enumerate(rows) if index not in dangling] if dangling else rows


def _columns_of(record: Record) -> columns.Columns:
    """Return the columns of a version in the words of the store that is stood in for, if its load knew them."""
    return msgspec.convert(record.schema.get(COLUMNS, {}), dict[str, columns.Column])


def _not_kept(base: Record, reason: str) -> CheckFailed:
    return CheckFailed(f"{base.version}: a row cannot be kept: {reason}; {columns.LOAD_WHOLE}")


def _listed(text: bytes) -> bytes:
    """Return lines of JSON as one list."""
    return b"[%b]" % text.removesuffix(b"\n").replace(b"\n", b",")
