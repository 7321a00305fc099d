"""What flows between jobs and datasets, of rows that say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from luigi_sinks.lineage.network import Flow

FLOW = "RETURN type(f) AS type, u.key AS start, w.key AS end, f.first AS first, f.last AS last, f.observed AS observed"
"""Ends a query that has found relationships `f` from `u` to `w`."""


def split(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[Flow, ...], tuple[Flow, ...]]:
    """Return the flows that rows of such queries hold: those into jobs and those into datasets, each sorted."""
    reads, writes = set[Flow](), set[Flow]()
    for row in rows:
        is_read, known = row["type"] == "READS", (row["first"], row["last"], row["observed"])
        job, dataset = (row["start"], row["end"]) if is_read else (row["end"], row["start"])
        (reads if is_read else writes).add(Flow(job, dataset, *known))
    return tuple(sorted(reads, key=_ends)), tuple(sorted(writes, key=_ends))


def _ends(flow: Flow) -> tuple[str, str]:
    return flow.job, flow.dataset
