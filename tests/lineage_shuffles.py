"""Writes a history in another order, with a third of it twice, by several writers at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from luigi_sinks.lineage.graph import writing
from luigi_sinks.neo4j import Neo4jSettings
from luigi_sinks.recording.events import Event

WRITERS = (1, 2, 4)
SIZES = (7, 50, 400, 5_000)


def shuffled(events: Sequence[Event], seed: int) -> list[Event]:
    """Return the events in another order, a third of them twice."""
    chance = random.Random(seed)
    found = [*events, *chance.sample(list(events), len(events) // 3)]
    chance.shuffle(found)
    return found


def write(settings: Neo4jSettings, events: Sequence[Event], writers: int, size: int) -> None:
    """Write events in batches, so many at a time."""
    with ThreadPoolExecutor(writers) as pool:
        batches = (events[start : start + size] for start in range(0, len(events), size))
        for done in [pool.submit(writing.write, settings, batch) for batch in batches]:
            done.result()
