"""What readers see in each store, through its own client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import clients
import pipeline
import source
from luigi_sinks import config

Routes = Counter[tuple[str, str]]
Look = Callable[[], int]

_NETWORK = "MATCH (h:_SinkHead {dataset: 'network'}) MATCH (o:Airport__v {_version: h.version})-[r:ROUTE__v]->(d) "
_JANUARY = {"query": {"range": {"date": {"gte": "2013-01-01", "lt": "2013-02-01"}}}}
_PER_ROUTE = {"size": 0, "aggs": {"routes": {"terms": {"field": "route", "size": 1_000}}}}


def routes() -> dict[str, Routes]:
    """Return the flights of each route: by SQL, by an aggregation and by Cypher."""
    if config.common().local:
        return _routes_in_memory()
    buckets = clients.search("flights/_search", _PER_ROUTE)["aggregations"]["routes"]["buckets"]
    return {
        "mariadb": _counted(clients.sql("SELECT origin, dest, COUNT(*) FROM flights GROUP BY origin, dest")),
        "elasticsearch": _counted((*bucket["key"].split("-"), bucket["doc_count"]) for bucket in buckets),
        "neo4j": _counted(clients.cypher(_NETWORK + "RETURN o.faa, d.faa, sum(r.flights)")),
    }


def looks() -> dict[str, Look]:
    """Return a function per store that counts flights: those of January, and in the graph those of the year."""
    if config.common().local:
        return {
            "mariadb": lambda: _count(pipeline.Flights(month=source.MONTHS[0])),
            "elasticsearch": lambda: _count(pipeline.FlightSearch(month=source.MONTHS[0])),
            "neo4j": lambda: _routes_in_memory_graph().total(),
        }
    return {
        "mariadb": lambda: int(clients.sql("SELECT COUNT(*) FROM flights WHERE month = 1")[0][0]),
        "elasticsearch": lambda: int(clients.search("flights/_count", _JANUARY)["count"]),
        "neo4j": lambda: int(clients.cypher(_NETWORK + "RETURN sum(r.flights)")[0][0]),
    }


def _counted(rows: Any) -> Routes:
    return Counter({(origin, dest): int(count) for origin, dest, count in rows})


def _routes_in_memory() -> dict[str, Routes]:
    def by_route(family: Any) -> Routes:
        heads = (row for month in source.MONTHS for row in _head(family(month=month)))
        return Counter((row["origin"], row["dest"]) for row in heads)

    return {
        "mariadb": by_route(pipeline.Flights),
        "elasticsearch": by_route(pipeline.FlightSearch),
        "neo4j": _routes_in_memory_graph(),
    }


def _routes_in_memory_graph() -> Routes:
    found: Routes = Counter()
    for kind, row in _head(pipeline.Network()):
        if kind == "ROUTE":
            found[row["start"], row["end"]] += row["flights"]
    return found


def _count(task: Any) -> int:
    return sum(1 for _ in _head(task))


def _head(task: Any) -> Iterator[Any]:
    """Yield the rows of the head, as a reader of the store sees them."""
    sink = task.output().sink()
    yield from sink.read(sink.head(task.output().partition).version)
