"""The nodes that remember versions, chunks and heads, the queries on them, and the indexes that a dataset needs.

`_SinkVersion` is one version's record: all of it as JSON in `record`, and as properties what
is searched: id, dataset, partition, seq, state, update_id and labels. `_SinkHead` is
what readers of a partition see, `_SinkBatch` a chunk of rows that arrived.
`_SinkDataset` numbers a dataset's versions; its `format` is that of the registry.
Release 0.1 wrote format 1: no number, and each field of a record as a property. It is
read as it is, and upgraded by the next load.

Neo4j reads what is committed, without locks. So whatever depends on a version's
state first takes the write lock of its node, and then reads. What needs the lock of
the head too takes that one first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import neo4j
from neo4j.exceptions import ClientError

from luigi_sinks import record as rules
from luigi_sinks import stored
from luigi_sinks.errors import BadSetting, Forbidden, SinkError
from luigi_sinks.neo4j import connection
from luigi_sinks.neo4j.connection import Run, within
from luigi_sinks.neo4j.names import SUFFIX, VERSION, quoted
from luigi_sinks.neo4j.schema import Graph
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.record import Head, Pointer, Record, Transition
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.version import State, Version

FORMAT = 2

_FORMAT_1 = (
    *("rerun", "partition_by", "family", "owner", "period", "params", "lease", "staged_at", "published_at"),
    *("rows", "set_aside", "closed"),
)
"""The properties that a version has in format 1 alone."""

_CLOSED = {
    "staged sealed": State.SEALED,
    "staged abandoned": State.ABANDONED,
    "validated abandoned": State.ABANDONED,
}

DATASETS = "MATCH (d:_SinkDataset) RETURN d.dataset AS dataset"

NODE = "v {.*, staged_at: toStringOrNull(v.staged_at), published_at: toStringOrNull(v.published_at)} AS node"

# Both properties of a head are read at once: another transaction may move it between two reads.
_HEADS = f"""
MATCH (h:_SinkHead {{dataset: $dataset}}) WHERE h.partition %s
WITH h {{.version, .epoch}} AS head MATCH (v:_SinkVersion {{id: head.version}})
RETURN head.epoch AS epoch, {NODE}"""

_VERSIONS = "MATCH (v:_SinkVersion {dataset: $dataset}) WHERE v.seq IS NOT NULL"

_RECORD = f"""
MATCH (v:_SinkVersion {{id: $id}})
OPTIONAL MATCH (h:_SinkHead {{dataset: v.dataset, partition: v.partition}}) WITH v, h {{.version, .epoch}} AS head
OPTIONAL MATCH (pointed:_SinkVersion {{id: head.version}})
OPTIONAL MATCH (d:_SinkDataset {{dataset: v.dataset}})
RETURN pointed.id AS head, head.epoch AS epoch, coalesce(d.format, 1) AS format, {NODE}"""

# A write takes the lock. It must not read: SET v.state = v.state would write back what it read before it waited.
_LOCK_HEAD = """
MERGE (h:_SinkHead {dataset: $dataset, partition: $partition}) ON CREATE SET h.epoch = 0
SET h._lock = true REMOVE h._lock"""
_LOCK_VERSION = "MATCH (v:_SinkVersion {id: $id}) SET v._lock = true REMOVE v._lock"
_LOCK_DATASET = """
MERGE (d:_SinkDataset {dataset: $dataset}) ON CREATE SET d.seq = 0, d.format = $format
SET d._lock = true REMOVE d._lock"""

_REGISTER = """
MATCH (d:_SinkDataset {dataset: $dataset}) MERGE (v:_SinkVersion {id: $id})
ON CREATE SET d.seq = d.seq + 1, v += $properties, v.seq = d.seq"""

_STORE = "UNWIND $changed AS each MATCH (v:_SinkVersion {id: each.id}) SET v += each.properties"

_POINT = "MATCH (h:_SinkHead {dataset: $dataset, partition: $partition}) SET h.version = $version, h.epoch = $epoch"


def read_heads(run: Run, dataset: str, partition: str | None = None) -> dict[str, Head]:
    """Return what readers see, by partition: of one partition, or of all."""
    found = run(_HEADS % ("IS NOT NULL" if partition is None else "= $partition"), dataset=dataset, partition=partition)
    return {row["node"]["partition"]: _head(row["node"], row["epoch"]) for row in found}


def read_records(
    run: Run, dataset: str, *, partition: str | None = None, update_ids: Collection[str] | None = None, also: str = ""
) -> Iterator[Record]:
    """Yield a dataset's history, oldest first. The heads are read first, so that one version of each is the head."""
    pointers = {partition: head.pointer for partition, head in read_heads(run, dataset, partition).items()}
    wanted = "" if partition is None else " AND v.partition = $partition"
    wanted += "" if update_ids is None else " AND v.update_id IN $update_ids"
    query = f"{_VERSIONS}{wanted}{also} RETURN {NODE} ORDER BY v.seq"
    for row in run(query, dataset=dataset, partition=partition, update_ids=list(update_ids or ())):
        node = row["node"]
        yield rules.as_pointed(decoded(node), pointers.get(node["partition"], Pointer()))


