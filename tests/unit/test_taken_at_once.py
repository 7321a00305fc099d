"""A row is taken when it is written: nothing that is done to its values afterwards changes what is loaded."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa
from msgspec.json import encode
from sqlalchemy.dialects import mysql

from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.elasticsearch.schema import parse_schema as elasticsearch_schema
from luigi_sinks.errors import BadRow
from luigi_sinks.mariadb import parse_schema as mariadb_schema
from luigi_sinks.neo4j import Graph, Node, Relationship
from luigi_sinks.writer import Writer


@dataclass
class Stage:
    writers: int = 1
    parts: list = field(default_factory=list)

    def write(self, part):
        self.parts.append(part)


def mariadb(kind):
    columns = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", kind)]
    return Contract("d", {"": mariadb_schema("d", columns).shape})


def elasticsearch(declaration):
    return elasticsearch_schema("d", {"id": {"type": "integer"}, "value": declaration}, {}, "id").contract("d")


def node(kind):
    return Graph([Node("A", key="id", properties={"id": int, "value": kind})]).contract("d")


def relationship(kind):
    nodes = [Node("A", key="id", properties={"id": int})]
    return Graph(nodes, [Relationship("R", "A", "A", properties={"value": kind})]).contract("d")


def plain(kind):
    return Contract("d", {"": TupleShape((Field("id", int), Field("value", kind)))})


LISTS = {
    "MariaDB JSON": mariadb(sa.JSON()),
    "Elasticsearch keyword": elasticsearch({"type": "keyword"}),
    "Elasticsearch integers": elasticsearch({"type": "integer"}),
    "Elasticsearch flattened": elasticsearch({"type": "flattened"}),
    "Elasticsearch disabled": elasticsearch({"type": "object", "enabled": False}),
    "Neo4j node": node(list[str] | None),
    "Neo4j relationship": relationship(list[str]),
    "list": plain(list[str]),
    "object": plain(object),
}
DICTS = {
    "MariaDB JSON": mariadb(mysql.JSON()),
    "Elasticsearch object": elasticsearch({"properties": {"a": {"type": "keyword"}, "b": {"type": "keyword"}}}),
    "Elasticsearch nested": elasticsearch({"type": "nested", "properties": {"a": {"type": "keyword"}}}),
    "Elasticsearch flattened": elasticsearch({"type": "flattened"}),
    "object": plain(object),
}
BYTES = {
    "MariaDB BLOB": mariadb(sa.LargeBinary()),
    "MariaDB VARBINARY": mariadb(sa.VARBINARY(9)),
    "Elasticsearch binary": elasticsearch({"type": "binary"}),
    "Neo4j node": node(bytes),
    "Neo4j relationship": relationship(bytes | None),
    "bytes": plain(bytes),
}


def loaded(contract, values):
    """Return the values that arrive in the stage, though `values` changes each after it was yielded."""
    stage = Stage()
    with Writer(stage, contract) as writer:
        for number, value in enumerate(values):
            for as_row in (dict, tuple_of, list_of):
                writer.write(row_of(contract, number, value, as_row))
    last = (row[-1] if isinstance(row, tuple) else row["value"] for part in stage.parts for row in part.rows)
    return [encode(value) for value in last][::3]


def tuple_of(pairs):
    return tuple(value for _, value in pairs)


def list_of(pairs):
    return [value for _, value in pairs]


def row_of(contract, number, value, as_row):
    kind = list(contract.shapes)[-1]
    if kind == "R":
        return kind, as_row([("start", number), ("end", number), ("value", value)])
    row = as_row([("id", number), ("value", value)])
    return (kind, row) if kind else row


@pytest.mark.parametrize("contract", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("container", [list, deque, lambda texts: np.array(texts, dtype=object)])
def test_a_list_that_is_filled_again_for_each_row_keeps_its_values(contract, container):
    values = [[7, 8], [9, 8]] if contract is LISTS["Elasticsearch integers"] else texts()

    def given():
        reused = container(values[0])
        for each in values:
            for place, value in enumerate(each):
                reused[place] = value
            yield reused
        reused[0] = "changed"

    assert loaded(contract, given()) == [encode(each) for each in values]


def texts():
    return [[f"t{number}", "same"] for number in range(3)]


@pytest.mark.parametrize("contract", DICTS.values(), ids=DICTS)
@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_a_dict_that_is_filled_again_for_each_row_keeps_its_values(contract, kind):
    def given():
        reused = kind(a=["t"])
        for number in range(3):
            reused["a"][0] = f"t{number}"
            yield reused
        reused.clear()

    assert loaded(contract, given()) == [encode({"a": [f"t{number}"]}) for number in range(3)]


@pytest.mark.parametrize("contract", BYTES.values(), ids=BYTES)
@pytest.mark.parametrize("view", [lambda reused: reused, memoryview], ids=["bytearray", "memoryview"])
def test_bytes_that_are_overwritten_for_each_row_keep_their_values(contract, view):
    def given():
        reused = bytearray(b"abc")
        for number in range(3):
            reused[0] = number
            yield view(reused)
        reused[0] = 99

    assert loaded(contract, given()) == [encode(bytes([number]) + b"bc") for number in range(3)]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"id": [1, 2], "value": [["a"], ["b"]]}),
        pd.DataFrame({"id": [1, 2], "value": [["a"], ["b"]]}),
    ],
    ids=["polars", "pandas"],
)
def test_a_frame_that_is_changed_in_place_keeps_its_values(frame):
    stage = Stage()
    with Writer(stage, plain(list[str])) as writer:
        writer.write(frame)
        if isinstance(frame, pd.DataFrame):
            frame["value"][0].append("changed")
            frame["id"].array[:] = 9
        else:
            frame.drop_in_place("value")
    assert stage.parts[0].rows == [(1, ["a"]), (2, ["b"])]


def test_a_row_with_a_value_that_is_nested_too_deep_names_its_field():
    value = 1
    for _ in range(2_000):
        value = {"a": value}
    for contract in (DICTS["MariaDB JSON"], DICTS["Elasticsearch flattened"]):
        with pytest.raises(BadRow, match="row 2, field 'value': is nested more than 100 levels deep"):
            loaded_rows(contract, {"a": "b"}, value)
    with pytest.raises(BadRow, match="row 2, field 'value"):  # its mapping ends there, which some Pythons see first
        loaded_rows(DICTS["Elasticsearch object"], {"a": "b"}, value)


def loaded_rows(contract, *values):
    with Writer(Stage(), contract) as writer:
        for number, value in enumerate(values):
            writer.write({"id": number, "value": value})
