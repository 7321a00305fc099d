"""Readers that poll the stores in a separate process, and record what they see."""

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
    """What the readers of each store saw, and the row counts of whole versions."""

    def __init__(self) -> None:
        self._whole: dict[str, set[int]] = {store: set() for store in looks()}
        self._polled: dict[str, list[int]] = {}

    def settled(self) -> None:
        """Record the row counts of the current versions; call it while no load is running."""
        for store, look in looks().items():
            self._whole[store].add(look())

    def polled(self, output: str) -> None:
        """Parse the output of the readers: for each store the number of reads, and each new count."""
        self._polled = json.loads(output)

    def summary(self) -> list[str]:
        """Return one line per store. Raises ValueError if readers saw anything but a whole version."""
        return [self._line(store, *polled) for store, polled in self._polled.items()]

    def _line(self, store: str, reads: int, *counts: int) -> str:
        if not self._whole[store].issuperset(counts):
            raise ValueError(f"{store}: readers saw {counts} flights; whole versions have {self._whole[store]} flights")
        return f"{store}: {reads} reads saw {' → '.join(map('{:,}'.format, counts))} flights, nothing else"


@contextmanager
def polling(config: Path) -> Iterator[Seen]:
    """Run one reader per store while the block runs. `config` is the path of their luigi.cfg."""
    seen = Seen()
    environment = {**os.environ, "LUIGI_CONFIG_PATH": str(config)}
    with subprocess.Popen(  # noqa: S603 - runs this file
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as readers:
        assert readers.stdout is not None
        readers.stdout.readline()  # wait for their first read
        yield seen
        output, _ = readers.communicate("")  # end of input stops them
    if readers.returncode:
        sys.exit("a reader failed; see its error above")
    seen.polled(output)


def poll(look: Look, first: int, ended: threading.Event) -> list[int]:
    """Read until `ended`; return the number of reads, then each count that differs from the previous one."""
    reads, counts = 1, [first]
    while not ended.is_set():
        start = time.monotonic()
        count = look()
        reads += 1
        if count != counts[-1]:
            counts.append(count)
        time.sleep(max(0.05, 3 * (time.monotonic() - start)))  # leave processor time for the loads
    return [reads, *counts]


def main() -> None:
    """Poll every store until standard input ends; print the results as JSON."""
    ended, results = threading.Event(), {}

    def run(store: str, look: Look, first: int) -> None:
        results[store] = poll(look, first, ended)

    threads = [threading.Thread(target=run, args=(store, look, look())) for store, look in looks().items()]
    print("ready", flush=True)
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    print(json.dumps(results))
    sys.exit(len(results) < len(threads))


if __name__ == "__main__":
    main()
