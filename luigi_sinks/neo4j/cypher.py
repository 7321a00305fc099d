"""The queries on a version's nodes and relationships, made from their kinds.

Each names the index to use. A label that was just filled has no statistics yet,
and the planner then finds a relationship's ends by reading the whole version
(seen: 250 relationships a second instead of 27,000).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from luigi_sinks.neo4j.names import VERSION, quoted, versioned
from luigi_sinks.neo4j.schema import NodeKind, RelationshipKind
from luigi_sinks.neo4j.types import Property


@singledispatch
def create(kind: NodeKind | RelationshipKind) -> str:
    """Return the query that creates `$rows`, lists of values, in `$version`."""
    raise NotImplementedError


@create.register
def _(kind: NodeKind) -> str:
    values = _assigned(kind.properties, 0)
    return f"UNWIND $rows AS r CREATE (:{versioned(kind.label)} {{{VERSION}: $version, {values}}})"


@create.register
def _(kind: RelationshipKind) -> str:
    values = _assigned(kind.properties, 2)
    return (
        f"UNWIND $rows AS r MATCH {_found('a', kind.start, 'r[0]')} MATCH {_found('b', kind.end, 'r[1]')} "
        f"CREATE (a)-[:{versioned(kind.type)} {{{values}}}]->(b)"
    )


@singledispatch
def read(kind: NodeKind | RelationshipKind) -> str:
    """Return the query that reads the rows of `$version`, as lists of values."""
    raise NotImplementedError


@read.register
def _(kind: NodeKind) -> str:
    return f"{_all('n', kind.label)} RETURN [{_listed('n', kind.properties)}]"


@read.register
def _(kind: RelationshipKind) -> str:
    start, end = (key.read(f"{node}.{quoted(key.name)}") for node, key in _keys(kind))
    values = ", ".join(filter(None, (start, end, _listed("r", kind.properties))))
    return f"{_path(kind)} RETURN [{values}]"


@singledispatch
def count(kind: NodeKind | RelationshipKind) -> str:
    """Return the query that counts the rows of `$version`."""
    raise NotImplementedError


@count.register
def _(kind: NodeKind) -> str:
    return f"{_all('n', kind.label)} RETURN count(n) AS count"


@count.register
def _(kind: RelationshipKind) -> str:
    return f"{_path(kind)} RETURN count(r) AS count"


def first_existing(kind: NodeKind) -> str:
    """Return the query for the index of the first of `$keys` that `$version` already has."""
    return (
        f"UNWIND range(0, size($keys) - 1) AS i WITH i, $keys[i] AS k MATCH {_found('n', kind, 'k')} "
        "RETURN min(i) AS first"
    )


def missing_ends(kind: RelationshipKind) -> str:
    """Return the query for the first few of `$ends`, pairs of keys, of which one is missing in `$version`."""
    return (
        f"UNWIND range(0, size($ends) - 1) AS i WITH i, $ends[i] AS r "
        f"OPTIONAL MATCH {_found('a', kind.start, 'r[0]')} OPTIONAL MATCH {_found('b', kind.end, 'r[1]')} "
        "WITH i, a, b WHERE a IS NULL OR b IS NULL "
        "RETURN i AS index, a IS NULL AS no_start ORDER BY i LIMIT $limit"
    )


def delete_relationships(label: str) -> str:
    """Return the query that deletes what starts at the nodes of `$version` with this label.

    It goes before the nodes of any label: a transaction must not grow with a node's degree.
    """
    return f"{_all('n', label)} MATCH (n)-[r]->() CALL (r) {{ DELETE r }} IN TRANSACTIONS OF 10000 ROWS"


def delete_nodes(label: str) -> str:
    """Return the query that deletes the nodes of `$version` with this label."""
    return f"{_all('n', label)} CALL (n) {{ DETACH DELETE n }} IN TRANSACTIONS OF 10000 ROWS"


def constraint(kind: NodeKind) -> tuple[str, str]:
    """Return the name and the DDL of the constraint that a key is unique within a version."""
    name = f"{kind.label}__v by {kind.key.name}"
    node, key = f"n:{versioned(kind.label)}", f"n.{VERSION}, n.{quoted(kind.key.name)}"
    return name, f"CREATE CONSTRAINT {quoted(name)} IF NOT EXISTS FOR ({node}) REQUIRE ({key}) IS UNIQUE"


def index(kind: NodeKind) -> tuple[str, str]:
    """Return the name and the DDL of the index that finds a whole version."""
    name = f"{kind.label}__v as a whole"
    return name, f"CREATE INDEX {quoted(name)} IF NOT EXISTS FOR (n:{versioned(kind.label)}) ON (n.{VERSION})"


def _all(node: str, label: str, rest: str = "") -> str:
    label = versioned(label)
    return f"MATCH ({node}:{label}){rest} USING INDEX {node}:{label}({VERSION}) WHERE {node}.{VERSION} = $version"


def _path(kind: RelationshipKind) -> str:
    return _all("a", kind.start.label, f"-[r:{versioned(kind.type)}]->(b:{versioned(kind.end.label)})")


def _found(node: str, kind: NodeKind, sent: str) -> str:
    label, key = versioned(kind.label), quoted(kind.key.name)
    return (
        f"({node}:{label} {{{VERSION}: $version, {key}: {kind.key.loaded(sent)}}}) "
        f"USING INDEX {node}:{label}({VERSION}, {key})"
    )


def _keys(kind: RelationshipKind) -> Sequence[tuple[str, Property]]:
    return ("a", kind.start.key), ("b", kind.end.key)


def _assigned(properties: Sequence[Property], first: int) -> str:
    return ", ".join(
        f"{quoted(each.name)}: {each.loaded(f'r[{position}]')}" for position, each in enumerate(properties, first)
    )


def _listed(owner: str, properties: Sequence[Property]) -> str:
    return ", ".join(each.read(f"{owner}.{quoted(each.name)}") for each in properties)
