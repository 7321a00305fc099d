"""Races into Neo4j: LOAD CSV, this package, and the usual loop with one session of the driver.

Each creates the same typed data with the same constraint and index: nodes of 20 properties, of
8, and relationships. LOAD CSV reads a prepared file from the server's disk, in two and in four
transactions at once.
"""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import neo4j
from luigi.configuration import get_config

from benchmarks import flights
from benchmarks.race import Case, Race, Took, timed
from luigi_sinks import Origin, config, dropping, load, stores
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node, Relationship
from luigi_sinks.testing import servers

BATCH = 10_000
OURS, POLARS, DRIVER = "tuples", "polars", "driver, one session"
TWO, FOUR = "LOAD CSV in 2", "LOAD CSV in 4"

WIDE = (Case("neo4j-nodes", OURS, (TWO, FOUR), 0.95),)
NARROW = (Case("neo4j-narrow-nodes", OURS, (TWO, FOUR), 1.0),)
EDGES = (
    Case("neo4j-relationships", OURS, (TWO, FOUR), 0.90),
    Case("neo4j-relationships-driver", OURS, (DRIVER,), 1.5),
)


@contextmanager
def races(rows: int | None) -> Iterator[Sequence[Race]]:
    """Give the races, each of so many rows, or of its own number."""
    servers.up(["neo4j"])
    get_config().read_string(servers.config())
    server = Server()
    count = rows or 200_000
    try:
        nodes = [
            (Nodes(server, count, names), cases) for names, cases in ((flights.NAMES, WIDE), (flights.NARROW, NARROW))
        ]
        yield [
            *(Race(count, each.methods, cases) for each, cases in nodes),
            Race(min(count, 100_000), Edges(server, min(count, 100_000)).methods, EDGES),
        ]
    finally:
        server.end()


