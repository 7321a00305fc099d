"""A Luigi pipeline that loads the New York flights of 2013 into three stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import luigi
import polars as pl
from sqlalchemy import Column, DateTime, Double, Integer, SmallInteger, String

import source
from luigi_sinks import elasticsearch, mariadb, neo4j
from luigi_sinks.neo4j import Node, Relationship


class flights(luigi.Config):  # noqa: N801 - the section [flights] of luigi.cfg
    """Where the pipeline keeps its files."""

    folder = luigi.PathParameter(default=Path("var/flights"))


class FlightFiles(luigi.Task):
    """Splits the year into a CSV file for each month."""

    def output(self) -> dict[date, luigi.LocalTarget]:
        return {month: luigi.LocalTarget(str(flights().folder / f"{month:%Y-%m}.csv")) for month in source.MONTHS}

    def run(self) -> None:
        year = source.flights()
        for month, target in self.output().items():
            with target.temporary_path() as path:
                year.filter(pl.col("month") == month.month).write_csv(path, null_value="NA")


# MariaDB: five tables, flights by month


class Airlines(mariadb.CopyToTable):
    table = "airlines"
    columns = [
        Column("carrier", String(2), primary_key=True),
        Column("name", String(50), nullable=False),
    ]

    def rows(self) -> Iterator[Any]:
        yield source.airlines()


class Airports(mariadb.CopyToTable):
    table = "airports"
    columns = [
        Column("faa", String(3), primary_key=True),
        Column("name", String(60), nullable=False),
        Column("lat", Double, nullable=False),
        Column("lon", Double, nullable=False),
        Column("alt", Integer, nullable=False),
        Column("tz", SmallInteger, nullable=False),
        Column("dst", String(1), nullable=False),
        Column("tzone", String(40)),
    ]

    def rows(self) -> Iterator[Any]:
        yield source.airports()


class Planes(mariadb.CopyToTable):
    table = "planes"
    columns = [
        Column("tailnum", String(6), primary_key=True),
        Column("year", SmallInteger),
        Column("type", String(30), nullable=False),
        Column("manufacturer", String(40), nullable=False),
        Column("model", String(30), nullable=False),
        Column("engines", SmallInteger, nullable=False),
        Column("seats", SmallInteger, nullable=False),
        Column("speed", SmallInteger),
        Column("engine", String(20), nullable=False),
    ]

    def rows(self) -> Iterator[Any]:
        yield source.planes()


class Weather(mariadb.CopyToTable):
    table = "weather"
    columns = [
        Column("origin", String(3), primary_key=True),
        Column("year", SmallInteger, nullable=False),
        Column("month", SmallInteger, nullable=False),
        Column("day", SmallInteger, nullable=False),
        Column("hour", SmallInteger, nullable=False),
        Column("temp", Double),
        Column("dewp", Double),
        Column("humid", Double),
        Column("wind_dir", SmallInteger),
        Column("wind_speed", Double),
        Column("wind_gust", Double),
        Column("precip", Double, nullable=False),
        Column("pressure", Double),
        Column("visib", Double, nullable=False),
        Column("time_hour", DateTime, primary_key=True),
    ]

    def rows(self) -> Iterator[Any]:
        yield source.weather()


class Flights(mariadb.CopyToTable):
    month = luigi.MonthParameter()
    table = "flights"
    partition_by = ("month",)
    columns = [
        Column("id", Integer, primary_key=True),
        Column("year", SmallInteger, nullable=False),
        Column("month", SmallInteger, nullable=False),
        Column("day", SmallInteger, nullable=False),
        Column("dep_time", SmallInteger),
        Column("sched_dep_time", SmallInteger, nullable=False),
        Column("dep_delay", SmallInteger),
        Column("arr_time", SmallInteger),
        Column("sched_arr_time", SmallInteger, nullable=False),
        Column("arr_delay", SmallInteger),
        Column("carrier", String(2), nullable=False),
        Column("flight", SmallInteger, nullable=False),
        Column("tailnum", String(6)),
        Column("origin", String(3), nullable=False),
        Column("dest", String(3), nullable=False),
        Column("air_time", SmallInteger),
        Column("distance", SmallInteger, nullable=False),
        Column("hour", SmallInteger, nullable=False),
        Column("minute", SmallInteger, nullable=False),
        Column("time_hour", DateTime, nullable=False),
    ]

    def requires(self) -> FlightFiles:
        return FlightFiles()

    def rows(self) -> Iterator[Any]:
        yield source.read(Path(self.input()[self.month].path))


# Elasticsearch: the flights again, to search by carrier, route and date


class FlightSearch(elasticsearch.CopyToIndex):
    month = luigi.MonthParameter()
    index = "flights"
    partition_by = ("month",)
    id_field = "id"
    mapping = {
        "id": {"type": "integer"},
        "date": {"type": "date"},
        "carrier": {"type": "keyword"},
        "flight": {"type": "integer"},
        "tailnum": {"type": "keyword"},
        "origin": {"type": "keyword"},
        "dest": {"type": "keyword"},
        "route": {"type": "keyword"},
        "distance": {"type": "integer"},
        "air_time": {"type": "integer"},
        "dep_delay": {"type": "integer"},
        "arr_delay": {"type": "integer"},
    }

    def requires(self) -> FlightFiles:
        return FlightFiles()

    def docs(self) -> Iterator[Any]:
        month = source.read(Path(self.input()[self.month].path))
        route = pl.concat_str("origin", "dest", separator="-").alias("route")
        yield month.with_columns(route, date=pl.date("year", "month", "day")).select(list(self.mapping))


# Neo4j: the network


class Network(neo4j.CopyToGraph):
    graph = "network"
    missing_ends = "set_aside"  # some routes lead to BQN, PSE, SJU and STT, which are not in the airports
    nodes = [
        Node("Airport", key="faa", properties={"faa": str, "name": str, "lat": float, "lon": float, "alt": int}),
        Node("Airline", key="carrier", properties={"carrier": str, "name": str}),
        Node("Plane", key="tailnum", properties={"tailnum": str, "model": str, "seats": int, "year": int | None}),
    ]
    relationships = [
        Relationship(
            "ROUTE",
            start="Airport",
            end="Airport",
            properties={"carrier": str, "flights": int, "mean_delay": float | None},
        ),
        Relationship("FLIES", start="Airline", end="Plane", properties={"flights": int}),
    ]

    def requires(self) -> dict[str, Any]:
        months = [Flights(month=month) for month in source.MONTHS]
        return {"airports": Airports(), "airlines": Airlines(), "planes": Planes(), "flights": months}

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        stored = self.input()
        tailnums = set()
        for airport in stored["airports"].rows():
            yield "Airport", {name: airport[name] for name in ("faa", "name", "lat", "lon", "alt")}
        for airline in stored["airlines"].rows():
            yield "Airline", airline
        for plane in stored["planes"].rows():
            tailnums.add(plane["tailnum"])
            yield "Plane", {name: plane[name] for name in ("tailnum", "model", "seats", "year")}
        yield from _relationships(stored["flights"], tailnums)


def _relationships(months: list[Any], tailnums: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Count flights and average delays by route and carrier, and flights by carrier and plane."""
    routes: Counter[tuple[str, str, str]] = Counter()
    arrived: Counter[tuple[str, str, str]] = Counter()
    delays: Counter[tuple[str, str, str]] = Counter()
    fleets: Counter[tuple[str, str]] = Counter()
    for month in months:
        for flight in month.rows():
            route = flight["origin"], flight["dest"], flight["carrier"]
            routes[route] += 1
            if flight["arr_delay"] is not None:
                arrived[route] += 1
                delays[route] += flight["arr_delay"]
            if flight["tailnum"] in tailnums:
                fleets[flight["carrier"], flight["tailnum"]] += 1
    for route, count in routes.items():
        origin, dest, carrier = route
        mean = delays[route] / arrived[route] if arrived[route] else None
        yield "ROUTE", {"start": origin, "end": dest, "carrier": carrier, "flights": count, "mean_delay": mean}
    for (carrier, tailnum), count in fleets.items():
        yield "FLIES", {"start": carrier, "end": tailnum, "flights": count}
