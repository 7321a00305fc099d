"""A version's rows as a whole, by the graph in its record: read and counted.

The records of release 0.1 keep no graph. For them the server tells what it has: the
properties and types of the version's nodes and relationships, and the unique indexes
that name the keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from luigi_sinks.errors import BadSetting, SinkError
from luigi_sinks.neo4j import connection, cypher
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.neo4j.names import SUFFIX, VERSION
from luigi_sinks.neo4j.schema import Graph, Kind
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.record import Record
from luigi_sinks.version import Version

_LABELS = "MATCH (v:_SinkVersion {id: $version}) RETURN v.labels AS labels"

_KEYS = f"""
SHOW INDEXES YIELD labelsOrTypes, properties, owningConstraint
WHERE owningConstraint IS NOT NULL AND size(properties) = 2 AND properties[0] = '{VERSION}'
RETURN labelsOrTypes[0] AS label, properties[1] AS key"""

_VALUE_TYPE = re.compile(r"(?P<list>LIST<)?(?P<zoned>ZONED |LOCAL )?(?P<base>\w+)")
_BASES = {
    "INTEGER": "int",
    "FLOAT": "float",
    "STRING": "str",
    "BOOLEAN": "bool",
    "DATE": "date",
    "DATETIME": "datetime",
    "TIME": "time",
    "NOTHING": "str",  # a list that is empty in every node
}


def kinds(run: Run, record: Record) -> Mapping[str, Kind]:
    """Return the kinds of rows that a version has, by the names that rows use.

    Raises SinkError if the graph in its record is not one.
    """
    schema = record.schema or _found_graph(run, record.version)
    if schema.get("nodes") == []:
        return {}
    try:
        return Graph.from_json(schema).kinds
    except BadSetting as error:
        raise SinkError(f"{record.version}: the graph in its record cannot be used ({error}); load it again") from None


def count(run: Run, version: Version, kinds: Mapping[str, Kind]) -> int:
    """Count a version's nodes and relationships on the server."""
    return sum(run(cypher.count(kind), version=version.id)[0]["count"] for kind in kinds.values())


def read(settings: Neo4jSettings, version: Version, kinds: Mapping[str, Kind]) -> Iterator[tuple[str, Any]]:
    """Yield a version's rows as they were given, nodes first: pairs of a kind and a mapping."""
    for name, kind in kinds.items():
        shape = kind.shape
        for batch in connection.stream(settings, cypher.read(kind), version=version.id):
            try:
                rows = msgspec.convert(batch, shape.rows_type, builtin_types=(bytes,))
            except msgspec.ValidationError as error:
                raise SinkError(
                    f"{version}: a {name} is not as its record says ({error}); it was changed or deleted"
                ) from None
            for row in rows:
                yield name, shape.as_given(row)


def _found_graph(run: Run, version: Version) -> dict[str, Any]:
    """Return the graph of a version, as `Graph.to_json` does, by what the server knows of its rows."""
    found = run(_LABELS, version=version.id)
    keys = [(row["label"], row["key"]) for row in run(_KEYS)]
    nodes = []
    for label in found[0]["labels"] if found else ():
        types = run(cypher.node_types(label), version=version.id)
        names = {row["name"] for row in types}
        key = next((key for of, key in keys if of == f"{label}{SUFFIX}" and key in names), "")
        if names:
            nodes.append({"label": label, "key": key, "properties": properties(types, key)})
    return {"nodes": nodes, "relationships": _found_relationships(run, version, [each["label"] for each in nodes])}


def _found_relationships(run: Run, version: Version, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the relationships between nodes of these labels; those of one type are named by their ends too."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for start in labels:
        for row in run(cypher.relationship_types(start), version=version.id):
            end = next((label for label in labels if f"{label}{SUFFIX}" in row["ends"]), "")
            if end and row["type"].endswith(SUFFIX):  # others belong to somebody else
                found.setdefault((row["type"].removesuffix(SUFFIX), start, end), []).append(row)
    types = [type_ for type_, _, _ in found]
    return [
        {
            "type": type_,
            "start": start,
            "end": end,
            "properties": properties(rows),
            "name": f"{type_} {start} {end}" if types.count(type_) > 1 else "",
        }
        for (type_, start, end), rows in found.items()
    ]


def properties(rows: Sequence[Mapping[str, Any]], key: str = "") -> dict[str, str]:
    """Return the types of properties as text; each but the key may be None in some row."""
    texts = {row["name"]: _text(row) for row in rows if row["name"] not in {None, VERSION}}
    return {name: text if name == key else f"{text} | None" for name, text in texts.items() if text}


def _text(row: Mapping[str, Any]) -> str:
    """Return the text of a type that this package writes; empty for any other."""
    told = max(row["types"], key=lambda kind: "NOTHING" not in kind)
    found = _VALUE_TYPE.match(told)
    base = _BASES.get(found["base"], "") if found else ""
    if not found or not base:
        return ""
    item = f"zoned {base}" if found["zoned"] == "ZONED " else base
    if isinstance(row["sample"], bytes):
        return "bytes"
    return f"list[{item}]" if found["list"] else item