def read_record(run: Run, version: Version) -> tuple[Record, Pointer]:
    """Return a version's record, and the pointer of its partition. Raises Conflict if there is no record."""
    return _pointed(_row(run, version))


def _row(run: Run, version: Version) -> Mapping[str, Any]:
    for row in run(_RECORD, id=version.id):
        return row
    raise rules.unknown(version)


def _pointed(row: Mapping[str, Any]) -> tuple[Record, Pointer]:
    record, head = decoded(row["node"]), row["head"]
    pointer = Pointer(replace(record.version, id=head), row["epoch"]) if head else Pointer()
    return rules.as_pointed(record, pointer), pointer


def register(tx: neo4j.Transaction, record: Record, labels: Collection[str]) -> None:
    """Register a version under the next number of its dataset, once."""
    version = record.version
    known = {**msgspec.to_builtins(version), "update_id": record.origin.update_id, "labels": list(labels)}
    lock_dataset(tx, version.dataset)
    tx.run(_REGISTER, dataset=version.dataset, id=version.id, properties={**known, **_properties(record)}).consume()


def lock_dataset(tx: neo4j.Transaction, dataset: str) -> None:
    """Lock a dataset's node, which is created if there is none."""
    tx.run(_LOCK_DATASET, dataset=dataset, format=FORMAT).consume()


def locked(tx: neo4j.Transaction, version: Version) -> tuple[Record, Pointer]:
    """Lock the version's node, then read it as `read_record` does. Raises SinkError for a newer registry."""
    tx.run(_LOCK_VERSION, id=version.id).consume()
    row = _row(within(tx), version)
    _refuse_newer(version.dataset, row["format"])
    return _pointed(row)


def change(tx: neo4j.Transaction, version: Version, become: Transition) -> Record:
    """Replace a version's record by what `become` makes of it and of the head."""
    record, head = locked(tx, version)
    changed = become(record, head)
    if changed != record:
        _store(tx, [changed])
    return changed


def publish(
    tx: neo4j.Transaction, version: Version, become: Transition, compare: Callable[[neo4j.Transaction, Record], None]
) -> Record:
    """Move the head to a version, if `become` allows it, and retire the head before.

    `compare` may refuse the first version of a partition.
    """
    place: dict[str, Any] = {"dataset": version.dataset, "partition": version.partition}
    tx.run(_LOCK_HEAD, place).consume()
    record, before = locked(tx, version)
    published = become(record, before)
    if before.version is None:
        compare(tx, published)
    if before.version != version:
        now = Pointer(version, before.epoch + 1)
        retired = [rules.retire(locked(tx, before.version)[0], now)] if before.version else []
        tx.run(_POINT, **place, version=version.id, epoch=now.epoch).consume()
        _store(tx, [published, *retired])
    return published


def upgrade(tx: neo4j.Transaction, dataset: str) -> None:
    """Write a dataset's records in the present format, and note that. They keep what they say."""
    run, place = within(tx), {"dataset": dataset}
    old = " AND v.record IS NULL"
    run("MATCH (d:_SinkDataset {dataset: $dataset}) SET d.format = $format", **place, format=FORMAT)
    run(f"{_VERSIONS}{old} SET v._lock = true REMOVE v._lock", **place)
    _store(tx, list(read_records(run, dataset, also=old)))


