"""What befalls executors of Spark in tests, and how large their loads are; it needs no Spark."""

import os
import resource
import signal
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from luigi_sinks import Unavailable, running, stores

PARTITIONS, ROWS = 4, 24_000
"""So many rows in so many partitions have three parts in each."""

NODES = 200
"""What relationships are between."""


@dataclass(frozen=True)
class Fault:
    """What befalls a partition's first attempt, before it writes its `part`th part.

    - `what`: "kill worker", "kill executor", "raise", "sleep", "unavailable", "always unavailable", "" for nothing.
    - `folder`: where each part that is written is noted.
    - `is_blind`: whether parts are known by their number alone.
    """

    folder: Path
    what: str = ""
    part: int = 2
    partition: int = 1
    is_blind: bool = False

    def befall(self, context, part: int) -> None:
        """Let it happen, if this is where."""
        if context.partitionId() != self.partition:
            return
        if self.what == "sleep" and context.attemptNumber():
            self._await_first_attempt()
        if part != self.part:
            return
        if self.what == "always unavailable" or (self.what == "unavailable" and not context.attemptNumber()):
            raise Unavailable("the store is away")
        if context.attemptNumber():
            return
        if self.what == "kill worker":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.what == "kill executor":
            os.kill(_parent(os.getppid()), signal.SIGKILL)  # this process, the daemon that forked it, the executor
        elif self.what == "raise":
            raise RuntimeError("this attempt fails")
        elif self.what == "sleep":
            time.sleep(60)

    def _await_first_attempt(self):
        """Let a duplicate begin once the first attempt has written a part."""
        while f"\n{self.partition} 0 0 " not in f"\n{self._notes.read_text() if self._notes.exists() else ''}":
            time.sleep(0.1)

    @property
    def _notes(self):
        return self.folder / "written"

    def note(self, context, part: int) -> None:
        """Note that a part was written, by which attempt, and in how much memory."""
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with self._notes.open("a") as notes:
            notes.write(
                f"{context.partitionId()} {context.attemptNumber()} {part} {used} {running.here().correlation}\n"
            )


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def written(folder):
    """Return which attempts wrote each part of each partition, how much memory they had, and for which correlation."""
    parts, memory, correlations = defaultdict(list), [], set()
    for line in (Path(folder) / "written").read_text().splitlines():
        partition, attempt, part, used, correlation = line.split()
        parts[int(partition), int(part)].append(int(attempt))
        memory.append(int(used))
        correlations.add(correlation)
    return parts, memory, correlations


def ids_of(store, rows, *, is_keyed):
    """Return the ids of the rows that were loaded, in their order."""
    if store != "neo4j":
        return sorted(row["id"] for row in rows)
    return sorted(row["id"] for kind, row in rows if (kind == "Item") == is_keyed)


def records_of(store, dataset):
    """Return the history of a dataset."""
    return list(stores.find(store).catalog(dataset).records())
