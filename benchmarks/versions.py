"""Measures what is done with versions that exist: rolling back, comparing, and making one of changed rows.

    python benchmarks/versions.py [STORE...]

STORE is mariadb, elasticsearch or neo4j, whose local server is started; all by default. A
dataset gets two versions of `ROWS=1000000` rows of 15 columns, in which one row in a
hundred differs, and one of changes by key: one row in a hundred changed, and one deleted.
Shown are the seconds of the loads, the median of 21 rollbacks in a process that runs, the
seconds of a comparison, and by how much it raises the process's peak of memory.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

HERE = sys.path.pop(0)  # this folder, whose mariadb.py is not the driver

import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median
from typing import Any

from luigi.configuration import get_config

from luigi_sinks import versions
from luigi_sinks.testing import servers
from luigi_sinks.version import Version

ROWS = int(os.environ.get("ROWS", "1_000_000"))
ROLLBACKS = 21
CHANGED = 100
"""One row in so many."""

STORES = ("mariadb", "elasticsearch", "neo4j")


def loads() -> Any:
    """Return the module beside this one, which has the rows and the targets."""
    spec = spec_from_file_location("loads", Path(HERE) / "loads.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.path.insert(0, HERE)  # it takes the folder out again
    spec.loader.exec_module(module)
    return module


LOADS = loads()


def rows(store: str, year: int) -> Iterator[Any]:
    """Yield the rows of a version; the year stands in one of a hundred."""
    for number in range(ROWS):
        row = LOADS.flat(number)
        if number % CHANGED == 0:
            row["year"] = year
        yield ("Bench", row) if store == "neo4j" else row


def changed(year: int) -> Iterator[Any]:
    """Yield the rows that are changed."""
    for number in range(0, ROWS, CHANGED):
        yield {**LOADS.flat(number), "year": year}


def keep(kept: list[Any], work: Callable[..., Any], *args: Any) -> None:
    """Put what a call returns into a list."""
    kept.append(work(*args))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def load(target: Any, given: Iterator[Any], deleted: Iterable[Any] = ()) -> Version:
    """Load a version, and return it."""
    with target.open("w") as writer:
        for row in given:
            writer.write(row)
        for key in deleted:
            writer.delete(key)
    version = target.sink().head("_all").version
    assert isinstance(version, Version)
    return version


def peak() -> int:
    """Return the most that was resident since the last call, in bytes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return 1024 * int(status["VmHWM"].removesuffix("kB"))


def measure(store: str) -> Iterator[tuple[str, str]]:
    """Yield what was measured of a store, and each figure."""
    target = LOADS.TARGETS[store](LOADS.FLAT, f"versions_{ROWS}")
    sink, made = target.sink(), list[Version]()
    for year in (1, 2):
        taken = timed(partial(keep, made, load, target, rows(store, year)))
        yield f"load of the whole, {year}", f"{taken:.1f} s"
    if store != "neo4j":
        by_key = LOADS.TARGETS[store](LOADS.FLAT, target.name, changes_by_key=True)
        deleted = ({"id": number} for number in range(1, ROWS, CHANGED))
        by_changes = timed(partial(keep, made, load, by_key, changed(3), deleted))
        yield "load of changes by key", f"{by_changes:.1f} s, {by_changes / taken:.2f} of the whole"
    peak()
    before, found = peak(), list[Any]()
    seconds = timed(partial(keep, found, versions.diff, sink, made[0], made[1]))
    assert found[0].changed == len(range(0, ROWS, CHANGED)), found[0]
    yield "comparison of two", f"{seconds:.1f} s, {(peak() - before) / 1e6:+.0f} MB"
    moves = [timed(partial(versions.roll_back, sink, made[number % 2])) for number in range(ROLLBACKS)]
    yield f"rollback, median of {ROLLBACKS}", f"{median(moves) * 1000:.0f} ms, at most {max(moves) * 1000:.0f} ms"
    for record in sink.records():
        if record.version != sink.head("_all").version:
            versions.prune(sink, record.version, min_age=timedelta(0))


def main(*stores: str) -> None:
    """Print the table."""
    chosen = stores or STORES
    if unknown := set(chosen) - set(STORES):
        sys.exit(f"{', '.join(sorted(unknown))}: choose from {', '.join(STORES)}")
    servers.up(list(chosen))
    get_config().read_string(servers.config())
    print(f"{ROWS:,} rows")
    for store in chosen:
        for what, figure in measure(store):
            print(f"{store:15}{what:28}{figure}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
