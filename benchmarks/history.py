"""Measures whether a long history slows a dataset of MariaDB: a load of one row, its head, its outputs.

    python benchmarks/history.py [VERSIONS]

Each is measured with ten versions in the registry, and with VERSIONS more (10,000), which are copies of a
retired version's record, written to the registry as its owner: medians, in milliseconds.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose mariadb.py is not the driver

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import sqlalchemy as sa
from luigi.configuration import get_config

from luigi_sinks.dropping import drop_dataset
from luigi_sinks.mariadb import MariaDBTarget
from luigi_sinks.testing import servers

ROUNDS = 15
COLUMNS = [sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)]


def load(target: MariaDBTarget) -> None:
    """Load one row."""
    with target.open("w") as writer:
        writer.write((1,))


def copy_records(sink: Any, versions: int) -> None:
    """Copy the record of the oldest version so many times."""
    oldest, log = next(iter(sink.records())), sink.names.log
    copied = f"SELECT `partition`, ?, ?, record FROM {log} WHERE id = ?"
    statement = f"INSERT INTO {log} (`partition`, id, update_id, record) {copied}"

    def work(cursor: Any) -> None:
        for number in range(versions):
            letters = base64.b32encode(number.to_bytes(4)).decode().lower()[:6]
            cursor.execute(statement, (f"v20130101t{number:06}_{letters}", f"old {number}", oldest.version.id))

    sink.transact(work)


def measured(target: Callable[[str], MariaDBTarget]) -> Mapping[str, float]:
    """Return the median milliseconds of each."""
    taken: dict[str, list[float]] = {"exists": [], "load": [], "head": []}
    for _ in range(ROUNDS):
        new = target(secrets.token_hex(4))
        sink = new.sink()
        steps: Mapping[str, Callable[[], Any]] = {
            "exists": new.exists,
            "load": lambda new=new: load(new),
            "head": lambda sink=sink: sink.head("_all"),
        }
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            taken[name].append((time.perf_counter() - start) * 1_000)
    return {name: median(times[2:]) for name, times in taken.items()}


def main(versions: int) -> None:
    """Print a line for each."""
    servers.up(["mariadb"])
    get_config().read_string(servers.config())
    name = f"history_{secrets.token_hex(3)}"
    target = lambda output: MariaDBTarget(name, columns=COLUMNS, update_id=output)  # noqa: E731
    for number in range(10):
        load(target(str(number)))
    sink = target("0").sink()
    few = measured(target)
    copy_records(sink, versions)
    many = measured(target)
    for what, milliseconds in few.items():
        print(f"{what:7}{milliseconds:8.1f} ms with 10 versions,{many[what]:8.1f} ms with {versions:,} more")
    drop_dataset(sink, really=name)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000)
