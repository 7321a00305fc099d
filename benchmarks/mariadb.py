"""Races into MariaDB: LOAD DATA by the command line, this package, and the usual Python ways.

Each loads the same typed rows over TLS. The command line reads a prepared file into an empty
table with the same columns and key; this package adds a version to a dataset that exists.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import luigi
import mariadb
import pandas as pd
import sqlalchemy as sa
from luigi.configuration import get_config
from luigi.contrib import sqla

from benchmarks import flights
from benchmarks.race import Case, Race, Took, timed
from luigi_sinks import Origin, config, dropping, load
from luigi_sinks.mariadb import MariaDBSettings, MariaDBSink, parse_schema
from luigi_sinks.testing import servers

CLI, TWO = "LOAD DATA", "LOAD DATA, two at once"
TUPLES, DICTS, POLARS, ARROW = "tuples", "dicts", "polars", "arrow"
CHUNK = 10_000

WIDE = (
    Case("mariadb-tuples", TUPLES, (CLI,), 1.00),
    Case("mariadb-dicts", DICTS, (CLI,), 0.90),
    Case("mariadb-frames", POLARS, (CLI,), 1.20),
    Case("mariadb-arrow", ARROW, (CLI,), 1.20),
    Case("mariadb-tuples-two", TUPLES, (TWO,), 0.70),
    Case("mariadb-frames-two", POLARS, (TWO,), 0.85),
)
NARROW = (
    Case("mariadb-narrow-tuples", TUPLES, (CLI,), 0.95),
    Case("mariadb-narrow-frames", POLARS, (CLI,), 1.15),
)
PEERS = (
    Case("mariadb-sqlalchemy", TUPLES, ("SQLAlchemy executemany",), 5),
    Case("mariadb-luigi", TUPLES, ("luigi.contrib.sqla",), 6),
    Case("mariadb-pandas", POLARS, ("pandas.to_sql",), 5),
)


@contextmanager
def races(rows: int | None) -> Iterator[Sequence[Race]]:
    """Give the races, each of so many rows, or of its own number."""
    servers.up(["mariadb"])
    get_config().read_string(servers.config())
    with tempfile.TemporaryDirectory() as folder, Tables(Path(folder)) as tables:
        yield (
            tables.race(rows or 1_000_000, flights.NAMES, WIDE),
            tables.race(rows or 1_000_000, flights.NARROW, NARROW),
            tables.race(min(rows or 100_000, 100_000), flights.NAMES, PEERS),
        )


class Tables:
    """An empty database, and what loads into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        given = config.read_connection(MariaDBSettings, "mariadb")
        self.settings = replace(given, database=f"benchmark_{secrets.token_hex(3)}")
        self.password = Path(config.read_credential(given.credential)["path"]).read_text().strip()
        self.engine = sa.create_engine("mariadb+mariadbconnector://", creator=self.connect, poolclass=sa.NullPool)

    def __enter__(self) -> Self:
        """Create the database."""
        self.execute(f"CREATE DATABASE {self.settings.database}", database=None)
        return self

    def __exit__(self, *error: object) -> None:
        """Drop the database, and that of the versions."""
        for name in (self.settings.database, f"{self.settings.database}__v"):
            self.execute(f"DROP DATABASE IF EXISTS {name}", database=None)

    def race(self, count: int, names: tuple[str, ...], cases: Sequence[Case]) -> Race:
        """Return a race of so many rows of these columns; its data is made when the first method runs."""
        loads = Loads(self, count, names)
        methods = {
            CLI: loads.by_command_line,
            TWO: loads.by_two_command_lines,
            TUPLES: partial(loads.by_us, TUPLES),
            DICTS: partial(loads.by_us, DICTS),
            POLARS: partial(loads.by_us, POLARS),
            ARROW: partial(loads.by_us, ARROW),
            "SQLAlchemy executemany": loads.by_sqlalchemy,
            "luigi.contrib.sqla": loads.by_luigi,
            "pandas.to_sql": loads.by_pandas,
        }
        return Race(count, methods, cases)

    def connect(self, **options: Any) -> Any:
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

    def execute(self, statement: str, **options: Any) -> list[Any]:
        """Execute one statement."""
        with self.connect(autocommit=True, **options) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


