"""Measures rows per second from Spark: this package beside Spark's own JDBC writer, and into each store.

Runs in Spark's own virtual environment (`make bench` makes it) on the local servers, on two
executors of this machine. Into MariaDB each method loads the same frame of rows of four columns,
over TLS, into an empty table without a key; the JDBC writer has MariaDB's driver in its modes, of
which the default sends inserts in bulk. In each round all methods run, in another order, and the
rate of each is divided by that of this package in the same round: the table shows the median of
these ratios. Elasticsearch and Neo4j are measured for the plan in docs/spark.md.

    .venv-spark/bin/python benchmarks/spark.py [ROWS] [ROUNDS]
"""

# ruff: noqa: E402 - sys.path must be changed before other imports

import sys

del sys.path[0]  # this folder, whose modules are called as others

import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from luigi.configuration import get_config
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from sqlalchemy import BigInteger, Column, Double, String

from luigi_sinks import config, dropping, stores
from luigi_sinks.elasticsearch import ElasticsearchTarget
from luigi_sinks.mariadb import MariaDBSettings, MariaDBTarget
from luigi_sinks.mariadb.connection import run
from luigi_sinks.neo4j import Neo4jTarget, Node, Relationship
from luigi_sinks.spark import write
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import download, java
from luigi_sinks.testing.servers.versions import Download

DRIVER = Download(
    name="mariadb-jdbc", version="3.5.6", artifacts=("org.mariadb.jdbc:mariadb-java-client:jar",), megabytes=1
)
MODES = {
    "JDBC, row by row": "&useBulkStmtsForInserts=false",
    "JDBC, default": "",
    "JDBC, useBulkStmts": "&useBulkStmts=true",
    "JDBC, rewriteBatchedStatements": "&rewriteBatchedStatements=true",
}
COLUMNS = [Column("id", BigInteger), Column("carrier", String(10)), Column("delay", Double), Column("note", String(80))]
PARTITIONS = 8
OURS = "luigi_sinks"


