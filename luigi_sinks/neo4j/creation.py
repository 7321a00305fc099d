"""The indexes that the registry and a graph need, which the owner or the first load creates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from luigi_sinks import stored
from luigi_sinks.errors import BadSetting, Forbidden, SinkError, Unavailable
from luigi_sinks.neo4j import connection, exposures
from luigi_sinks.neo4j.errors import EXISTS, QueryRefused
from luigi_sinks.neo4j.names import SUFFIX, VERSION, quoted
from luigi_sinks.neo4j.registry import is_old, upgrade
from luigi_sinks.neo4j.schema import Graph
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.version import State


@dataclass(frozen=True)
class Index:
    """An index on the properties of a label; a unique one belongs to a constraint."""

    name: str
    label: str
    properties: tuple[str, ...]
    is_unique: bool = True

    @property
    def ddl(self) -> str:
        """The command that creates it."""
        name, node = quoted(self.name), f"(n:{quoted(self.label)})"
        listed = ", ".join(f"n.{quoted(each)}" for each in self.properties)
        if self.is_unique:
            return f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR {node} REQUIRE ({listed}) IS UNIQUE"
        return f"CREATE INDEX {name} IF NOT EXISTS FOR {node} ON ({listed})"


REGISTRY = (
    Index("_SinkVersion by id", "_SinkVersion", ("id",)),
    Index("_SinkVersion by seq", "_SinkVersion", ("dataset", "seq")),
    Index("_SinkVersion by partition", "_SinkVersion", ("dataset", "partition"), is_unique=False),
    Index("_SinkVersion by update_id", "_SinkVersion", ("dataset", "update_id"), is_unique=False),
    Index("_SinkHead", "_SinkHead", ("dataset", "partition")),
    Index("_SinkDataset", "_SinkDataset", ("dataset",)),
    Index("_SinkBatch", "_SinkBatch", ("version", "part", "first")),
)

_FOUND = """
SHOW INDEXES YIELD name, state, type, labelsOrTypes, properties, owningConstraint
RETURN name, labelsOrTypes[0] AS label, coalesce(properties, []) AS properties,
       owningConstraint IS NOT NULL AS is_unique, state, state = 'ONLINE' AND type = 'RANGE' AS is_ready"""

_LOOK = 0.05
"""Seconds from one look at the state of indexes to the next."""

_USES = "MATCH (v:_SinkVersion) WHERE $label IN v.labels AND NOT v.state IN $unused RETURN v.record AS record"
_UNUSED = [State.ABANDONED, State.FAILED, State.DROPPING, State.DROPPED]


def prepare(settings: Neo4jSettings, dataset: str) -> None:
    """Create the indexes of the registry that are missing, and upgrade the dataset's records."""
    with _needs_owner(settings, dataset):
        _create_missing(settings, REGISTRY, connection.query(settings, _FOUND))
        exposures.refuse_dataset(connection.alone(settings), dataset)
        if is_old(connection.alone(settings), dataset):
            upgrade(connection.alone(settings), dataset)


def prepare_marks(settings: Neo4jSettings, dataset: str, index: Index) -> None:
    """Create the constraint of marks if it is missing."""
    with _needs_owner(settings, dataset):
        _create_missing(settings, [index], connection.query(settings, _FOUND))


def prepare_graph(settings: Neo4jSettings, dataset: str, graph: Graph) -> None:
    """Create the indexes of a graph that are missing, and drop those of other keys that no version needs."""
    keys = {f"{kind.label}{SUFFIX}": kind.key.name for kind in graph.node_kinds.values()}
    unique = [Index(f"{label} by {key}", label, (VERSION, key)) for label, key in keys.items()]
    whole = [Index(f"{label} as a whole", label, (VERSION,), is_unique=False) for label in keys]
    with _needs_owner(settings, dataset):
        found = connection.query(settings, _FOUND)
        for row in found:
            label, key = row["label"], (row["properties"] or [""])[-1]
            if (
                row["name"] == f"{label} by {key}"
                and keys.get(label, key) != key
                and not _is_used(settings, label, key)
            ):
                connection.query(settings, f"DROP CONSTRAINT {quoted(row['name'])} IF EXISTS")
        _create_missing(settings, (*unique, *whole), found)