class Loads:
    """The ways to load rows of some of the columns."""

    def __init__(self, tables: Tables, count: int, names: tuple[str, ...]) -> None:
        self.tables, self.names = tables, names
        self.rows = flights.rows(count, names)
        self.frame = flights.frame(self.rows, names)
        self.given: dict[str, Any] = {
            TUPLES: self.rows,
            POLARS: [self.frame],
            ARROW: [self.frame.to_arrow()],
        }
        self.columns = [_column(name) for name in names]
        self.table = sa.Table("flights", sa.MetaData(), *(column.copy() for column in self.columns))
        self.dataset = f"ours_{len(names)}_{count}"
        self.sink = MariaDBSink(tables.settings, self.dataset, parse_schema(self.dataset, self.columns))
        lines = ["\t".join(map(_text, row)) + "\n" for row in self.rows]
        half = count // 2
        self.files = [self._file("".join(part)) for part in (lines, lines[:half], lines[half:])]

    def by_us(self, kind: str) -> Took:
        """Load with this package."""
        if kind == DICTS and DICTS not in self.given:
            self.given[DICTS] = [dict(zip(self.names, row, strict=True)) for row in self.rows]
        load(self.sink, "_all", Origin("benchmark"), self.rows[:1])  # makes the dataset
        seconds, cpu = timed(lambda: load(self.sink, "_all", Origin("benchmark"), self.given[kind]))
        took = Took(seconds, cpu, self._found(self.dataset))
        dropping.drop_dataset(self.sink, really=self.dataset)
        return took

    def by_command_line(self) -> Took:
        """Load the prepared file."""
        return self._taken(lambda: _wait(self._command_line(self.files[0])))

    def by_two_command_lines(self) -> Took:
        """Load halves of the file at once."""
        return self._taken(lambda: [_wait(each) for each in [self._command_line(half) for half in self.files[1:]]])

    def by_sqlalchemy(self) -> Took:
        """Insert in chunks by SQLAlchemy."""
        dicts = [dict(zip(self.names, row, strict=True)) for row in self.rows]

        def insert() -> None:
            with self.tables.engine.begin() as connection:
                for start in range(0, len(dicts), CHUNK):
                    connection.execute(self.table.insert(), dicts[start : start + CHUNK])

        return self._taken(insert)

    def by_luigi(self) -> Took:
        """Load by Luigi's own task."""
        engine = self.tables.engine

        class Target(sqla.SQLAlchemyTarget):  # type: ignore[misc]  # Luigi has no types
            @property
            def engine(self) -> Any:
                return engine

            def touch(self) -> None:
                """Write no marker, which Luigi 3.8 cannot do with SQLAlchemy 2."""

        class Copy(sqla.CopyToTable):  # type: ignore[misc]  # as above
            run_id = luigi.Parameter(default=secrets.token_hex(4))
            connection_string, table, reflect, chunk_size = "unused", "flights", True, CHUNK
            rows = lambda _: iter(self.rows)  # noqa: E731
            output = lambda task: Target("unused", "flights", task.task_id)  # noqa: E731

        return self._taken(Copy().run)

    def by_pandas(self) -> Took:
        """Append a data frame by pandas."""
        frame: pd.DataFrame = self.frame.to_pandas()
        options = {"if_exists": "append", "index": False, "chunksize": CHUNK}
        return self._taken(lambda: frame.to_sql("flights", self.tables.engine, **options))

    def _taken(self, work: Callable[[], Any]) -> Took:
        """Return what a method takes to fill an empty table."""
        self.table.create(self.tables.engine)
        try:
            seconds, cpu = timed(work)
            return Took(seconds, cpu, self._found("flights"))
        finally:
            self.table.drop(self.tables.engine)

    def _found(self, table: str) -> Any:
        return self.tables.execute(
            f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', {', '.join(self.names)}))) FROM {table}"
        )[0]

    def _file(self, text: str) -> Path:
        path = self.tables.folder / f"{secrets.token_hex(4)}.tsv"
        path.write_text(text)
        return path

    def _command_line(self, path: Path) -> subprocess.Popen[bytes]:
        settings = self.tables.settings
        options = [
            *(f"--host={settings.host}", f"--port={settings.port}", f"--user={settings.user}"),
            *(f"--ssl-ca={settings.tls_ca}", "--ssl-verify-server-cert", "--local-infile", settings.database),
        ]
        statement = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE flights CHARACTER SET utf8mb4"
        environment = {**os.environ, "MYSQL_PWD": self.tables.password}
        return subprocess.Popen(["mariadb", *options, f"--execute={statement}"], env=environment)


def _wait(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise AssertionError(f"{process.args!r} ended with {process.returncode}")


def _column(name: str) -> sa.Column[Any]:
    if name == "id":
        return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)
    if name in flights.TEXTS:
        return sa.Column(name, sa.String(6 if name == "tailnum" else 3))
    if name in flights.FLOATS:
        return sa.Column(name, sa.Double)
    return sa.Column(name, sa.DateTime if name == "time_hour" else sa.Integer if name == "flight" else sa.SmallInteger)


def _text(value: object) -> str:
    return r"\N" if value is None else str(value)
