"""The queries on a version's nodes and relationships, made from their kinds, for reader and writer alike.

They stand in one place since each must quote every name and name the index to use. A
label that was just filled has no statistics yet, and the planner then finds a
relationship's ends by reading the whole version (measured: 250 relationships a second
instead of 27,000). SEEK says that the index is not to be read as a whole either, which
the planner did now and then for the first relationships of a label.
"""

from __future__ import annotations

from collections.abc import Sequence

from luigi_sinks.neo4j.names import VERSION, quoted, versioned
from luigi_sinks.neo4j.schema import Kind, NodeKind, RelationshipKind
from luigi_sinks.neo4j.types import Property


def create(kind: Kind) -> str:
    """Return the query that creates `$rows`, lists of values, in `$version`."""
    if isinstance(kind, NodeKind):
        values = _assigned(kind.properties, 0)
        return f"UNWIND $rows AS r CREATE (:{versioned(kind.label)} {{{VERSION}: $version, {values}}})"
    values = _assigned(kind.properties, 2)
    return (
        f"UNWIND $rows AS r MATCH {_found('a', kind.start, 'r[0]')} MATCH {_found('b', kind.end, 'r[1]')} "
        f"CREATE (a)-[:{versioned(kind.type)} {{{values}}}]->(b)"
    )


def read(kind: Kind) -> str:
    """Return the query that reads the rows of `$version`, as lists of values."""
    if isinstance(kind, NodeKind):
        return f"{_all('n', kind.label)} RETURN [{_listed('n', kind.properties)}]"
    ends = _listed("a", [kind.start.key]), _listed("b", [kind.end.key])
    values = ", ".join(filter(None, (*ends, _listed("r", kind.properties))))
    return f"{_path(kind)} RETURN [{values}]"


def read_plain(kind: Kind) -> str:
    """Return the query that reads nodes or relationships with plain labels, which luigi_sinks did not load."""
    if isinstance(kind, NodeKind):
        return f"{_plain(kind)} RETURN [{_listed('x', kind.properties)}]"
    ends = _listed("a", [kind.start.key]), _listed("b", [kind.end.key])
    return f"{_plain(kind)} RETURN [{', '.join(filter(None, (*ends, _listed('x', kind.properties))))}]"


def names_of_plain(kind: Kind) -> str:
    """Return the query for the names of the properties that they have; null if some have none."""
    return f"{_plain(kind)} UNWIND {_NAMES} AS name RETURN DISTINCT name"


def sample_of_plain(label: str) -> str:
    """Return the query for the properties of the first `$limit` nodes of a plain label, with their types."""
    return (
        f"MATCH (x:{quoted(label)}) WITH x LIMIT $limit WITH collect(x) AS nodes UNWIND nodes AS x "
        f"UNWIND keys(x) AS name RETURN name, count(*) AS count, count(DISTINCT x[name]) AS values, "
        f"size(nodes) AS size, {_types('x[name]')} ORDER BY name"
    )


def sample_of_plain_relationships(label: str) -> str:
    """Return the query for the first `$limit` relationships from nodes of a plain label, with their types.

    `name` is null for a relationship without properties.
    """
    return (
        f"MATCH (n:{quoted(label)})-[x]->(b) WITH x, b LIMIT $limit UNWIND {_NAMES} AS name "
        f"RETURN type(x) AS type, labels(b) AS ends, name, {_types('x[name]')} ORDER BY type, ends, name"
    )


_NAMES = "coalesce(nullIf(keys(x), []), [null])"


def _plain(kind: Kind) -> str:
    """Match all nodes or relationships of a kind, `x`, by their plain labels."""
    if isinstance(kind, NodeKind):
        return f"MATCH (x:{quoted(kind.label)})"
    return f"MATCH (a:{quoted(kind.start.label)})-[x:{quoted(kind.type)}]->(b:{quoted(kind.end.label)})"


def count(kind: Kind) -> str:
    """Return the query that counts the rows of `$version`."""
    if isinstance(kind, NodeKind):
        return f"{_all('n', kind.label)} RETURN count(n) AS count"
    return f"{_path(kind)} RETURN count(r) AS count"