def prepare_merged(settings: Neo4jSettings, dataset: str, graph: Graph) -> None:
    """Create the constraints by which a graph with plain labels has one node for a key.

    Raises BadSetting if it has two.
    """
    found = [(kind.label, kind.key.name) for kind in graph.node_kinds.values()]
    keys = [Index(f"{label} by {key}", label, (key,)) for label, key in found]
    with _needs_owner(settings, dataset):
        _create_missing(settings, keys, connection.query(settings, _FOUND))


@contextmanager
def _needs_owner(settings: Neo4jSettings, dataset: str) -> Iterator[None]:
    """Turn a missing permission into a Forbidden that names `luigi-sinks create`."""
    try:
        yield
    except Forbidden as refusal:
        raise Forbidden(
            f"{settings.address}: the database is not ready for {dataset!r}, and this login is not permitted to "
            f"prepare it; run `luigi-sinks create` as the owner: {refusal}"
        ) from refusal


def _create_missing(settings: Neo4jSettings, wanted: Sequence[Index], found: Sequence[Mapping[str, Any]]) -> None:
    """Create indexes, which other processes may be creating too, and wait until they serve."""
    missing = _not_ready(wanted, found)
    taken = {row["name"]: (row["label"], tuple(row["properties"])) for row in found}
    for index in missing:
        label, properties = taken.get(index.name, (index.label, index.properties))
        if (label, properties) != (index.label, index.properties):
            raise BadSetting(
                f"{settings.address}: another index or constraint is called {index.name!r}, on {label} {properties}; "
                "drop it, or give it another name"
            )
        _create(settings, index)
    _wait_for(settings, missing)


def _not_ready(wanted: Sequence[Index], found: Sequence[Mapping[str, Any]]) -> list[Index]:
    """Return the indexes that do not serve yet."""
    ready = [(row["label"], tuple(row["properties"]), row["is_unique"]) for row in found if row["is_ready"]]
    return [each for each in wanted if (each.label, each.properties, each.is_unique) not in ready]


def _wait_for(settings: Neo4jSettings, wanted: Sequence[Index]) -> None:
    """Wait until indexes serve. Raises BadSetting for one that failed, and Unavailable after the step_timeout.

    `db.awaitIndexes` would wait for those of others, too, and meanwhile hold locks that the others wait for.
    """
    end = time.monotonic() + settings.step_timeout
    while wanted and (waiting := _not_ready(wanted, found := connection.query(settings, _FOUND))):
        wanted_first = (waiting[0].label, waiting[0].properties)
        for row in found:
            if row["state"] == "FAILED" and (row["label"], tuple(row["properties"])) == wanted_first:
                raise BadSetting(f"{settings.address}: the index {row['name']!r} failed; drop it, and run this again")
        if time.monotonic() > end:
            raise Unavailable(
                f"{settings.address}: the index {waiting[0].name!r} does not serve after step_timeout = "
                f"{settings.step_timeout:g} s; see SHOW INDEXES"
            )
        time.sleep(_LOOK)


def _create(settings: Neo4jSettings, index: Index) -> None:
    """Create an index.

    IF NOT EXISTS looks before it waits for another process, and several that wait for
    a label's lock are a deadlock to the server, which is worth another try.
    """
    try:
        retry_unavailable(settings.patience, connection.long_query, settings, index.ddl)
    except QueryRefused as refusal:
        if refusal.code != EXISTS:
            raise BadSetting(f"{settings.address}: {index.name!r} cannot be created: {refusal}") from refusal


def _is_used(settings: Neo4jSettings, label: str, key: str) -> bool:
    """Tell whether a version with rows, of any dataset, has nodes with this label and key, or may have."""
    label = label.removesuffix(SUFFIX)
    for row in connection.query(settings, _USES, label=label, unused=_UNUSED):
        try:
            graph = Graph.from_json(stored.decode(row["record"] or "", 0).schema)
        except SinkError:  # it keeps no graph, or none that can be read
            return True
        if (label, key) in {(node.label, node.key) for node in graph.nodes}:
            return True
    return False
