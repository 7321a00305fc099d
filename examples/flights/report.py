"""The last task: asserts that all three stores agree."""

from __future__ import annotations

from collections import Counter

import luigi

import readers
import source
from pipeline import Airlines, Airports, FlightSearch, Network, Planes, Weather, flights
from readers import Routes

UNKNOWN_AIRPORTS = {"BQN", "PSE", "SJU", "STT"}
"""Airports of some routes that are not in the data; the graph skips these routes (`missing_ends = "set_aside"`)."""


class Report(luigi.Task):
    """Counts the flights of each route in each store, and fails if two disagree."""

    about = luigi.Parameter(default="first load")

    def requires(self) -> list[luigi.Task]:
        search = [FlightSearch(month=month) for month in source.MONTHS]
        return [Airlines(), Airports(), Planes(), Weather(), Network(), *search]

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(str(flights().folder / f"report {self.about}.txt"))

    def run(self) -> None:
        found = readers.routes()
        check(found)
        with self.output().open("w") as file:
            file.writelines(f"{origin} {dest} {count}\n" for (origin, dest), count in sorted(found["mariadb"].items()))


def check(found: dict[str, Routes]) -> None:
    """Raise ValueError for the first route whose count differs between two stores."""
    sql = found["mariadb"]
    known = Counter({route: count for route, count in sql.items() if route[1] not in UNKNOWN_AIRPORTS})
    for store, expected in (("elasticsearch", sql), ("neo4j", known)):
        for route in sorted(expected | found[store]):
            here, there = expected[route], found[store][route]
            if here != there:
                raise ValueError(f"{'-'.join(route)}: mariadb has {here} flights, {store} {there}")
