"""Writes the rows of a part as lists, unwound into nodes and relationships; ends writing; deletes what was written.

A part is written in batches, each in one transaction with a node that marks it. The
mark is under a constraint, so a batch whose commit got no answer can be written
again: either its mark is there, or nothing of it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import neo4j
from neo4j.exceptions import ClientError, ConstraintError, DatabaseError, Neo4jError

from luigi_sinks import record as rules
from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadRow, Conflict, Forbidden, Unavailable
from luigi_sinks.neo4j import connection, cypher, registry
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.neo4j.schema import END, START, Kind, NodeKind, RelationshipKind
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.record import Pointer
from luigi_sinks.sink import Part
from luigi_sinks.version import Version

EXAMPLES = 5

_MARGIN = 10.0
"""Seconds within which the server ends a transaction whose time is over: it looks every two."""

_MARK = """
MERGE (b:_SinkBatch {version: $version, part: $part, first: $first})
ON CREATE SET b.rows = $rows, b.of = $of, b.digest = $digest
RETURN b.rows AS rows, b.of AS of, b.digest AS digest"""

_SET_ASIDE = """
MATCH (b:_SinkBatch {version: $version, part: $part, first: $first})
SET b.set_aside = $count, b.examples = $examples"""

_BATCHES = "MATCH (b:_SinkBatch) WHERE b.version = $version AND b.part IS NOT NULL AND b.first IS NOT NULL"

_COUNT_SET_ASIDE = f"""
{_BATCHES} WITH b ORDER BY b.part, b.first RETURN sum(b.set_aside) AS set_aside, collect(b.examples) AS examples"""

_DELETE_MARKS = f"{_BATCHES} CALL (b) {{ DELETE b }} IN TRANSACTIONS OF 10000 ROWS"

_AT_WORK = """
SHOW TRANSACTIONS YIELD transactionId, metaData, status
WHERE metaData.luigi_sinks = $version AND NOT status STARTS WITH 'Terminated'
RETURN collect(transactionId) AS ids"""

_LABELS = "MATCH (v:_SinkVersion {id: $version}) RETURN v.labels AS labels"


_OF_ROWS = ("Neo.ClientError.Schema.", "Neo.ClientError.Statement.", "Neo.DatabaseError.Statement.")
"""How the codes of errors begin that are about the rows of a statement."""


class _Refused(Exception):
    """The server refuses rows."""

    def __init__(self, error: Neo4jError) -> None:
        super().__init__(error)
        self.error = error


class _Undone(Exception):
    """The server took rows of a trial, which is rolled back."""


@dataclass(frozen=True)
class Batch:
    """The rows of a part that one transaction writes, from the offset `first`."""

    part: Part
    first: int
    rows: Sequence[Any]

    @property
    def mark(self) -> dict[str, Any]:
        """The properties of its mark."""
        rows = {"rows": len(self.rows), "of": len(self.part.rows), "digest": self.part.digest}
        return {"part": self.part.number, "first": self.first, **rows}

    def row_number(self, index: int) -> int:
        """Return the number of one of its rows within the load."""
        return self.part.row_number(self.first + index)


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
                connection.transact(self.settings, self._write, batch, version=self.version.id)
            except _Refused as refusal:
                raise self._bad_row(batch, refusal.error) from None

    def _write(self, tx: neo4j.Transaction, batch: Batch) -> None:
        if not self._mark(tx, batch):
            return
        rows = msgspec.to_builtins(batch.rows, builtin_types=(bytes,))
        made = self._create(tx, rows)
        if isinstance(self.kind, RelationshipKind) and made.relationships_created < len(rows):
            self._miss(tx, batch, rows, len(rows) - made.relationships_created)
        rows.clear()  # the driver's transaction and result refer to each other, and to these, until gc comes by

    def _create(self, tx: neo4j.Transaction, rows: Sequence[Any]) -> neo4j.SummaryCounters:
        try:
            return tx.run(cypher.create(self.kind), version=self.version.id, rows=rows).consume().counters
        except (ClientError, DatabaseError) as error:
            if error.code and error.code.startswith(_OF_ROWS):
                raise _Refused(error) from None
            raise

    def _mark(self, tx: neo4j.Transaction, batch: Batch) -> bool:
        """Mark the batch as arrived; tell whether it was not before.

        The record is not locked, as parts are written at once: sealing first changes
        it, and then waits for the transactions that may have read it before.
        """
        rules.accept_rows(registry.read_record(connection.within(tx), self.version), Pointer())
        result = tx.run(_MARK, {"version": self.version.id, **batch.mark})
        found = result.single(strict=True)
        batch.part.refuse_another(self.version, found["of"], found["digest"])
        if found["rows"] != len(batch.rows):
            raise Conflict(
                f"{self.version}: part {batch.part.number} was begun with another rows_per_transaction; load again"
            )
        return result.consume().counters.nodes_created == 1

    def _miss(self, tx: neo4j.Transaction, batch: Batch, rows: Sequence[Any], count: int) -> None:
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

    def _bad_row(self, batch: Batch, error: Neo4jError) -> BadRow | Unavailable:
        """Find the row whose key was there before, or that breaks a constraint or an index of somebody else."""
        duplicate = self._duplicate(batch) if isinstance(error, ConstraintError) else None
        if duplicate:
            return duplicate
        index = self._first_refused(batch)
        if index is None:
            return Unavailable(f"{self.version}: a row that was deleted meanwhile was in the way: {error}")
        names = self.contract.shapes[batch.part.kind].names
        field = next((name for name in names if _names(str(error.message), name)), "")
        return self.contract.bad_row(
            batch.row_number(index),
            field,
            f"was refused by Neo4j: {error.message}; correct the value, or drop that index or constraint",
        )

    def _first_refused(self, batch: Batch) -> int | None:
        """Find the first row that is refused, by bisection; nothing is written."""
        good, bad = 0, len(batch.rows)
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self._takes(batch.rows[good:middle]) else (good, middle)
        return None if self._takes(batch.rows[good:bad]) else good

    def _takes(self, rows: Sequence[Any]) -> bool:
        try:
            connection.transact(self.settings, self._try, rows, version=self.version.id)
        except _Refused:
            return False
        except _Undone:
            return True
        raise AssertionError("a trial ends in one of the two")

    def _try(self, tx: neo4j.Transaction, rows: Sequence[Any]) -> None:
        self._create(tx, msgspec.to_builtins(rows, builtin_types=(bytes,)))
        raise _Undone

    def _duplicate(self, batch: Batch) -> BadRow | None:
        """Find the row whose key was there before: in its part, or in the store."""
        if not isinstance(self.kind, NodeKind):
            return None
        shape, rows = self.contract.shapes[batch.part.kind], batch.part.rows
        found = self.contract.first_repeat(batch.part.kind, rows) or (self._first_existing(batch), None)
        repeat, earlier = found
        if repeat is None:
            return None
        number_of = batch.part.row_number
        return self.contract.duplicate(
            number_of(repeat),
            shape.key,
            shape.key_of(rows[repeat]),
            earlier=earlier if earlier is None else number_of(earlier),
        )

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


def _names(message: str, field: str) -> bool:
    """Tell whether a message of the server names the property."""
    return f"`{field}`" in message or f" {{{field}}}" in message


def _batches(part: Part, most: int) -> Iterator[Batch]:
    """Divide a part evenly."""
    count = -(-len(part.rows) // most)
    size = -(-len(part.rows) // count)
    return (Batch(part, first, part.rows[first : first + size]) for first in range(0, len(part.rows), size))


def count_set_aside(run: Run, version: Version) -> tuple[int, list[str]]:
    """Return how many relationships were set aside, and examples, as the marks of the batches say."""
    (found,) = run(_COUNT_SET_ASIDE, version=version.id)
    return found["set_aside"], [example for some in found["examples"] for example in some]


def await_writers(settings: Neo4jSettings, version: Version) -> None:
    """Wait until no transaction writes rows of the version; one of a process that stopped ends with its time-out.

    Raises Unavailable if one goes on, as its process has a higher request_timeout.
    """
    deadline = time.monotonic() + settings.request_timeout + _MARGIN
    while _at_work(settings, version):
        if time.monotonic() > deadline:
            raise Unavailable(f"{version}: another process is still writing a part of it; run again when it has ended")
        time.sleep(0.1)


def end_writers(settings: Neo4jSettings, version: Version) -> None:
    """End the transactions that write rows of the version; those of another login end with their time-outs."""
    if ids := _at_work(settings, version):
        with suppress(Forbidden):
            connection.query(settings, "TERMINATE TRANSACTIONS $ids", ids=ids)
        await_writers(settings, version)


def delete(settings: Neo4jSettings, version: Version) -> None:
    """Delete all of a version except its record, in many transactions."""
    found = connection.query(settings, _LABELS, version=version.id)
    labels = [label for row in found for label in row["labels"]]
    for query in (*map(cypher.delete_relationships, labels), *map(cypher.delete_nodes, labels)):
        connection.long_query(settings, query, version=version.id)
    delete_marks(settings, version)


def delete_marks(settings: Neo4jSettings, version: Version) -> None:
    """Delete the marks of a version's batches, once it takes no more of them."""
    connection.long_query(settings, _DELETE_MARKS, version=version.id)


def _at_work(settings: Neo4jSettings, version: Version) -> Any:
    return connection.query(settings, _AT_WORK, version=version.id)[0]["ids"]
