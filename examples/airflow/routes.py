"""Two DAGs of Airflow: one loads the routes of a month into Neo4j, the other reads exactly the version it published.

They need a connection `graph` to Neo4j, see docs/airflow.md, and the files that the task
FlightFiles of examples/flights writes. To try it:

    airflow dags trigger load_routes --conf '{"folder": "var/flights", "month": "2013-01"}'
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task

from luigi_sinks.airflow import Dataset, LoadOperator

MOST = 3


def nodes() -> Any:
    """Return the kinds of nodes; the driver is imported when the task loads, not with the DAG."""
    from luigi_sinks.neo4j import Node  # noqa: PLC0415

    return [Node("Airport", key="faa", properties={"faa": str})]


def relationships() -> Any:
    """Return the kinds of relationships."""
    from luigi_sinks.neo4j import Relationship  # noqa: PLC0415

    return [Relationship("ROUTE", start="Airport", end="Airport", properties={"flights": int})]


routes = Dataset("neo4j", "routes", conn_id="graph", nodes=nodes, relationships=relationships)


def rows(params: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the airports of a month's flights, and how many flights connect them."""
    with (Path(params["folder"]) / f"{params['month']}.csv").open(encoding="utf-8") as file:
        flights = Counter((row["origin"], row["dest"]) for row in csv.DictReader(file))
    for airport in sorted({airport for route in flights for airport in route}):
        yield "Airport", {"faa": airport}
    for (start, end), count in flights.items():
        yield "ROUTE", {"start": start, "end": end, "flights": count}


with DAG(
    "load_routes",
    schedule=None,
    max_active_runs=1,
    default_args={"owner": "flight_ops"},
    params={"folder": Param("var/flights", type="string"), "month": Param("2013-01", type="string")},
):
    LoadOperator(task_id="load", dataset=routes, rows=rows, partition="{{ params.month | replace('-', '') }}")


with DAG("busiest_routes", schedule=[routes.asset], default_args={"owner": "flight_ops"}):

    @task
    def busiest(triggering_asset_events: Any = None) -> list[str]:
        """Return the busiest routes of each version that was published since the last run."""
        found = []
        for event in triggering_asset_events[routes.asset]:
            with routes.reading(event) as read:
                flights = [row for kind, row in read if kind == "ROUTE"]
            flights.sort(key=lambda row: -row["flights"])
            found += [f"{row['start']}-{row['end']}: {row['flights']}" for row in flights[:MOST]]
        return found

    busiest()
