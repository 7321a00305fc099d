"""The fast path: the rows of a part as lists, unwound into nodes and relationships.

A part goes in batches, each in one transaction with a node that marks it. The
mark is under a constraint, so a batch whose commit got no answer is written
again safely: either its mark is there, or nothing of it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import neo4j
from neo4j.exceptions import ConstraintError

from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadRow, Conflict, Unavailable
from luigi_sinks.neo4j import connection, cypher
from luigi_sinks.neo4j.schema import END, START, NodeKind, RelationshipKind
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.sink import Part
from luigi_sinks.version import State, Version

EXAMPLES = 5

_MARK = """
MATCH (v:_SinkVersion {id: $version})
MERGE (b:_SinkBatch {version: $version, part: $part, first: $first}) ON CREATE SET b.rows = $rows, b.of = $of
RETURN v.state AS state, v.closed AS closed, b.rows AS rows, b.of AS of"""

_SET_ASIDE = """
MATCH (b:_SinkBatch {version: $version, part: $part, first: $first})
SET b.set_aside = $count, b.examples = $examples"""


Kind = NodeKind | RelationshipKind


@dataclass(frozen=True)
class Batch:
    """The rows of a part that one transaction writes, from the offset `first` on."""

    part: Part
    first: int
    rows: Sequence[Any]

    @property
    def mark(self) -> dict[str, Any]:
        """What its mark says."""
        return {"part": self.part.number, "first": self.first, "rows": len(self.rows), "of": len(self.part.rows)}

    def row_number(self, index: int) -> int:
        """Return the number of one of its rows within the load."""
        return self.part.first_row + self.first + index


@dataclass(frozen=True)
class PartWriter:
    """Writes the parts of one version that hold one kind of row."""

    settings: Neo4jSettings
    contract: Contract
    version: Version
    kind: Kind

    def write(self, part: Part) -> None:
        """Write a part, batch by batch; errors as for `Stage.write`."""
        for batch in _batches(part, self.settings.rows_per_transaction):
            try:
                connection.transact(self.settings, partial(self._write, batch), version=self.version.id)
            except ConstraintError as error:
                raise self._duplicate(batch, error) from None

    def _write(self, batch: Batch, tx: neo4j.Transaction) -> None:
        if not self._mark(batch, tx):
            return
        rows = msgspec.to_builtins(batch.rows, builtin_types=(bytes,))
        made = tx.run(cypher.create(self.kind), version=self.version.id, rows=rows).consume().counters
        if isinstance(self.kind, RelationshipKind) and made.relationships_created < len(rows):
            self._miss(batch, tx, rows, len(rows) - made.relationships_created)
        rows.clear()  # the driver's transaction and result refer to each other, and to these, until gc comes by

    def _mark(self, batch: Batch, tx: neo4j.Transaction) -> bool:
        """Mark the batch as arrived; tell whether it was not before."""
        result = tx.run(_MARK, {"version": self.version.id, **batch.mark})
        found = result.single()
        if found is None or found["state"] != State.STAGED or found["closed"]:
            raise Conflict(f"{self.version} takes no more rows: it was sealed or abandoned")
        if found["rows"] != len(batch.rows) or found["of"] != len(batch.part.rows):
            raise Conflict(f"{self.version}: part {batch.part.number} was written with {found['of']} rows before")
        return result.consume().counters.nodes_created == 1

    def _miss(self, batch: Batch, tx: neo4j.Transaction, rows: Sequence[Any], count: int) -> None:
        """Refuse relationships whose ends are not there, or note how many were set aside."""
        assert isinstance(self.kind, RelationshipKind)
        ends = [row[:2] for row in rows]
        found = tx.run(cypher.missing_ends(self.kind), version=self.version.id, ends=ends, limit=EXAMPLES).data()
        missing = [self._missing(batch, **each) for each in found]
        if not self.contract.sets_aside:
            raise self._refusal(missing)
        examples = [str(each) for each in missing]
        mark = {"version": self.version.id, **batch.mark}
        tx.run(_SET_ASIDE, mark, count=count, examples=examples).consume()

    def _missing(self, batch: Batch, index: int, *, no_start: bool) -> MissingEnd:
        assert isinstance(self.kind, RelationshipKind)
        position, end, node = (0, START, self.kind.start) if no_start else (1, END, self.kind.end)
        return MissingEnd(batch.row_number(index), end, node.label, batch.rows[index][position])

    def _refusal(self, missing: Sequence[MissingEnd]) -> BadRow:
        first, *others = missing
        also = f"; the same is wrong with {', '.join(map(str, others))}" if others else ""
        way_out = "give all nodes first, or set missing_ends = 'set_aside'"
        return self.contract.bad_row(first.row, first.end, f"{first.reason}{also}; {way_out}")

    def _duplicate(self, batch: Batch, error: ConstraintError) -> BadRow | Unavailable:
        """Find the row whose key was there before: in its part, or in the store."""
        assert isinstance(self.kind, NodeKind)
        shape, rows = self.contract.shapes[batch.part.kind], batch.part.rows
        repeat = self.contract.first_repeat(batch.part.kind, rows)
        if repeat is None:
            repeat = self._first_existing(batch)
        if repeat is None:
            return Unavailable(f"{self.version}: another load that was undone meanwhile stood in the way: {error}")
        return self.contract.duplicate(batch.part.first_row + repeat, shape.key, shape.key_of(rows[repeat]))

    def _first_existing(self, batch: Batch) -> int | None:
        assert isinstance(self.kind, NodeKind)
        key_of = self.contract.shapes[batch.part.kind].key_of
        keys = [key for row in batch.rows for key in msgspec.to_builtins(key_of(row))]
        found = connection.query(self.settings, cypher.first_existing(self.kind), version=self.version.id, keys=keys)
        first = found[0]["first"]
        return None if first is None else batch.first + first


@dataclass(frozen=True)
class MissingEnd:
    """A relationship of which the node at one end is not in the version."""

    row: int
    end: str
    label: str
    key: Any

    @property
    def reason(self) -> str:
        """Say what is missing."""
        return f"no {self.label} has the key {self.key!r}"

    def __str__(self) -> str:
        """Say where, too."""
        return f"row {self.row}, {self.end}: {self.reason}"


def _batches(part: Part, most: int) -> Iterator[Batch]:
    """Divide a part evenly."""
    count = -(-len(part.rows) // most)
    size = -(-len(part.rows) // count)
    return (Batch(part, first, part.rows[first : first + size]) for first in range(0, len(part.rows), size))