class Server:
    """The local server, accessed with the driver."""

    def __init__(self) -> None:
        self.settings = config.read_connection(Neo4jSettings, "neo4j")
        self.files: list[Path] = []
        self.last = ""
        self.kept: list[str] = []
        secret = Path(config.read_credential(self.settings.credential)["path"]).read_text().strip()
        self.driver = neo4j.GraphDatabase.driver(
            self.settings.address,
            auth=(self.settings.user, secret),
            encrypted=True,
            trusted_certificates=neo4j.TrustCustomCAs(str(self.settings.tls_ca)),
            notifications_min_severity="OFF",
        )

    def run(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a query in one transaction, or in those that it creates."""
        with self.driver.session() as session:
            return session.run(query, parameters).data()

    def write(self, query: str, rows: Sequence[Any]) -> None:
        """Run a query for the rows in one session, a transaction for each batch."""
        with self.driver.session() as session:
            for first in range(0, len(rows), BATCH):
                batch = rows[first : first + BATCH]
                session.execute_write(lambda tx, batch=batch: tx.run(query, rows=batch, version="bench").consume())

    def read_file(self, path: Path, action: str, transactions: int) -> None:
        """Run an action for each line of a file."""
        self.run(
            f"LOAD CSV FROM $url AS r CALL (r) {{ {action} }} "
            f"IN {transactions} CONCURRENT TRANSACTIONS OF {BATCH} ROWS",
            url=f"file:///{path.name}",
            version="bench",
        )

    def share(self, rows: Sequence[Any]) -> Path:
        """Write a file to the import folder of the server."""
        folder = self.run("SHOW SETTINGS 'server.directories.import' YIELD value")[0]["value"]
        path = Path(folder) / f"bench_{secrets.token_hex(4)}.csv"
        with path.open("w", newline="") as file:
            for row in rows:
                csv.writer(file).writerow(each.isoformat() if isinstance(each, datetime) else each for each in row)
        path.chmod(0o644)
        self.files.append(path)
        return path

    def clear(self, *labels: str) -> None:
        """Delete what the other ways made with these labels."""
        for label in labels:
            made = f"MATCH (n:{label}__v {{_version: 'bench'}})"
            self.run(f"{made}-[r]->() CALL (r) {{ DELETE r }} IN TRANSACTIONS OF {BATCH} ROWS")
            self.run(f"{made} CALL (n) {{ DELETE n }} IN TRANSACTIONS OF {BATCH} ROWS")

    def prepare(self, graph: Graph, rows: Any) -> str:
        """Load a dataset that stays until the end, and with it the constraints and indexes; return its version's id."""
        self.load(graph, rows)
        name, self.last = self.last, ""
        self.kept.append(name)
        head = stores.find("neo4j").catalog(name).head("_all").version
        assert head is not None
        return head.id

    def load(self, graph: Graph, rows: Any) -> None:
        """Load a graph by this package, as a dataset of its own."""
        name = f"bench_{secrets.token_hex(4)}"
        load(Neo4jSink(self.settings, name, graph), "_all", Origin("benchmark"), rows)
        self.last = name

    def end(self) -> None:
        """Delete what is left."""
        for name in self.kept:
            self.last = name
            self.drop()
        for path in self.files:
            path.unlink()

    def drop(self) -> None:
        """Delete the last dataset, if there is one."""
        name, self.last = self.last, ""
        if name:
            dropping.drop_dataset(stores.find("neo4j").catalog(name), really=name)


class Nodes:
    """The ways to create nodes of these properties."""

    def __init__(self, server: Server, count: int, names: tuple[str, ...]) -> None:
        self.server, self.names = server, names
        self.label = f"Bench{len(names)}"
        self.rows = flights.rows(count, names)
        self.graph = Graph([Node(self.label, key="id", properties={name: _type(name) for name in names})], [])
        self.kept = server.prepare(self.graph, [(self.label, row) for row in self.rows[:1]])
        server.clear(self.label)
        self.path = server.share(self.rows)
        self.methods = {
            OURS: lambda: self._taken(self._by_us),
            TWO: lambda: self._taken(partial(self._by_file, 2)),
            FOUR: lambda: self._taken(partial(self._by_file, 4)),
        }

    def _by_us(self) -> None:
        self.server.load(self.graph, ((self.label, row) for row in self.rows))

    def _by_file(self, transactions: int) -> None:
        values = ", ".join(f"{name}: {_parsed(name, place)}" for place, name in enumerate(self.names))
        self.server.read_file(self.path, f"CREATE (:{self.label}__v {{_version: $version, {values}}})", transactions)

    def _taken(self, work: Callable[[], None]) -> Took:
        seconds, cpu = timed(work)
        sums = "count(*) AS count, sum(n.id) AS ids, sum(n.distance) AS distance, max(n.time_hour) AS last"
        query = f"MATCH (n:{self.label}__v) WHERE n._version <> $kept RETURN {sums}"
        found = tuple(map(str, self.server.run(query, kept=self.kept)[0].values()))
        self.server.drop()
        self.server.clear(self.label)
        return Took(seconds, cpu, found)


class Edges:
    """The ways to create a relationship from each flight to its destination; the nodes are there before."""

    def __init__(self, server: Server, count: int) -> None:
        self.server = server
        rows = flights.rows(count, ("id", "dest", "arr_delay"))
        self.airports = sorted({row[1] for row in rows})
        self.rows = rows
        self.graph = Graph(
            [
                Node("BenchFlight", key="id", properties={"id": int}),
                Node("BenchAirport", key="faa", properties={"faa": str}),
            ],
            [Relationship("TO", start="BenchFlight", end="BenchAirport", properties={"delay": float | None})],
        )
        server.prepare(self.graph, self._nodes()[-1:])
        server.clear("BenchFlight", "BenchAirport")
        self.path = server.share(rows)
        self.methods = {
            OURS: self.by_us,
            TWO: lambda: self._taken(partial(self._by_file, 2)),
            FOUR: lambda: self._taken(partial(self._by_file, 4)),
            DRIVER: lambda: self._taken(
                lambda: server.write(f"UNWIND $rows AS r {_ends('r[0]', 'r[1]', 'r[2]')}", rows)
            ),
        }

    def by_us(self) -> Took:
        """Load nodes and relationships by this package; what is timed is the relationships."""
        loads: list[tuple[float, float]] = []
        loads.append(timed(lambda: self.server.load(self.graph, self._nodes())))
        self.server.drop()
        edges = (("TO", row) for row in self.rows)
        loads.append(timed(lambda: self.server.load(self.graph, [*self._nodes(), *edges])))
        found = self._found()
        self.server.drop()
        (nodes, nodes_cpu), (whole, whole_cpu) = loads
        return Took(whole - nodes, whole_cpu - nodes_cpu, found)

    def _nodes(self) -> list[Any]:
        return [
            *(("BenchFlight", (row[0],)) for row in self.rows),
            *(("BenchAirport", (faa,)) for faa in self.airports),
        ]

    def _by_file(self, transactions: int) -> None:
        self.server.read_file(self.path, _ends("toInteger(r[0])", "r[1]", "toFloat(r[2])"), transactions)

    def _taken(self, work: Callable[[], None]) -> Took:
        ids = [row[0] for row in self.rows]
        self.server.write("UNWIND $rows AS r CREATE (:BenchFlight__v {_version: $version, id: r})", ids)
        self.server.write("UNWIND $rows AS r CREATE (:BenchAirport__v {_version: $version, faa: r})", self.airports)
        seconds, cpu = timed(work)
        found = self._found()
        self.server.clear("BenchFlight", "BenchAirport")
        return Took(seconds, cpu, found)

    def _found(self) -> Any:
        query = (
            "MATCH (a:BenchFlight__v)-[r]->(b:BenchAirport__v) RETURN count(*) AS c, sum(a.id) AS i, sum(r.delay) AS d"
        )
        return tuple(map(str, self.server.run(query)[0].values()))


def _ends(flight: str, airport: str, delay: str) -> str:
    return (
        f"MATCH (a:BenchFlight__v {{_version: $version, id: {flight}}}) USING INDEX a:BenchFlight__v(_version, id) "
        f"MATCH (b:BenchAirport__v {{_version: $version, faa: {airport}}}) "
        "USING INDEX b:BenchAirport__v(_version, faa) "
        f"CREATE (a)-[:TO__v {{delay: {delay}}}]->(b)"
    )


def _type(name: str) -> Any:
    if name in {"id", "time_hour"}:
        return int if name == "id" else datetime
    return (str if name in flights.TEXTS else float if name in flights.FLOATS else int) | None


def _parsed(name: str, place: int) -> str:
    if name == "time_hour":
        return f"localdatetime(r[{place}])"
    function = "" if name in flights.TEXTS else "toFloat" if name in flights.FLOATS else "toInteger"
    return f"{function}(r[{place}])" if function else f"r[{place}]"
