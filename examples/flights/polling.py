"""Readers that look at the stores all the time, in a process of their own, and remember what they saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from readers import Look, looks


class Seen:
    """What readers of each store saw, and what they may have seen."""

    def __init__(self) -> None:
        self._whole: dict[str, set[int]] = {store: set() for store in looks()}
        self._polled: dict[str, list[int]] = {}

    def settled(self) -> None:
        """Note what a whole version counts, at a moment when none is being loaded."""
        for store, look in looks().items():
            self._whole[store].add(look())

    def polled(self, answer: str) -> None:
        """Take what the readers tell: for each store how often they looked, and each new count."""
        self._polled = json.loads(answer)

    def summary(self) -> list[str]:
        """Tell what was seen; raise ValueError if that was ever not a whole version."""
        return [self._told(store, *polled) for store, polled in self._polled.items()]

    def _told(self, store: str, reads: int, *counts: int) -> str:
        if not self._whole[store].issuperset(counts):
            raise ValueError(f"{store}: readers saw {counts}; whole versions count {self._whole[store]}")
        return f"{store}: {reads} reads saw {' → '.join(map('{:,}'.format, counts))} flights, nothing else"


@contextmanager
def polling(config: Path) -> Iterator[Seen]:
    """Let one reader a store look on while the block runs. `config` is the luigi.cfg they read."""
    seen = Seen()
    environment = {**os.environ, "LUIGI_CONFIG_PATH": str(config)}
    with subprocess.Popen(  # noqa: S603 - it is this file
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as readers:
        assert readers.stdout is not None
        readers.stdout.readline()  # they have looked once
        yield seen
        answer, _ = readers.communicate("")  # the end of their input ends them
    if readers.returncode:
        sys.exit("a reader met an error; it stands above")
    seen.polled(answer)


def poll(look: Look, first: int, ended: threading.Event) -> list[int]:
    """Look until the end; return how often, and then each count that differs from the one before."""
    reads, counts = 1, [first]
    while not ended.is_set():
        start = time.monotonic()
        count = look()
        reads += 1
        if count != counts[-1]:
            counts.append(count)
        time.sleep(max(0.05, 3 * (time.monotonic() - start)))  # the loads need the machine too
    return [reads, *counts]


def main() -> None:
    """Poll every store until standard input ends; print what was seen."""
    ended, told = threading.Event(), {}

    def run(store: str, look: Look, first: int) -> None:
        told[store] = poll(look, first, ended)

    threads = [threading.Thread(target=run, args=(store, look, look())) for store, look in looks().items()]
    print("ready", flush=True)
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    print(json.dumps(told))
    sys.exit(len(told) < len(threads))


if __name__ == "__main__":
    main()
