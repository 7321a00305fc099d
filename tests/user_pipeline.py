"""The tests that a user writes for a pipeline of three tasks; they run on local files and on servers unchanged."""

TESTS = '''
import luigi
import pytest
from luigi.configuration import get_config
from sqlalchemy import Column, Integer, String

from luigi_sinks import BadRow
from luigi_sinks.elasticsearch import CopyToIndex
from luigi_sinks.mariadb import CopyToTable
from luigi_sinks.neo4j import CopyToGraph, Node


class Flights(CopyToTable):
    table, partition_by, connection = "flights", ("month",), "reporting"
    columns = [Column("id", Integer, primary_key=True), Column("carrier", String(2))]
    month = luigi.MonthParameter()

    def rows(self):
        return [(1, "UA"), (2, "AA"), (3, "UA")]


class Carriers(CopyToGraph):
    graph, partition_by = "carriers", ()
    nodes = [Node("Carrier", key="code", properties={"code": str})]
    month = luigi.MonthParameter(significant=False)

    def requires(self):
        return Flights(self.month)

    def rows(self):
        with self.input().open() as flights:
            for code in sorted({flight["carrier"] for flight in flights}):
                yield "Carrier", {"code": code}


class Search(CopyToIndex):
    index, partition_by, id_field = "search", (), "code"
    mapping = {"code": {"type": "keyword"}}
    month = luigi.MonthParameter(significant=False)

    def requires(self):
        return Carriers(month=self.month)

    def docs(self):
        with self.input().open() as carriers:
            for _, carrier in carriers:
                yield carrier


@pytest.fixture(autouse=True)
def connections():
    """The sections that a luigi.cfg has, which lead elsewhere."""
    get_config().read_string("[luigi_sinks.mariadb.reporting]\\nhost = db.example\\ndatabase = reporting\\nuser = me")
    yield
    get_config().remove_section("luigi_sinks.mariadb.reporting")


def build(task):
    return luigi.build([task], local_scheduler=True, log_level="WARNING", detailed_summary=True)


MONTH = luigi.MonthParameter().parse("2013-01")


def test_a_month_of_flights(mariadb_sink):
    assert build(Flights(MONTH)).scheduling_succeeded
    assert mariadb_sink.head("flights", "201301").rows == 3
    assert mariadb_sink.rows("flights")[0] == {"id": 1, "carrier": "UA"}
    assert mariadb_sink.datasets() == ["flights"]


def test_the_whole_pipeline(mariadb_sink, elasticsearch_sink, neo4j_sink):
    assert build(Search(month=MONTH)).scheduling_succeeded
    assert sorted(node["code"] for _, node in neo4j_sink.rows("carriers")) == ["AA", "UA"]
    assert sorted(row["code"] for row in elasticsearch_sink.rows("search")) == ["AA", "UA"]
    assert [record.rows for record in mariadb_sink.versions("flights")] == [3]


def test_a_test_begins_with_nothing(mariadb_sink, elasticsearch_sink, neo4j_sink):
    assert [*mariadb_sink.datasets(), *elasticsearch_sink.datasets(), *neo4j_sink.datasets()] == []


def test_a_bad_row_shows_nothing(mariadb_sink):
    class Bad(Flights):
        def rows(self):
            return [(1, "too long")]

    with pytest.raises(BadRow, match="carrier"):
        Bad(MONTH).run()
    with pytest.raises(AssertionError, match="see nothing"):
        mariadb_sink.head("flights", "201301")
'''
"""A module of tests."""
