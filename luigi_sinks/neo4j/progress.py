"""How far a run has come that changes a graph in place: a node for each source, which each transaction locks.

What a transaction writes and the number of its batch are committed together, so a batch
whose commit got no answer can be written again: either its number is there, or nothing
of it is. A run that was overtaken by another of its source finds that one's id, and stops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import neo4j

from luigi_sinks.errors import Conflict
from luigi_sinks.neo4j import connection, creation
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.retry import retry_unavailable

LABEL = "_SinkRun"

INDEX = creation.Index(LABEL, LABEL, ("dataset", "source"))

_BEGIN = f"""
MERGE (s:{LABEL} {{dataset: $dataset, source: $source}}) SET s._lock = true REMOVE s._lock
WITH s, coalesce(s.run, '') = $run AS is_known
SET s.run = $run, s.batches = CASE WHEN is_known THEN s.batches ELSE 0 END,
    s.digest = CASE WHEN is_known THEN s.digest ELSE '' END,
    s.kinds = [kind IN coalesce(s.kinds, []) WHERE NOT kind IN $kinds] + $kinds
RETURN s.batches AS batches, s.digest AS digest, s.kinds AS kinds"""

_LOCK = f"""
MATCH (s:{LABEL} {{dataset: $dataset, source: $source}}) SET s._lock = true REMOVE s._lock
WITH s WHERE s.run = $run RETURN s.batches AS batches, s.digest AS digest, s.found AS found"""

_STEP = f"""
MATCH (s:{LABEL} {{dataset: $dataset, source: $source}})
SET s.batches = $batches, s.digest = $digest, s.found = $found"""

_END = f"MATCH (s:{LABEL} {{dataset: $dataset, source: $source, run: $run}}) SET s.kinds = $kinds"


@dataclass(frozen=True)
class Begun:
    """What is known of a run when it begins, or begins again.

    `batches` were written before, of which `digest` is the digest. `kinds` are those of all
    that the source may have in the graph.
    """

    batches: int
    digest: str
    kinds: Sequence[str]


@dataclass(frozen=True)
class Progress:
    """The run of one source that writes a dataset; `run` is its id."""

    settings: Neo4jSettings
    dataset: str
    source: str
    run: str

    def begin(self, kinds: Sequence[str] = ()) -> Begun:
        """Make this the source's run; another that is at work stops at its next batch."""
        creation.prepare_marks(self.settings, self.dataset, INDEX)
        (row,) = self._patiently(connection.query, _BEGIN, **self._place, kinds=list(kinds))
        return Begun(row["batches"], row["digest"], row["kinds"])

    def step(self, number: int, work: Callable[[neo4j.Transaction], Sequence[int]], digest: str = "") -> list[int]:
        """Do a batch's work in one transaction, exactly once; return what it found, also where it was done before.

        Batches are numbered from 1. Raises Conflict if another run of the source has begun.
        """
        found: list[int] = self._patiently(self._transact, self._step, number, work, digest)
        return found

    def repeat(self, work: Callable[[neo4j.Transaction], int]) -> None:
        """Do some work that may be repeated in transactions of their own, until it returns 0."""
        while self._patiently(self._transact, self._guarded, work):
            pass

    def end(self, kinds: Sequence[str]) -> None:
        """Note which kinds the source has in the graph from now on."""
        self._patiently(connection.query, _END, **self._place, kinds=list(kinds))

    @property
    def _place(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "source": self.source, "run": self.run}

    def _step(
        self, tx: neo4j.Transaction, number: int, work: Callable[[neo4j.Transaction], Sequence[int]], digest: str
    ) -> list[int]:
        locked = self._lock(tx)
        if locked["batches"] >= number:
            return list(locked["found"] or ())
        found = list(work(tx))
        tx.run(_STEP, self._place, batches=number, digest=digest, found=found).consume()
        return found

    def _guarded(self, tx: neo4j.Transaction, work: Callable[[neo4j.Transaction], int]) -> int:
        self._lock(tx)
        return work(tx)

    def _lock(self, tx: neo4j.Transaction) -> neo4j.Record:
        for row in tx.run(_LOCK, self._place):
            return row
        raise Conflict(
            f"graph {self.dataset!r}: another run for {self.source!r} began meanwhile, and goes on where this one "
            "stopped; let that one end"
        )

    def _transact(self, settings: Neo4jSettings, work: Callable[..., Any], *args: Any) -> Any:
        return connection.transact(settings, work, *args, version=self.run)

    def _patiently(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return retry_unavailable(self.settings.patience, call, self.settings, *args, **kwargs)
