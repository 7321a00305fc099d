"""Datasets in Neo4j: versions that stand side by side, and a head that names one.

A version's nodes carry the label `<Label>__v` and the version's id; readers ask
the head first:

    MATCH (h:_SinkHead {dataset: 'flights'})
    MATCH (a:Airport__v {_version: h.version})-[r:ROUTE__v]->(b)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import msgspec
import neo4j

from luigi_sinks.claim import Claim
from luigi_sinks.errors import Forbidden
from luigi_sinks.neo4j import connection, constraints, cypher, registry, rows
from luigi_sinks.neo4j.rows import Counted
from luigi_sinks.neo4j.schema import Graph, GraphContract, MissingEnds
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.neo4j.writer import EXAMPLES, PartWriter
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.sink import Part, StagedCounts
from luigi_sinks.version import Version

Result = TypeVar("Result")

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class Neo4jSink:
    """One dataset of one database."""

    store: ClassVar[str] = "neo4j"

    settings: Neo4jSettings
    dataset: str
    graph: Graph
    missing_ends: MissingEnds = "refuse"

    @cached_property
    def contract(self) -> GraphContract:
        """What a row must look like."""
        return self.graph.contract(self.dataset, self.missing_ends)

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        return registry.head_of(
            connection.query(self.settings, registry.HEAD, dataset=self.dataset, partition=partition)
        )

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        wanted = {"partition": partition, "update_ids": None if update_ids is None else list(update_ids)}
        query = registry.records(partition, update_ids)
        return registry.records_of(connection.query(self.settings, query, dataset=self.dataset, **wanted))

    def create(self) -> None:
        """Make the constraints and indexes that are missing."""
        constraints.ensure(self.settings, self.graph)

    def begin(self, version: Version, origin: Origin, claim: Claim) -> Neo4jStage:
        """Register the version and open its stage."""
        self.create()
        labels = self.graph.node_kinds
        connection.transact(self.settings, lambda tx: registry.begin(tx, version, origin, claim, labels))
        return self.attach(version)

    def attach(self, version: Version) -> Neo4jStage:
        """Open the stage of a registered version."""
        return Neo4jStage(self, version)

    def publish(self, version: Version, *, replacing: Head) -> None:
        """Move the head if it still is `replacing`, and record it, in one transaction."""
        connection.transact(self.settings, lambda tx: registry.publish(tx, version, replacing))

    def retire(self, version: Version) -> None:
        """Record that the version is no longer the head."""
        connection.transact(self.settings, lambda tx: registry.retire(tx, version))

    def drop(self, version: Version) -> None:
        """Delete the rows of a version that is no head."""
        connection.transact(self.settings, lambda tx: registry.drop(tx, version))
        rows.delete(self.settings, version)

    def read(self, version: Version) -> Iterator[Any]:
        """Yield the version's rows as they were given, nodes first."""
        for name, kind in self.graph.kinds.items():
            shape = self.contract.shapes[name]
            for batch in connection.stream(self.settings, cypher.read(kind), version=version.id):
                for row in msgspec.convert(batch, shape.rows_type, builtin_types=(bytes,)):
                    yield self.contract.join(name, shape.as_given(row))


@dataclass(frozen=True)
class Neo4jStage:
    """A version being written."""

    sink: Neo4jSink
    version: Version
    writers: int = 2

    def write(self, part: Part) -> None:
        """Write a part once, in transactions of bounded size."""
        kind = self.sink.graph.kinds[part.kind]
        PartWriter(self.sink.settings, self.sink.contract, self.version, kind).write(part)

    def renew(self, claim: Claim) -> None:
        """Keep the claim alive."""
        self._transact(registry.renew, claim)

    def seal(self) -> StagedCounts:
        """Let no more rows in, wait for those under way, and count."""
        self._transact(registry.seal)
        rows.await_writers(self.sink.settings, self.version)
        counted = self._transact(self._count)
        rows.delete_marks(self.sink.settings, self.version)
        if counted.examples:
            _log.warning("%s: %d relationships set aside: %s", self.version, counted.set_aside, _some(counted.examples))
        return StagedCounts(counted.rows, counted.set_aside)

    def approve(self) -> None:
        """Record that the checks passed."""
        self._transact(registry.approve)

    def abandon(self) -> None:
        """Delete the rows and record the failure; a crash in between leaves it to the next load.

        Who may not delete them, on Enterprise, leaves them to a pruner.
        """
        if not self._transact(registry.abandon):
            return
        rows.end_writers(self.sink.settings, self.version)
        try:
            rows.delete(self.sink.settings, self.version)
        except Forbidden as errors:
            self._transact(registry.leave)
            _log.warning("%s: its rows are left for a pruner to delete: %s", self.version, errors)
        else:
            self._transact(registry.fail)

    def _count(self, tx: neo4j.Transaction, version: Version) -> Counted:
        counted = rows.count(tx, version, self.sink.graph)
        registry.change(tx, version, rows=counted.rows, set_aside=counted.set_aside)
        return counted

    def _transact(self, work: Callable[..., Result], *args: Any) -> Result:
        return connection.transact(self.sink.settings, lambda tx: work(tx, self.version, *args))


def _some(examples: Sequence[str]) -> str:
    more = len(examples) > EXAMPLES
    return "; ".join([*examples[:EXAMPLES], *(["and more"] if more else [])])
