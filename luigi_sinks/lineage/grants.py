"""What lineage needs to be granted in Neo4j Enterprise: to write, to ask, and to prune."""

from __future__ import annotations

from collections.abc import Iterator

from luigi_sinks.lineage.graph.schema import LABELS, SPOOL, TURN, TYPES
from luigi_sinks.neo4j import grants
from luigi_sinks.neo4j.grants import Role
from luigi_sinks.neo4j.names import quoted
from luigi_sinks.role_kind import RoleKind

NAME = "luigi_sinks_lineage"
READER = f"{NAME}_reader"
"""The role of those who ask, which may change nothing."""

_ELEMENTS = (
    *(f"NODES {quoted(label)}" for label in (*LABELS, SPOOL, TURN)),
    *(f"RELATIONSHIPS {quoted(kind)}" for kind in TYPES),
)


def text(database: str) -> str:
    """Return the roles as Cypher: one writes and deletes nothing, one asks, and one prunes.

    Example:
        >>> "DENY DELETE ON GRAPH `neo4j` NODES `LineageRun` TO `luigi_sinks_lineage`;" in text("neo4j")
        True

    """
    name = quoted(database)
    return grants.text(
        [
            Role(RoleKind.LOADER.role(NAME), RoleKind.LOADER, list(_of_writer(name))),
            Role(READER, RoleKind.LOADER, list(_of_reader(name))),
            Role(RoleKind.PRUNER.role(NAME), RoleKind.PRUNER, list(_of_pruner(name))),
        ]
    )


def _of_reader(database: str) -> Iterator[str]:
    yield f"GRANT ACCESS ON DATABASE {database}"
    for what in _ELEMENTS:
        yield f"GRANT MATCH {{*}} ON GRAPH {database} {what}"


def _of_writer(database: str) -> Iterator[str]:
    yield from _of_reader(database)
    for what in ("CREATE CONSTRAINT", "CREATE INDEX", "NAME MANAGEMENT"):
        yield f"GRANT {what} ON DATABASE {database}"
    for what in _ELEMENTS:
        yield f"GRANT CREATE ON GRAPH {database} {what}"
        yield f"GRANT SET PROPERTY {{*}} ON GRAPH {database} {what}"
        yield f"DENY DELETE ON GRAPH {database} {what}"


def _of_pruner(database: str) -> Iterator[str]:
    """Let all be deleted but the node that keeps writers apart."""
    yield from _of_reader(database)
    for what in _ELEMENTS:
        if what != f"NODES {quoted(TURN)}":
            yield f"GRANT DELETE ON GRAPH {database} {what}"
    yield f"GRANT SET PROPERTY {{*}} ON GRAPH {database} NODES {quoted(TURN)}"