def first_existing(kind: NodeKind) -> str:
    """Return the query for the index of the first of `$keys` that `$version` already has."""
    return (
        f"UNWIND range(0, size($keys) - 1) AS i WITH i, $keys[i] AS k MATCH {_found('n', kind, 'k')} "
        "RETURN min(i) AS first"
    )


def shared_key(kind: NodeKind) -> str:
    """Return the query for a key of `$version` that the head of another partition of `$dataset` has too."""
    label, key = versioned(kind.label), quoted(kind.key.name)
    return (
        "MATCH (h:_SinkHead {dataset: $dataset}) WHERE h.partition <> $partition AND h.version IS NOT NULL "
        f"WITH h.partition AS partition, h.version AS other {_all('n', kind.label)} "
        f"MATCH (o:{label} {{{VERSION}: other, {key}: n.{key}}}) USING INDEX SEEK o:{label}({VERSION}, {key}) "
        f"RETURN partition, other, n.{key} AS value LIMIT 1"
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

    It runs before the nodes of any label are deleted: a transaction must not grow with a node's degree.
    """
    return f"{_all('n', label)} MATCH (n)-[r]->() CALL (r) {{ DELETE r }} IN TRANSACTIONS OF 10000 ROWS"


def delete_nodes(label: str) -> str:
    """Return the query that deletes the nodes of `$version` with this label."""
    return f"{_all('n', label)} CALL (n) {{ DETACH DELETE n }} IN TRANSACTIONS OF 10000 ROWS"


def filled(label: str) -> str:
    """Return the query for those of `$ids` that have nodes with this label."""
    one = f"{_all('n', label, of='version')} RETURN 1 AS one LIMIT 1"
    return f"UNWIND $ids AS version CALL (version) {{ {one} }} RETURN version AS id"


def node_types(label: str) -> str:
    """Return the query for the properties of the nodes of `$version` with this label, and their types."""
    return f"{_all('n', label)} UNWIND keys(n) AS name RETURN name, {_types('n[name]')}"


def relationship_types(label: str) -> str:
    """Return the query for the properties of the relationships from nodes with this label, and their types.

    `name` is null for a relationship without properties.
    """
    return (
        f"{_all('n', label)} MATCH (n)-[r]->(b) UNWIND coalesce(nullIf(keys(r), []), [null]) AS name "
        f"RETURN type(r) AS type, labels(b) AS ends, name, {_types('r[name]')} ORDER BY type, ends"
    )


def _types(value: str) -> str:
    """Ask for types; bytes are LIST<INTEGER> to Neo4j, and only a value tells the two apart."""
    is_integers = f"valueType({value}) STARTS WITH 'LIST<INTEGER'"
    return f"collect(DISTINCT valueType({value})) AS types, min(CASE WHEN {is_integers} THEN {value} END) AS sample"


def _all(node: str, label: str, rest: str = "", of: str = "$version") -> str:
    label = versioned(label)
    index = f"USING INDEX SEEK {node}:{label}({VERSION})"
    return f"MATCH ({node}:{label}){rest} {index} WHERE {node}.{VERSION} = {of}"


def _path(kind: RelationshipKind) -> str:
    return _all("a", kind.start.label, f"-[r:{versioned(kind.type)}]->(b:{versioned(kind.end.label)})")


def _found(node: str, kind: NodeKind, sent: str) -> str:
    label, key = versioned(kind.label), quoted(kind.key.name)
    return (
        f"({node}:{label} {{{VERSION}: $version, {key}: {kind.key.loaded(sent)}}}) "
        f"USING INDEX SEEK {node}:{label}({VERSION}, {key})"
    )


def _assigned(properties: Sequence[Property], first: int) -> str:
    return ", ".join(
        f"{quoted(each.name)}: {each.loaded(f'r[{position}]')}" for position, each in enumerate(properties, first)
    )


def _listed(owner: str, properties: Sequence[Property]) -> str:
    return ", ".join(each.read(f"{owner}.{quoted(each.name)}") for each in properties)
