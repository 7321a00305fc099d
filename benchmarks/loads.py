"""Loads rows for `against.py`: reads the name of a case from each line of standard input, prints the seconds.

    python benchmarks/loads.py LUIGI_CFG STORE

The package that it measures is the one that PYTHONPATH names.
"""

# ruff: noqa: E402, PLC0415 - sys.path must be changed before other imports; each process holds one store's client

import sys

del sys.path[0]  # this folder, whose mariadb.py is not the driver

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
from luigi.configuration import add_config_path

from luigi_sinks import versions
from luigi_sinks.errors import SinkError

ROWS = int(os.environ.get("ROWS", "30_000"))
FRAME = 10_000
"""Rows of one data frame."""

Fields = Mapping[str, type]
NESTED = {"id": int, "tags": list, "codes": list, "place": dict}
FLAT: Fields = {
    "id": int,
    **dict.fromkeys(("year", "month", "day", "hour", "minute", "flight"), int),
    **dict.fromkeys(("delay", "air_time", "distance"), float),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), str),
    "at": datetime,
}
_START = datetime.fromisoformat("2013-01-01")


def flat(number: int) -> dict[str, Any]:
    """Return a row without nested values, with the 15 fields of a flight."""
    at = _START + timedelta(minutes=number)
    values = (
        *(number, at.year, at.month, at.day, at.hour, at.minute, number % 9_000),
        *(number % 90 / 4 if number % 5 else None, number % 600 / 2, number / 3),
        *("UA", f"N{number % 999:05}", "EWR", "IAH", at),
    )
    return dict(zip(FLAT, values, strict=True))


def nested(number: int) -> dict[str, Any]:
    """Return a row with lists and a dict."""
    return {
        "id": number,
        "tags": [f"tag {number % 17}", "delayed", "international"],
        "codes": [number, number + 1, number + 2, number + 3],
        "place": {"name": f"Gate {number % 50}", "floor": number % 4, "near": ["food", "lounge"], "open": True},
    }


@cache
def rows(case: str) -> list[Any]:
    """Return what a case writes."""
    if case == "nested":
        return [nested(number) for number in range(ROWS)]
    dicts = [flat(number) for number in range(ROWS)]
    if case == "tuples":
        return [tuple(row.values()) for row in dicts]
    if case == "frames":
        return [pl.DataFrame(dicts[first : first + FRAME]) for first in range(0, ROWS, FRAME)]
    return dicts


def in_mariadb(fields: Fields, dataset: str, **options: Any) -> Any:
    """Return a target that is a table."""
    import sqlalchemy as sa
    from sqlalchemy.dialects.mysql import DATETIME

    from luigi_sinks.mariadb import MariaDBTarget

    types = {int: sa.Integer, float: sa.Double, str: sa.String(20), datetime: DATETIME(fsp=6)}
    columns = [sa.Column(name, types.get(kind, sa.JSON), primary_key=name == "id") for name, kind in fields.items()]
    return MariaDBTarget(dataset, columns=columns, update_id="all", **options)


def in_elasticsearch(fields: Fields, dataset: str, **options: Any) -> Any:
    """Return a target that is an index."""
    from luigi_sinks.elasticsearch import ElasticsearchTarget

    types = {int: "integer", float: "double", str: "keyword", datetime: "date", list: "keyword"}
    mapping: dict[str, Any] = {name: {"type": types[kind]} for name, kind in fields.items() if kind is not dict}
    if "place" in fields:
        mapping["codes"] = {"type": "integer"}
        place = {"name": "keyword", "floor": "integer", "near": "keyword", "open": "boolean"}
        mapping["place"] = {"properties": {name: {"type": kind} for name, kind in place.items()}}
    return ElasticsearchTarget(dataset, mapping=mapping, id_field="id", update_id="all", **options)


def in_neo4j(fields: Fields, dataset: str, **options: Any) -> Any:
    """Return a target that is a graph of one kind of node. A dict's values become properties."""
    from luigi_sinks.neo4j import Neo4jTarget, Node

    types: dict[str, Any] = {name: kind | None if name != "id" else kind for name, kind in fields.items()}
    if "place" in types:
        del types["place"]
        types |= {"tags": list[str], "codes": list[int]}
    return Neo4jTarget(dataset, nodes=[Node("Bench", key="id", properties=types)], update_id="all", **options)


TARGETS: Mapping[str, Callable[..., Any]] = {
    "sqlite": in_mariadb,
    "mariadb": in_mariadb,
    "elasticsearch": in_elasticsearch,
    "neo4j": in_neo4j,
}


def as_nodes(some_rows: Iterable[Any]) -> list[Any]:
    """Return rows as Neo4j takes them."""
    return [
        ("Bench", {k: v for k, v in row.items() if k != "place"} if type(row) is dict else row) for row in some_rows
    ]


def seconds(target: Any, some_rows: Iterable[Any]) -> tuple[float, float]:
    """Return what a load takes, from staging to publication, and how much of a processor this process used."""
    start, used = time.perf_counter(), time.process_time()
    with target.open("w") as writer:
        for row in some_rows:
            writer.write(row)
    return time.perf_counter() - start, time.process_time() - used


def main(luigi_cfg: str, store: str) -> None:
    """Answer each line."""
    add_config_path(luigi_cfg)
    for line in sys.stdin:
        case = line.strip()
        target = TARGETS[store](
            NESTED if case == "nested" else FLAT, f"against_{'nested' if case == 'nested' else 'flat'}"
        )
        given = as_nodes(rows(case)) if store == "neo4j" else rows(case)
        print(*seconds(target, given), flush=True)
        sink = target.sink()
        for record in list(sink.records()):
            with suppress(SinkError):  # the head; the rest would slow down what is measured next
                versions.prune(sink, record.version)


if __name__ == "__main__":
    main(*sys.argv[1:])
