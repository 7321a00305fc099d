"""The queries that merge rows into a graph with plain labels, stamped per source, and take away what a source lacks.

`_sources` of a node or relationship lists the stamps of the sources that gave it, each with
the id of its last run that did; what was there before anyone stamped it keeps the stamp of
nobody, and so stays. A write takes the lock of what it changes before it reads the stamps.
"""

from __future__ import annotations

from collections.abc import Sequence

from luigi_sinks.neo4j.names import quoted
from luigi_sinks.neo4j.schema import Kind, NodeKind, RelationshipKind
from luigi_sinks.neo4j.types import Property

_OTHERS = "[s IN coalesce({0}._sources, ['']) WHERE NOT s STARTS WITH $source]"

_STAMP = (
    "ON CREATE SET {0}._sources = [] SET {0}._lock = true REMOVE {0}._lock WITH {0}, r SET {0}._sources = {1} + $stamp"
)

_STALE = "any(s IN {0}._sources WHERE s STARTS WITH $source) AND NOT $stamp IN {0}._sources"


def merge(kind: Kind) -> str:
    """Return the query that merges `$rows`, lists of values, and returns how many it could; `$stamp` marks them."""
    if isinstance(kind, NodeKind):
        found, name, first = f"MERGE {_node('n', kind, kind.key.loaded(_sent(kind)))}", "n", 0
    else:
        found, name, first = f"{_ends(kind, 'MATCH')} MERGE (a)-[e:{quoted(kind.type)}]->(b)", "e", 2
    values = _assigned(name, kind.properties, first)
    stamped = _STAMP.format(name, _OTHERS.format(name))
    return f"UNWIND $rows AS r {found} {stamped}{values} RETURN count({name}) AS count"


def missing_ends(kind: RelationshipKind) -> str:
    """Return the query for those of `$rows`, by their indexes, of which a node at one end is not there."""
    return (
        "UNWIND range(0, size($rows) - 1) AS i WITH i, $rows[i] AS r "
        f"{_ends(kind, 'OPTIONAL MATCH')} WITH i, a, b WHERE a IS NULL OR b IS NULL "
        "RETURN i AS index, a IS NULL AS no_start ORDER BY i"
    )


def key_of(kind: Kind) -> str:
    """Return the text by which a source remembers that it has rows of a kind."""
    return kind.label if isinstance(kind, NodeKind) else f"{kind.start.label}|{kind.type}|{kind.end.label}"


def sweep(key: str) -> str:
    """Return the query that takes the source's stamp off what its last run did not give, and deletes what has no other.

    It takes `$limit` at once, and returns how many. `key` is what `key_of` gave. A node
    stays as long as it has a relationship: without a stamp, it goes with a later sweep.
    """
    start, *relationship = key.split("|")
    if relationship:
        type_, end = relationship
        found, gone = f"MATCH (:{quoted(start)})-[e:{quoted(type_)}]->(:{quoted(end)})", "DELETE"
        return _swept(found, "e", _STALE.format("e"), "size(e._sources) = 0", gone)
    stale = f"({_STALE.format('n')}) OR (n._sources = [] AND NOT EXISTS {{ (n)--() }})"
    return _swept(f"MATCH (n:{quoted(start)})", "n", stale, "size(n._sources) = 0 AND NOT EXISTS { (n)--() }", "DELETE")


def _swept(found: str, name: str, stale: str, dead: str, delete: str) -> str:
    return (
        f"{found} WHERE {stale} WITH {name} LIMIT $limit SET {name}._lock = true REMOVE {name}._lock "
        f"WITH {name} SET {name}._sources = {_OTHERS.format(name)} WITH {name}, {dead} AS is_dead "
        f"FOREACH (_ IN CASE WHEN is_dead THEN [1] ELSE [] END | {delete} {name}) RETURN count(*) AS count"
    )


def _sent(kind: NodeKind) -> str:
    return f"r[{[each.name for each in kind.properties].index(kind.key.name)}]"


def _node(name: str, kind: NodeKind, value: str) -> str:
    return f"({name}:{quoted(kind.label)} {{{quoted(kind.key.name)}: {value}}})"


def _ends(kind: RelationshipKind, match: str) -> str:
    """Match both ends, by the index of the key: a new label has no statistics, see cypher.py."""
    ends = (("a", kind.start, "r[0]"), ("b", kind.end, "r[1]"))
    return " ".join(
        f"{match} {_node(name, node, node.key.loaded(sent))} "
        f"USING INDEX SEEK {name}:{quoted(node.label)}({quoted(node.key.name)})"
        for name, node, sent in ends
    )


def _assigned(name: str, properties: Sequence[Property], first: int) -> str:
    found = (f"{name}.{quoted(each.name)} = {each.loaded(f'r[{at}]')}" for at, each in enumerate(properties, first))
    return "".join(f", {each}" for each in found)
