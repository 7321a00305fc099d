"""Merges the rows of one source into a graph that others write too, in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any

import msgspec
import neo4j

from luigi_sinks.contract import Contract, WrongRow
from luigi_sinks.neo4j import creation, merging
from luigi_sinks.neo4j.progress import Progress
from luigi_sinks.neo4j.schema import END, START, Graph, RelationshipKind
from luigi_sinks.neo4j.settings import Neo4jSettings

_SWEPT_AT_ONCE = 10_000

Numbered = tuple[int, str, Any]
"""A row's number, its kind, and its values as the contract accepted them."""


@dataclass(frozen=True)
class Merge:
    """One run of a source, which merges all rows that the source has.

    `graph` declares the nodes and relationships, `source` names who gives the rows, `run` this run.
    """

    settings: Neo4jSettings
    dataset: str
    graph: Graph
    source: str
    run: str

    def rows(self, given: Iterable[Any]) -> int:
        """Merge pairs of a kind and a row, take away what the source had and has no longer; return how many rows came.

        Relationships wait for nodes that come after them. Raises BadRow for a row that
        breaks the contract, or a relationship whose ends are not in the graph in the end,
        Conflict if another run of the source begins meanwhile, and BadSetting if nodes of
        the graph share a key. Nothing is taken away unless all rows were merged.
        """
        creation.prepare_merged(self.settings, self.dataset, self.graph)
        begun = self._progress.begin([merging.key_of(kind) for kind in self.graph.kinds.values()])
        number, waiting, count = 0, list[Numbered](), 0
        for batch in _batches(self._accepted(given), self.settings.rows_per_transaction):
            number, count = number + 1, count + len(batch)
            waiting += self._merge(number, batch)
        for batch in _batches(iter(waiting), self.settings.rows_per_transaction):
            number += 1
            self._refuse(self._merge(number, batch))
        self._sweep(begun.kinds)
        return count

    @cached_property
    def _progress(self) -> Progress:
        return Progress(self.settings, self.dataset, self.source, self.run)

    @cached_property
    def _contract(self) -> Contract:
        return self.graph.contract(self.dataset)

    @property
    def _stamps(self) -> dict[str, str]:
        return {"source": f"{self.source} ", "stamp": f"{self.source} {self.run}"}

    def _accepted(self, given: Iterable[Any]) -> Iterator[Numbered]:
        for number, pair in enumerate(given, 1):
            try:
                kind, row = self._contract.split(pair)
            except WrongRow as wrong:
                raise self._contract.bad_row(number, wrong.field, wrong.reason) from None
            ((values,), _) = self._contract.accept(kind, [row], number)
            yield number, kind, values

    def _merge(self, number: int, batch: Sequence[Numbered]) -> list[Numbered]:
        """Merge rows in one transaction, nodes first; return the relationships of which an end is not there yet."""
        return [batch[index] for index in self._progress.step(number, partial(self._write, batch))]

    def _write(self, batch: Sequence[Numbered], tx: neo4j.Transaction) -> list[int]:
        missing: list[int] = []
        for name, kind in self.graph.kinds.items():
            places = [index for index, (_, of, _) in enumerate(batch) if of == name]
            if not places:
                continue
            rows = msgspec.to_builtins([batch[index][2] for index in places], builtin_types=(bytes,))
            if tx.run(merging.merge(kind), self._stamps, rows=rows).single(strict=True)["count"] < len(rows):
                assert isinstance(kind, RelationshipKind)
                missing += [places[row["index"]] for row in tx.run(merging.missing_ends(kind), rows=rows)]
        return missing

    def _refuse(self, missing: Sequence[Numbered]) -> None:
        for number, name, values in missing:
            kind = self.graph.relationship_kinds[name]
            raise self._contract.bad_row(
                number,
                f"{START}, {END}",
                f"no {kind.start.label} has the key {values[0]!r}, or no {kind.end.label} has {values[1]!r}; give both "
                "nodes, or require the task that does",
            )

    def _sweep(self, kinds: Sequence[str]) -> None:
        """Take away what the source had and has no longer: relationships first, as a node with one stays."""
        for key in sorted(kinds, key=lambda key: "|" not in key):
            self._progress.repeat(partial(self._sweep_some, merging.sweep(key)))
        self._progress.end([merging.key_of(kind) for kind in self.graph.kinds.values()])

    def _sweep_some(self, query: str, tx: neo4j.Transaction) -> int:
        return int(tx.run(query, self._stamps, limit=_SWEPT_AT_ONCE).single(strict=True)["count"])


def _batches(rows: Iterator[Numbered], size: int) -> Iterator[list[Numbered]]:
    while batch := list(islice(rows, size)):
        yield batch
