"""Measures whether a long history slows a dataset: a load of one row, its head, and whether an output is there.

    python benchmarks/history.py [VERSIONS] [STORE...]

Each is measured with ten versions in the registry and with VERSIONS of them (10,000), which are
copies of a retired version's record under other ids, written to the registry as its owner: the median
of several, in milliseconds. Partitions are measured the same way: with ten, and with 3,000.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose modules are called as others

import secrets
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import sqlalchemy as sa
from luigi.configuration import get_config

from luigi_sinks import stores
from luigi_sinks.dropping import drop_dataset
from luigi_sinks.testing import servers

ROUNDS = 15
PARTITIONS = 3_000


def targets(store: str, name: str) -> Callable[..., Any]:
    """Return what makes a target for a partition."""
    schema: Mapping[str, Any] = {
        "mariadb": lambda: {"columns": [sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)]},
        "elasticsearch": lambda: {"mapping": {"id": {"type": "integer"}}, "id_field": "id"},
        "neo4j": lambda: {"nodes": [_node()]},
    }[store]()
    return lambda partition, output: stores.find(store).target_class(
        name, **schema, partition=partition, update_id=f"{partition} {output}"
    )


def _node() -> Any:
    from luigi_sinks.neo4j import Node  # noqa: PLC0415 - only for this store

    return Node("BenchHistory", key="id", properties={"id": int})


def load(target: Any, store: str) -> None:
    """Load one row."""
    with target.open("w") as writer:
        writer.write(("BenchHistory", (1,)) if store == "neo4j" else (1,))


def copy(store: str, name: str, versions: int, partitions: int) -> None:
    """Copy the record of the oldest version so many times, into as many partitions."""
    catalog = stores.find(store).catalog(name)
    oldest = next(iter(catalog.records())).version
    places = [f"p{number % partitions:04}" if partitions else oldest.partition for number in range(versions)]
    ids = [f"v20130101t000000_{secrets.token_hex(4)[:2]}{number:04}".translate(_LETTERS) for number in range(versions)]
    COPIES[store](catalog, oldest, list(zip(ids, places, strict=True)))


_LETTERS = str.maketrans("0189", "abcd")
"""Ids end in six letters and digits of base 32, which has none of these."""


def in_mariadb(catalog: Any, oldest: Any, made: list[tuple[str, str]]) -> None:
    """Copy rows of the log."""

    def work(cursor: Any) -> None:
        names = catalog.names
        for number, (id_, partition) in enumerate(made):
            cursor.execute(
                f"INSERT INTO {names.log} (`partition`, id, update_id, record) SELECT ?, ?, ?, record FROM {names.log}"
                " WHERE id = ?",
                (partition, id_, f"old {number}", oldest.id),
            )

    catalog.transact(work)


def in_elasticsearch(catalog: Any, oldest: Any, made: list[tuple[str, str]]) -> None:
    """Copy documents of the registry."""
    raise NotImplementedError


COPIES: Mapping[str, Callable[..., None]] = {"mariadb": in_mariadb}


def measured(store: str, target: Callable[..., Any]) -> dict[str, float]:
    """Return the median milliseconds of each."""
    taken: dict[str, list[float]] = {"load": [], "head": [], "exists": []}
    for number in range(ROUNDS):
        new = target("_all", secrets.token_hex(4))
        sink = new.sink()
        for name, work in (
            ("exists", new.exists),
            ("load", lambda new=new: load(new, store)),
            ("head", lambda sink=sink: sink.head("_all")),
        ):
            start = time.perf_counter()
            work()
            taken[name].append((time.perf_counter() - start) * 1000)
        del number
    return {name: median(times[2:]) for name, times in taken.items()}


def main(versions: int, *chosen: str) -> None:
    """Print a line for each store."""
    servers.up(list(chosen))
    get_config().read_string(servers.config())
    for store in chosen:
        name = f"history_{secrets.token_hex(3)}"
        target = targets(store, name)
        for number in range(10):
            load(target("_all", number), store)
        few = measured(store, target)
        copy(store, name, versions, 0)
        many = measured(store, target)
        for what in few:
            print(f"{store:14} {what:7} {few[what]:8.1f} ms with 10 versions, {many[what]:8.1f} with {versions:,}")
        drop_dataset(stores.find(store).catalog(name), really=name)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000, *(sys.argv[2:] or ("mariadb", "elasticsearch", "neo4j")))
