"""What each kind of role may do in Neo4j Enterprise; in Community Edition, which has no roles, every user may do all.

Not tested yet, for want of an Enterprise server. Creating a node with properties
takes the right to set them, so the server cannot keep a loader from changing what is
there; it does keep a loader from deleting it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from luigi_sinks.errors import NoRoles
from luigi_sinks.neo4j import progress
from luigi_sinks.neo4j.marks import LABEL, Neo4jMarks
from luigi_sinks.neo4j.names import quoted, versioned
from luigi_sinks.neo4j.schema import Graph, NodeKind
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.neo4j.shared import SharedGraph
from luigi_sinks.neo4j.sink import Neo4jSink
from luigi_sinks.role_kind import RoleKind

FORMAT, HEADING = "cypher", "// Neo4j at {}"
"""What `luigi-sinks grants` calls the language of roles, and what it prints above those of a server."""

_DATASET, _VERSION, _MARKS = "`_SinkDataset`", "`_SinkVersion`", "`_SinkBatch`"
_RECORDS = (_DATASET, "`_SinkHead`", _VERSION)


@dataclass(frozen=True)
class Role:
    """The role of one kind; `rights` are its grants and denials in order, without `TO` and the role."""

    name: str
    kind: RoleKind
    rights: Sequence[str]


Granted = Neo4jSink | Neo4jMarks | SharedGraph
"""What rights are needed for: a dataset, the marks under a name, or a graph that is changed in place."""


def roles(sinks: Iterable[Granted], name: str) -> list[Role]:
    """Return the roles for the datasets."""
    rights: dict[RoleKind, list[str]] = {role_kind: [] for role_kind in _RIGHTS}
    sinks = list(sinks)
    for database, graphs in sorted(_by_database(sinks).items()):
        labels = sorted({versioned(label) for graph in graphs for label in graph.node_kinds})
        types = sorted({versioned(kind.type) for graph in graphs for kind in graph.relationship_kinds.values()})
        for role_kind, rights_of in _RIGHTS.items():
            rights[role_kind] += [f"GRANT ACCESS ON DATABASE {database}", *rights_of(database, labels, types)]
    for sink in sinks:
        for role_kind, found in _of_others(sink).items():
            rights[role_kind] += [right for right in found if right not in rights[role_kind]]
    return [Role(role_kind.role(name), role_kind, found) for role_kind, found in rights.items()]


def text(roles: Iterable[Role]) -> str:
    """Return the roles as Cypher."""
    note = "// For Neo4j Enterprise. Community Edition has no roles: there, every user may do everything."
    return "\n".join([note, *chain.from_iterable(map(_role, roles))]) + "\n"


def terraform(roles: Iterable[Role]) -> Iterator[str]:
    """Yield nothing: no provider of Terraform knows the roles of Neo4j."""
    del roles
    yield from ()


def rights(settings: Neo4jSettings, role: str) -> frozenset[str]:
    """Refuse: the commands that the server lists are not the ones that were given."""
    raise NoRoles(
        f"Neo4j at {settings.host}:{settings.port}: the grants of {role!r} are not compared; Community Edition has "
        "none, and for Enterprise see SHOW ROLE ... PRIVILEGES AS COMMANDS"
    )


def conditions(settings: Neo4jSettings) -> Iterator[tuple[str, str]]:
    """Yield nothing: no setting of a server weakens these roles."""
    del settings
    yield from ()


def iam_user(settings: Neo4jSettings) -> str:
    """Return nothing: RDS IAM tokens log in to databases of RDS only."""
    del settings
    return ""


def create(sink: Granted, partition: str, role: str) -> None:
    """Make the constraints and indexes of a dataset or of marks, and upgrade its registry.

    A user has all its roles at once.
    """
    del partition, role
    sink.create()


def _of_marks(database: str) -> dict[RoleKind, list[str]]:
    """Let an owner make the constraint of marks, and a loader set marks and look at them."""
    graph, marks = f"ON GRAPH {database}", f"NODES {quoted(LABEL)}"
    access, shows = f"GRANT ACCESS ON DATABASE {database}", f"GRANT SHOW INDEX ON DATABASE {database}"
    names = f"GRANT NAME MANAGEMENT ON DATABASE {database}"
    manages = [f"GRANT {what} ON DATABASE {database}" for what in ("CONSTRAINT MANAGEMENT", "INDEX MANAGEMENT")]
    writes = [f"GRANT {what} {graph} {marks}" for what in ("MATCH {*}", "CREATE", "SET PROPERTY {*}")]
    return {
        RoleKind.OWNER: [access, shows, *manages, names],
        RoleKind.LOADER: [access, shows, names, *writes, f"DENY DELETE {graph} {marks}"],
    }


def _of_others(sink: Granted) -> dict[RoleKind, list[str]]:
    """Return the rights for marks, and for a graph that is changed in place; none for a dataset."""
    if isinstance(sink, Neo4jSink):
        return {}
    found = _of_marks(quoted(sink.settings.database))
    if isinstance(sink, SharedGraph):
        found[RoleKind.LOADER] += _of_shared(quoted(sink.settings.database), sink.graph)
    return found


def _of_shared(database: str, graph: Graph | None) -> Iterator[str]:
    """Let a loader note how far it has come, and change what the graph declares, by its plain names."""
    place = f"ON GRAPH {database}"
    yield f"GRANT SHOW INDEX ON DATABASE {database}"
    kinds = graph.kinds.values() if graph else ()
    labels = sorted({quoted(kind.label) for kind in kinds if isinstance(kind, NodeKind)})
    types = sorted({quoted(kind.type) for kind in kinds if not isinstance(kind, NodeKind)})
    for what in _elements([quoted(progress.LABEL), *labels], types):
        yield from (f"GRANT {right} {place} {what}" for right in ("MATCH {*}", "CREATE", "SET PROPERTY {*}"))
    yield from (f"GRANT DELETE {place} {what}" for what in _elements(labels, types))


def _by_database(sinks: Iterable[Granted]) -> dict[str, list[Graph]]:
    found: dict[str, list[Graph]] = {}
    for sink in sinks:
        if isinstance(sink, Neo4jSink):
            found.setdefault(quoted(sink.settings.database), []).append(sink.graph)
    return found


def _of_owner(database: str, labels: Sequence[str], types: Sequence[str]) -> Iterator[str]:
    """Let constraints and indexes be made, and the registry of an older release be upgraded."""
    del labels, types
    for what in ("CONSTRAINT MANAGEMENT", "INDEX MANAGEMENT", "NAME MANAGEMENT"):
        yield f"GRANT {what} ON DATABASE {database}"
    for what in _elements(_RECORDS, ()):
        yield f"GRANT MATCH {{*}} ON GRAPH {database} {what}"
    for what in _elements((_DATASET, _VERSION), ()):
        yield f"GRANT SET PROPERTY {{*}} ON GRAPH {database} {what}"


def _of_loader(database: str, labels: Sequence[str], types: Sequence[str]) -> Iterator[str]:
    """Let rows be written, the marks of batches be deleted once all have arrived, and transactions be awaited."""
    graph = f"ON GRAPH {database}"
    yield f"GRANT SHOW INDEX ON DATABASE {database}"
    yield f"GRANT SHOW TRANSACTION (*) ON DATABASE {database}"
    yield f"GRANT NAME MANAGEMENT ON DATABASE {database}"
    for what in _elements([*labels, *_RECORDS, _MARKS], types):
        yield f"GRANT MATCH {{*}} {graph} {what}"
        yield f"GRANT CREATE {graph} {what}"
        yield f"GRANT SET PROPERTY {{*}} {graph} {what}"
    yield f"GRANT DELETE {graph} NODES {_MARKS}"
    for what in _elements([*labels, *_RECORDS], types):
        yield f"DENY DELETE {graph} {what}"


def _of_pruner(database: str, labels: Sequence[str], types: Sequence[str]) -> Iterator[str]:
    """Let rows be deleted, once no transaction writes any."""
    graph = f"ON GRAPH {database}"
    yield f"GRANT SHOW INDEX ON DATABASE {database}"
    yield f"GRANT SHOW TRANSACTION (*) ON DATABASE {database}"
    yield f"GRANT TERMINATE TRANSACTION (*) ON DATABASE {database}"
    for what in _elements(_RECORDS, ()):
        yield f"GRANT MATCH {{*}} {graph} {what}"
    for what in _elements([*labels, _MARKS], types):
        yield f"GRANT MATCH {{*}} {graph} {what}"
        yield f"GRANT DELETE {graph} {what}"
    yield f"GRANT SET PROPERTY {{*}} {graph} NODES {_VERSION}"


_RIGHTS = {RoleKind.OWNER: _of_owner, RoleKind.LOADER: _of_loader, RoleKind.PRUNER: _of_pruner}


def _elements(labels: Sequence[str], types: Sequence[str]) -> list[str]:
    return [f"NODES {label}" for label in labels] + [f"RELATIONSHIPS {type_}" for type_ in types]


def _role(role: Role) -> Iterator[str]:
    yield ""
    yield f"CREATE ROLE {quoted(role.name)} IF NOT EXISTS;"
    for right in role.rights:
        yield f"{right} TO {quoted(role.name)};"
