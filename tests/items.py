"""The dataset of the contract suite on each real store, whose columns may change, and what of it may be adopted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import BigInteger, Column, Date, Double, Integer, String

from luigi_sinks import config
from luigi_sinks.elasticsearch import ElasticsearchSettings, ElasticsearchSink
from luigi_sinks.elasticsearch.connection import administer, ask
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.mariadb import MariaDBSettings, MariaDBSink, connection
from luigi_sinks.mariadb import parse_schema as parse_columns
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node, read_query
from luigi_sinks.neo4j.connection import query
from luigi_sinks.sink import Sink


@dataclass(frozen=True)
class Items:
    """How a store has the dataset.

    `open` opens a dataset by its name. `with_columns` does what `ColumnSuite.with_columns` does;
    a column of the type "optional" takes integers and None. `types` are those that a column may
    change between while there are several partitions. `shown` counts the rows that readers
    see by the dataset's name. `unmanaged` makes rows as users do without luigi_sinks, under the
    name that the dataset is adopted by; its end takes away what an adoption leaves in the way of
    others. `kind` is the kind of the rows.
    """

    open: Callable[[str], Sink]
    with_columns: Callable[..., Any]
    shown: Callable[[Any], int] | None = None
    unmanaged: Callable[[Any, Sequence[Any]], AbstractContextManager[None]] | None = None
    kind: str = ""
    types: Collection[str] = ("whole", "optional", "long")


# MariaDB

COLUMNS = [
    Column("id", Integer, primary_key=True),
    Column("name", String(20), nullable=False),
    Column("amount", Double),
]
_COLUMN_TYPES = {"whole": Integer, "optional": Integer, "long": BigInteger, "time": Date}


def _open_table(dataset: str) -> MariaDBSink:
    settings = config.read_connection(MariaDBSettings, "mariadb")
    return MariaDBSink(settings, dataset, parse_columns(dataset, COLUMNS))


def _table_with(sink: MariaDBSink, *allow_change: str, **columns: str | None) -> MariaDBSink:
    added = [Column(name, _COLUMN_TYPES[kind], nullable=kind == "optional") for name, kind in columns.items() if kind]
    return replace(sink, schema=parse_columns(sink.dataset, [*COLUMNS, *added]), allow_change=allow_change)


def _shown_in_table(sink: MariaDBSink) -> int:
    ((count,),) = connection.run(sink.settings, connection.rows, f"SELECT COUNT(*) FROM {sink.names.view}")
    return count


@contextmanager
def _plain_table(sink: MariaDBSink, rows: Sequence[Any]) -> Iterator[None]:
    def make(cursor: Any) -> None:
        columns = "id INT PRIMARY KEY, name VARCHAR(20) NOT NULL, amount DOUBLE"
        cursor.execute(f"CREATE TABLE {sink.names.view} ({columns}) CHARACTER SET utf8mb4")
        for row in rows:
            cursor.execute(f"INSERT INTO {sink.names.view} VALUES (?, ?, ?)", tuple(row.values()))

    connection.run(sink.settings, make)
    yield


# Elasticsearch

MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}, "amount": {"type": "double"}}
_FIELD_TYPES = {"whole": "integer", "optional": "integer", "long": "long", "time": "date"}


def _open_index(dataset: str) -> ElasticsearchSink:
    settings = config.read_connection(ElasticsearchSettings, "elasticsearch")
    return ElasticsearchSink(settings, dataset, parse_schema(dataset, MAPPING, {}, "id"))


def _index_with(sink: ElasticsearchSink, *allow_change: str, **columns: str | None) -> ElasticsearchSink:
    added = {name: {"type": _FIELD_TYPES[kind]} for name, kind in columns.items() if kind}
    return replace(sink, schema=parse_schema(sink.dataset, {**MAPPING, **added}, {}, "id"), allow_change=allow_change)


def _shown_in_index(sink: ElasticsearchSink) -> int:
    return ask(sink.settings, lambda es: es.count(index=sink.dataset))["count"]


@contextmanager
def _plain_index(sink: ElasticsearchSink, rows: Sequence[Any]) -> Iterator[None]:
    lines = [line for row in rows for line in ({"index": {"_id": str(row["id"])}}, row)]
    administer(sink.settings, lambda es: es.indices.create(index=sink.dataset, mappings={"properties": MAPPING}))
    ask(sink.settings, lambda es: es.bulk(index=sink.dataset, operations=lines, refresh=True))
    yield


# Neo4j

PROPERTIES: Mapping[str, Any] = {
    "id": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "name": Annotated[str, Meta(max_length=20)],
    "amount": float | None,
}
_PROPERTY_TYPES = {"whole": int, "optional": int | None, "long": int, "time": date}


def graph(**added: Any) -> Graph:
    """Return the graph with more properties, by their types."""
    return Graph([Node("Item", key="id", properties={**PROPERTIES, **added})])


def _open_graph(dataset: str) -> Neo4jSink:
    return Neo4jSink(config.read_connection(Neo4jSettings, "neo4j"), dataset, graph())


def _graph_with(sink: Neo4jSink, *allow_change: str, **columns: str | None) -> Neo4jSink:
    added = {name: _PROPERTY_TYPES[kind] for name, kind in columns.items() if kind}
    return replace(sink, graph=graph(**added), allow_change=allow_change)


def _shown_in_graph(sink: Neo4jSink) -> int:
    asked = read_query(sink.dataset, "MATCH (n:Item__v {_version: version}) RETURN count(n) AS count")
    return sum(row["count"] for row in query(sink.settings, asked))


@contextmanager
def _plain_nodes(sink: Neo4jSink, rows: Sequence[Any]) -> Iterator[None]:
    query(sink.settings, "UNWIND $rows AS row CREATE (n:Item) SET n = row", rows=list(rows))
    try:
        yield
    finally:
        query(sink.settings, "MATCH (n:Item) DETACH DELETE n")


ITEMS: Mapping[str, Items] = {
    "neo4j": Items(_open_graph, _graph_with, _shown_in_graph, _plain_nodes, kind="Item"),
    "elasticsearch": Items(_open_index, _index_with, _shown_in_index, _plain_index, types=("whole", "optional")),
    "mariadb": Items(_open_table, _table_with, _shown_in_table, _plain_table),
}
