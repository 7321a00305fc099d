"""Compares loads by this checkout with loads by another commit of it, in turn, in one run.

    python benchmarks/against.py REF [STORE...]

REF is a branch, a tag or a commit; STORE is mariadb, elasticsearch or neo4j, whose local
server is started. SQLite is always measured. Each case loads the same rows: as dicts, as
tuples, as data frames, and with nested values. The table shows the median of the ratios of
paired loads, seconds here to seconds there: 1.03 is 3% slower than REF. It shows the same for
the seconds that the loading process used of a processor, which other processes disturb less.
`ROUNDS=21` in the environment makes more pairs of a case, `ROWS=100000` longer loads.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose mariadb.py is not the driver

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Self

from luigi_sinks.testing import servers

HERE = Path(__file__).resolve().parent.parent
ROUNDS = int(os.environ.get("ROUNDS", "11"))
CASES = ("dicts", "tuples", "frames", "nested")
SERVERS = ("mariadb", "elasticsearch", "neo4j")

Seconds = tuple[float, float]


class Loader:
    """A process that loads with the package in one folder."""

    def __init__(self, package: Path, luigi_cfg: Path, store: str) -> None:
        command = [sys.executable, str(HERE / "benchmarks" / "loads.py"), str(luigi_cfg), store]
        environment = {**os.environ, "PYTHONPATH": str(package)}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, case: str) -> Seconds:
        """Load once, and return the seconds of the clock and of the processor."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(case, file=self.process.stdin, flush=True)
        clock, processor = map(float, self.process.stdout.readline().split())
        return clock, processor

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self.process.communicate()


@contextmanager
def checkout(ref: str) -> Iterator[Path]:
    """Give a folder with the files of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "-C", HERE, "archive", ref, "luigi_sinks"], stdout=subprocess.PIPE, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


def compare(here: Loader, there: Loader, case: str) -> str:
    """Return a line of the table; which of the two comes first changes from pair to pair."""
    here.seconds(case)  # makes the rows, and what a first load makes
    there.seconds(case)
    ours: list[Seconds] = []
    theirs: list[Seconds] = []
    for number in range(ROUNDS):
        for loader, taken in ((here, ours), (there, theirs))[:: 1 if number % 2 else -1]:
            taken.append(loader.seconds(case))
    return "".join(_ratios(*pair) for pair in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True))


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> str:
    ratios = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return f"{median(ratios):>9.3f} ({low:.3f} to {high:.3f}){min(ours) / min(theirs):>8.3f}{min(ours):>8.2f}"


def configured(store: str, folder: Path) -> Path:
    """Write a luigi.cfg for a store, which runs. Each checkout has a folder: their files may differ in format."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{store}.cfg"
    if store == "sqlite":
        path.write_text(f"[luigi_sinks]\nlocal = {folder / 'local'}\n")
    else:
        path.write_text(servers.config())
    return path


def main(ref: str, *stores: str) -> None:
    """Print the table."""
    chosen: Sequence[str] = ("sqlite", *stores)
    if unknown := set(stores) - set(SERVERS):
        sys.exit(f"{', '.join(sorted(unknown))}: choose from {', '.join(SERVERS)}")
    if stores:
        servers.up(list(stores))
    columns = f"{'median':>9} {'(half of them)':16}{'of best':>8}{'best':>8}"
    print(f"{'':24}{'seconds':>41}{'of the processor':>41}\n{'':24}{columns}{columns}")
    with tempfile.TemporaryDirectory() as folder, checkout(ref) as other:
        for store in chosen:
            with ExitStack() as stack:
                here, there = (
                    stack.enter_context(Loader(place, configured(store, Path(folder, name)), store))
                    for name, place in (("here", HERE), ("there", other))
                )
                for case in CASES:
                    print(f"{store + ', ' + case:24}{compare(here, there, case)}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    main(*sys.argv[1:])