def session() -> SparkSession:
    """Return a session on two executors, with MariaDB's driver on their class path."""
    os.environ["JAVA_HOME"] = str(java.find(17))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    folder = download.fetch(DRIVER, download.cache_root(), lambda _: None)
    (jar,) = folder.glob(f"mariadb-java-client-{DRIVER.version}.jar")
    settings = {
        "spark.master": "local-cluster[2,1,1024]",
        "spark.jars": str(jar),
        "spark.driver.extraClassPath": str(jar),
        "spark.executor.extraClassPath": str(jar),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.appName("benchmark")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def flights(spark: SparkSession, rows: int) -> DataFrame:
    """Return a frame that is made as it is loaded."""
    carrier = F.concat(F.lit("carrier "), F.col("id") % 9)
    return spark.range(0, rows, 1, PARTITIONS).select(
        "id", carrier.alias("carrier"), (F.col("id") / 4).alias("delay"), F.sha2(carrier, 256).alias("note")
    )


class Methods:
    """Methods to load a frame into MariaDB; each makes an empty table of its own."""

    def __init__(self, frame: DataFrame) -> None:
        self.frame = frame
        self.settings = config.read_connection(MariaDBSettings, "mariadb")
        self.password = Path(config.read_credential(self.settings.credential)["path"]).read_text(encoding="utf-8")

    def by_us(self, *, sort: bool) -> float:
        """Return the seconds that this package takes."""
        name = f"benchmark_{secrets.token_hex(3)}"
        return _timed("mariadb", name, lambda: self.write(name, sort=sort))

    def write(self, name: str, *, sort: bool) -> None:
        """Load with this package."""
        write(self.frame, MariaDBTarget(name, columns=COLUMNS, update_id="benchmark"), sort=sort)

    def by_jdbc(self, options: str) -> float:
        """Return the seconds that Spark's JDBC writer takes with these options of the driver."""
        table = f"{self.settings.database}.benchmark_{secrets.token_hex(3)}"
        columns = "id BIGINT, carrier VARCHAR(10), delay DOUBLE, note VARCHAR(80)"
        run(self.settings, lambda cursor: cursor.execute(f"CREATE TABLE {table} ({columns})"))
        address = f"jdbc:mariadb://{self.settings.host}:{self.settings.port}/{self.settings.database}"
        url = f"{address}?sslMode=verify-ca&serverSslCert={self.settings.tls_ca}&sessionVariables=sql_mode=ANSI_QUOTES"
        login = {
            "user": str(self.settings.user),
            "password": self.password.strip(),
            "driver": "org.mariadb.jdbc.Driver",
        }
        start = time.perf_counter()
        try:
            self.frame.write.jdbc(url + options, table, mode="append", properties=login)
            return time.perf_counter() - start
        finally:
            run(self.settings, lambda cursor: cursor.execute(f"DROP TABLE {table}"))


def _timed(store: str, name: str, load: Callable[[], None]) -> float:
    start = time.perf_counter()
    load()
    seconds = time.perf_counter() - start
    dropping.drop_dataset(stores.find(store).catalog(name), really=name)
    return seconds


def beside_jdbc(frame: DataFrame, rows: int, rounds: int) -> None:
    """Print how fast each method is, and the median of its rate over ours in the same round."""
    methods = Methods(frame)
    calls: dict[str, Callable[[], float]] = {
        OURS: lambda: methods.by_us(sort=True),
        f"{OURS}, sort=False": lambda: methods.by_us(sort=False),
        **{mode: lambda options=options: methods.by_jdbc(options) for mode, options in MODES.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(calls[name]())
    print(f"{'into MariaDB':32} {'rows/s':>10} {'its rate by ours':>18}")
    for name, times in seconds.items():
        ratios = [ours / its for ours, its in zip(seconds[OURS], times, strict=True)]
        print(f"{name:32} {rows / median(times):10,.0f} {median(ratios):18.2f}")


def into_others(spark: SparkSession, rows: int) -> None:
    """Print how fast Elasticsearch and Neo4j are loaded."""
    frame = flights(spark, rows)
    mapping = {
        "id": {"type": "long"},
        "delay": {"type": "double"},
        **{name: {"type": "keyword"} for name in ("carrier", "note")},
    }
    properties: Mapping[str, Any] = {"id": int, "carrier": str, "delay": float, "note": str}
    nodes = [Node("Flight", key="id", properties=properties)]
    links = [Relationship("NEXT", "Flight", "Flight", properties={"delay": float})]
    ends = frame.select(F.col("id").alias("start"), ((F.col("id") * 7) % rows).alias("end"), "delay")
    name = f"benchmark_{secrets.token_hex(3)}"
    index = ElasticsearchTarget(name, mapping=mapping, update_id="benchmark")
    graph = Neo4jTarget(name, nodes=nodes, relationships=links, update_id="benchmark")
    of_index = _timed("elasticsearch", name, lambda: write(frame, index))
    of_nodes = _timed("neo4j", name, lambda: write({"Flight": frame}, graph))
    of_both = _timed("neo4j", name, lambda: write({"Flight": frame, "NEXT": ends}, graph))
    print(f"{'documents into Elasticsearch':32} {rows / of_index:10,.0f}")
    print(f"{'nodes into Neo4j':32} {rows / of_nodes:10,.0f}")
    print(f"{'relationships into Neo4j':32} {rows / max(of_both - of_nodes, 0.1):10,.0f}")


def main(rows: int = 1_000_000, rounds: int = 3) -> None:
    """Measure, after a load that starts what is slow to start."""
    servers.up()
    get_config().read_string(servers.config())
    spark = session()
    try:
        frame = flights(spark, rows)
        Methods(flights(spark, 10_000)).by_us(sort=True)
        beside_jdbc(frame, rows, rounds)
        into_others(spark, rows // 5)
    finally:
        spark.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
