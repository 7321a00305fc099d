"""Datasets that the DAGs of these tests load. What they import is not imported with the DAG."""

from luigi_sinks.airflow import Dataset


def nodes():
    from luigi_sinks.neo4j import Node  # noqa: PLC0415 - as above

    return [Node("Airport", key="faa", properties={"faa": str})]


def columns():
    from sqlalchemy import Column, Integer, String  # noqa: PLC0415 - as above

    return [Column("id", Integer, primary_key=True), Column("carrier", String(2))]


MAPPING = {"id": {"type": "integer"}, "carrier": {"type": "keyword"}}


def graph(name, **options):
    return Dataset("neo4j", name, nodes=nodes, **{"conn_id": "graph", **options})


def table(name, **options):
    return Dataset("mariadb", name, columns=columns, **{"conn_id": "warehouse", **options})


def index(name, **options):
    return Dataset("elasticsearch", name, mapping=MAPPING, id_field="id", **{"conn_id": "search", **options})
