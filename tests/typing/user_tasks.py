"""Tasks as users write them: each setting overridden in each way. Only type checkers read this."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import luigi
from sqlalchemy import Column, Integer, MetaData, String, Table

from luigi_sinks import elasticsearch, mariadb, neo4j
from luigi_sinks.contrib import esindex, mysqldb, sqla


class ByAttribute(mariadb.CopyToTable):
    month = luigi.MonthParameter()
    table = "flights"
    columns = [Column("id", Integer, primary_key=True), Column("carrier", String(2))]
    partition_by = ("month",)
    owner = "flight_ops"
    checks = ()
    keep = 3
    min_age = timedelta(days=7)
    allow_change = ("carrier",)

    def rows(self) -> Iterator[dict[str, Any]]:
        yield {"id": 1, "carrier": "UA"}


class ByProperty(mariadb.CopyToTable):
    month = luigi.MonthParameter()

    @property
    def table(self) -> str:
        return f"flights_{self.month.year}"

    @property
    def columns(self) -> Table:
        return Table("flights", MetaData(), Column("id", Integer, primary_key=True))

    @property
    def partition_by(self) -> tuple[str, ...]:
        return ("month",)

    def rows(self) -> list[tuple[int]]:
        return [(1,)]


class ByParameter(mariadb.CopyToTable):
    table = luigi.StrParameter()
    owner = luigi.OptionalStrParameter(default="flight_ops")
    connection = luigi.Parameter(default="copy")  # pyright: ignore[reportGeneralTypeIssues]  # so of any luigi.Task
    columns = [Column("id", Integer, primary_key=True)]


class Docs(elasticsearch.CopyToIndex):
    index = luigi.StrParameter(default="flights")
    mapping = {"id": {"type": "integer"}}
    id_field = "id"
    partition_by = ()
    keep = luigi.IntParameter(default=3, significant=False)

    @property
    def settings(self) -> dict[str, Any]:
        return {"number_of_replicas": 1}

    def docs(self) -> Iterator[dict[str, Any]]:
        yield {"id": 1}


class Graph(neo4j.CopyToGraph):
    graph = "airports"
    nodes = [neo4j.Node("Airport", key="faa", properties={"faa": str, "lat": float | None})]

    @property
    def relationships(self) -> list[neo4j.Relationship]:
        return [neo4j.Relationship("ROUTE", start="Airport", end="Airport", properties={"flights": int})]

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "Airport", {"faa": "JFK", "lat": None}
        yield "ROUTE", {"start": "JFK", "end": "JFK", "flights": 1}


class Shared(neo4j.MergeIntoGraph):
    day = luigi.DateParameter()
    partition_by = ("day",)
    graph = "network"
    nodes = (neo4j.Node("Airport", key="faa", properties={"faa": str}),)

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "Airport", {"faa": "JFK"}


class Visits(neo4j.RunCypher):
    graph = luigi.StrParameter(default="visits")
    cypher = "UNWIND $rows AS row CREATE (:Visit {id: row.id, by: $by})"
    rows_at_once = 100

    @property
    def parameters(self) -> dict[str, Any]:
        return {"by": "us"}

    def rows(self) -> list[dict[str, int]]:
        return [{"id": 1}]


class Changes(mariadb.CopyToTable):
    day = luigi.DateParameter()
    table = "airlines"
    columns = [Column("carrier", String(2), primary_key=True)]
    partition_by = ()
    changes_by_key = True

    def rows(self) -> list[tuple[str]]:
        return [("UA",)]

    def deletes(self) -> Iterator[str]:
        yield "YV"


class Query(mariadb.QueryToTable):
    table = "carriers"
    columns = [Column("carrier", String(2), primary_key=True)]
    query = "SELECT DISTINCT carrier FROM {flights}"

    def requires(self) -> ByAttribute:  # pyright: ignore[reportIncompatibleMethodOverride]  # as Luigi allows
        return ByAttribute()


class Plain(luigi.Task):
    day = luigi.DateParameter()

    # Luigi's own output() returns a list, as pyright sees it.
    def output(self) -> elasticsearch.ElasticsearchTarget:  # pyright: ignore[reportIncompatibleMethodOverride]
        return elasticsearch.ElasticsearchTarget("delays", task=self, partition_by="day", mapping={}, id_field="id")

    def run(self) -> None:
        with self.output().open("w") as sink:
            sink.write({"id": 1})
        with self.output().open() as rows:
            for row in rows:
                print(row)


class Marked(luigi.Task):
    def output(self) -> mariadb.Marker:  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        return mariadb.Marker("orders", task=self, connection="copy")

    def run(self) -> None:
        connection = self.output().connect()
        self.output().touch(connection)
        connection.commit()
        neo4j.Marker("people", update_id="first").touch()
        print(elasticsearch.Marker("delays", update_id="first", owner="flight_ops").exists())


class OldTable(sqla.CopyToTable):
    table = "items"
    columns = [(["id", Integer], {"primary_key": True}), (["name", String(64)], {"nullable": False})]
    column_separator = ";"
    on_bad_row = "set_aside"
    most_bad_rows = 0.01
    older = "superseded"


class OldWords(mysqldb.CopyToTable):
    table = "words"
    columns = (("word", "VARCHAR(64)"), ("n", "INT"))
    null_values = (None, "")

    def rows(self) -> list[list[str]]:
        return [["tea", "3"]]


class OldIndex(esindex.CopyToIndex):
    purge_existing_index = True
    id_field = "id"

    @property
    def index(self) -> str:
        return "items"

    @property
    def mapping(self) -> dict[str, Any]:
        return {"properties": {"id": {"type": "keyword"}}}

    def docs(self) -> Iterator[str]:
        yield '{"_id": "a"}'


def overrides(task: ByAttribute) -> None:
    task.table = "other"