def is_old(run: Run, dataset: str) -> bool:
    """Tell whether the registry of a dataset has an older format. Raises SinkError for a newer one."""
    found = run("MATCH (d:_SinkDataset {dataset: $dataset}) RETURN coalesce(d.format, 1) AS format", dataset=dataset)
    written = found[0]["format"] if found else FORMAT
    _refuse_newer(dataset, written)
    return bool(written < FORMAT)


def _refuse_newer(dataset: str, written: Any) -> None:
    if not isinstance(written, int) or written > FORMAT:
        raise SinkError(
            f"the registry of {dataset!r} has format {written}, and this luigi_sinks knows formats up to {FORMAT}; "
            "install a newer luigi_sinks"
        )


def _store(tx: neo4j.Transaction, records: Sequence[Record]) -> None:
    changed = [{"id": record.version.id, "properties": _properties(record)} for record in records]
    tx.run(_STORE, changed=changed).consume()


def _properties(record: Record) -> dict[str, Any]:
    """Return what changes with a record. None removes a property."""
    return {**dict.fromkeys(_FORMAT_1), "state": record.state, "record": stored.encode(record)}


def _head(node: Mapping[str, Any], epoch: int) -> Head:
    record = decoded(node)
    return Head(rules.as_pointed(record, Pointer(record.version, epoch)), epoch)


def decoded(node: Mapping[str, Any]) -> Record:
    """Return a record of any format. Its version is that of the node, as its id is under a constraint."""
    text = str(node["record"]) if "record" in node else _format_1(node)
    return replace(stored.decode(text, node["seq"]), version=Version(node["dataset"], node["partition"], node["id"]))


def _format_1(node: Mapping[str, Any]) -> bytes:
    """Return the properties of a node as JSON of format 1, which had a property `closed` for open versions."""
    state = _CLOSED.get(f"{node['state']} {node.get('closed')}", node["state"])
    params, lease = (msgspec.Raw(str(node.get(name)).encode()) for name in ("params", "lease"))
    body = {**node, "version": node, "origin": {**node, "params": params}, "lease": lease, "state": state}
    return msgspec.json.encode(body, enc_hook=str)


# What a database needs


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
       owningConstraint IS NOT NULL AS is_unique, state = 'ONLINE' AND type = 'RANGE' AS is_ready"""

_USES = "MATCH (v:_SinkVersion) WHERE $label IN v.labels AND NOT v.state IN $unused RETURN v.record AS record"
_UNUSED = [State.ABANDONED, State.FAILED, State.DROPPING, State.DROPPED]
_EXISTS = "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists"


def prepare(settings: Neo4jSettings, dataset: str) -> None:
    """Create the indexes of the registry that are missing, and upgrade the dataset's records."""
    with _needs_owner(settings, dataset):
        _create_missing(settings, REGISTRY, connection.query(settings, _FOUND))
        if is_old(connection.alone(settings), dataset):
            connection.transact(settings, upgrade, dataset)


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
    ready = [(row["label"], tuple(row["properties"]), row["is_unique"]) for row in found if row["is_ready"]]
    missing = [each for each in wanted if (each.label, each.properties, each.is_unique) not in ready]
    taken = {row["name"]: (row["label"], tuple(row["properties"])) for row in found}
    for index in missing:
        label, properties = taken.get(index.name, (index.label, index.properties))
        if (label, properties) != (index.label, index.properties):
            raise BadSetting(
                f"{settings.address}: another index or constraint is called {index.name!r}, on {label} {properties}; "
                "drop it, or give it another name"
            )
        _create(settings, index)
    if missing:
        connection.query(settings, "CALL db.awaitIndexes(300)")


def _create(settings: Neo4jSettings, index: Index) -> None:
    """Create an index.

    IF NOT EXISTS looks before it waits for another process, and several that wait for
    a label's lock are a deadlock to the server, which is worth another try.
    """
    try:
        retry_unavailable(settings.patience, connection.query, settings, index.ddl)
    except ClientError as error:
        if error.code != _EXISTS:
            raise BadSetting(f"{settings.address}: {index.name!r} cannot be created: {error.message}") from error


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
