"""The nodes that remember versions, batches and heads, and the queries on them.

`_SinkVersion` is one version's record, `_SinkHead` what readers of a partition
see, `_SinkBatch` a batch of rows that arrived, `_SinkDataset` the counter that
numbers a dataset's versions. `closed` tells that a version takes no more rows:
"sealed", or "abandoned" for one whose rows are being deleted.

Neo4j reads what is committed, without locks. So whatever depends on a version's
state first takes the write lock of its node, and then reads. Who needs the
head's lock too takes that one first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import neo4j

from luigi_sinks.claim import Claim
from luigi_sinks.errors import Conflict
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.version import State, Version

SEALED, ABANDONED = "sealed", "abandoned"

SCHEMA = {
    "_SinkVersion by id": "CREATE CONSTRAINT {name} IF NOT EXISTS FOR (v:_SinkVersion) REQUIRE v.id IS UNIQUE",
    "_SinkVersion by seq": "CREATE CONSTRAINT {name} IF NOT EXISTS "
    "FOR (v:_SinkVersion) REQUIRE (v.dataset, v.seq) IS UNIQUE",
    "_SinkVersion by partition": "CREATE INDEX {name} IF NOT EXISTS FOR (v:_SinkVersion) ON (v.dataset, v.partition)",
    "_SinkVersion by update_id": "CREATE INDEX {name} IF NOT EXISTS FOR (v:_SinkVersion) ON (v.dataset, v.update_id)",
    "_SinkHead": "CREATE CONSTRAINT {name} IF NOT EXISTS FOR (h:_SinkHead) REQUIRE (h.dataset, h.partition) IS UNIQUE",
    "_SinkDataset": "CREATE CONSTRAINT {name} IF NOT EXISTS FOR (d:_SinkDataset) REQUIRE d.dataset IS UNIQUE",
    "_SinkBatch": "CREATE CONSTRAINT {name} IF NOT EXISTS "
    "FOR (b:_SinkBatch) REQUIRE (b.version, b.part, b.first) IS UNIQUE",
}
"""The names of constraints and indexes, and their DDL."""

_FIELDS = "v {.*, staged_at: toString(v.staged_at), published_at: toString(v.published_at)} AS record"

HEAD = f"""
MATCH (h:_SinkHead {{dataset: $dataset, partition: $partition}}) MATCH (v:_SinkVersion {{id: h.version}})
RETURN h.epoch AS epoch, {_FIELDS}"""

_RECORD = f"MATCH (v:_SinkVersion {{id: $id}}) RETURN {_FIELDS}, v.closed AS closed"

# A write takes the lock. It must not read: SET v.state = v.state would write back what it read before it waited.
_LOCK_HEAD = """
MERGE (h:_SinkHead {dataset: $dataset, partition: $partition}) ON CREATE SET h.epoch = 0
SET h._lock = true REMOVE h._lock"""

_LOCK_VERSION = "MATCH (v:_SinkVersion {id: $id}) SET v._lock = true REMOVE v._lock"

_LOCK_DATASET = "MERGE (d:_SinkDataset {dataset: $dataset}) ON CREATE SET d.seq = 0 SET d._lock = true REMOVE d._lock"

_BEGIN = """
MATCH (d:_SinkDataset {dataset: $dataset}) MERGE (v:_SinkVersion {id: $record.id})
ON CREATE SET d.seq = d.seq + 1, v = $record, v.seq = d.seq, v.staged_at = datetime($staged_at)"""

_PUBLISH = """
MATCH (h:_SinkHead {dataset: $dataset, partition: $partition}) MATCH (v:_SinkVersion {id: $id})
SET h.version = v.id, h.epoch = h.epoch + 1, v.state = $state,
    v.published_at = coalesce(v.published_at, datetime($published_at))"""


def head_of(rows: Collection[Mapping[str, Any]]) -> Head:
    """Understand the answer to HEAD."""
    return next((Head(_decoded(row["record"]), row["epoch"]) for row in rows), Head())


def records(partition: str | None, update_ids: Collection[str] | None) -> str:
    """Return the query for a dataset's history."""
    wanted = ["v.seq IS NOT NULL"]
    if partition is not None:
        wanted.append("v.partition = $partition")
    if update_ids is not None:
        wanted.append("v.update_id IN $update_ids")
    return f"MATCH (v:_SinkVersion {{dataset: $dataset}}) WHERE {' AND '.join(wanted)} RETURN {_FIELDS} ORDER BY v.seq"


def records_of(rows: Collection[Mapping[str, Any]]) -> Iterator[Record]:
    """Understand the answer to `records`."""
    return (_decoded(row["record"]) for row in rows)


def begin(tx: neo4j.Transaction, version: Version, origin: Origin, claim: Claim, labels: Collection[str]) -> None:
    """Register a version under the next number of its dataset."""
    record = {
        **msgspec.to_builtins(origin),
        **msgspec.to_builtins(version),
        "params": _text(origin.params),
        "claim": _text(claim),
        "state": State.STAGED,
        "labels": list(labels),
    }
    staged_at = datetime.now(UTC).isoformat()
    tx.run(_LOCK_DATASET, dataset=version.dataset).consume()
    tx.run(_BEGIN, dataset=version.dataset, record=record, staged_at=staged_at).consume()


def locked(tx: neo4j.Transaction, version: Version) -> tuple[Record, str]:
    """Return the record and what it is closed for, and keep others from changing either."""
    tx.run(_LOCK_VERSION, id=version.id).consume()
    found = tx.run(_RECORD, id=version.id).single()
    if found is None:
        raise Conflict(f"{version} is not in the registry")
    return _decoded(found["record"]), found["closed"] or ""


def change(tx: neo4j.Transaction, version: Version, **properties: Any) -> None:
    """Set properties of a version's record."""
    tx.run("MATCH (v:_SinkVersion {id: $id}) SET v += $properties", id=version.id, properties=properties).consume()


def renew(tx: neo4j.Transaction, version: Version, claim: Claim) -> None:
    """Replace the claim on a version, unless it was left."""
    record, _ = locked(tx, version)
    change(tx, version, claim=_text(record.claimed(claim).claim))


def seal(tx: neo4j.Transaction, version: Version) -> None:
    """Let no more rows in."""
    record, closed = locked(tx, version)
    if not record.state.is_open or closed == ABANDONED:
        raise Conflict(f"{version} is {closed or record.state}; it cannot be sealed")
    change(tx, version, closed=SEALED)


def abandon(tx: neo4j.Transaction, version: Version) -> bool:
    """Let neither rows nor readers in, unless the load is over; tell whether that is so."""
    record, _ = locked(tx, version)
    if record.state.is_open:
        change(tx, version, closed=ABANDONED)
    return record.state.is_open


def approve(tx: neo4j.Transaction, version: Version) -> None:
    """Record that the checks passed."""
    record, closed = locked(tx, version)
    if not record.state.is_open or closed != SEALED:
        raise Conflict(f"{version} is {closed or record.state}; it cannot be approved")
    change(tx, version, state=State.VALIDATED)


def fail(tx: neo4j.Transaction, version: Version) -> None:
    """Record that the load failed and its rows are gone."""
    record, _ = locked(tx, version)
    if record.state.is_open:
        change(tx, version, state=State.FAILED)


def leave(tx: neo4j.Transaction, version: Version) -> None:
    """Record that the load failed and its rows wait for a pruner."""
    record, _ = locked(tx, version)
    if record.state.is_open:
        change(tx, version, state=State.ABANDONED, claim=_text(record.left().claim))


def retire(tx: neo4j.Transaction, version: Version) -> None:
    """Record that the version is no longer the head, if that is so."""
    record, _ = locked(tx, version)
    if record.state is State.PUBLISHED and _head(tx, version).version != version:
        change(tx, version, state=State.RETIRED)


def drop(tx: neo4j.Transaction, version: Version) -> None:
    """Record that the version's rows are gone."""
    locked(tx, version)
    if _head(tx, version).version == version:
        raise Conflict(f"{version} is the head; it cannot be dropped")
    change(tx, version, state=State.DROPPED)


def publish(tx: neo4j.Transaction, version: Version, replacing: Head) -> None:
    """Move the head if it still is `replacing`."""
    tx.run(_LOCK_HEAD, dataset=version.dataset, partition=version.partition).consume()
    record, closed = locked(tx, version)
    current = _head(tx, version)
    if current.version == version:
        return
    if (current.version, current.epoch) != (replacing.version, replacing.epoch):
        raise Conflict(f"{version}: the head moved on to {current.version} meanwhile; nothing was published")
    once = record.is_complete and record.state is State.RETIRED
    if closed == ABANDONED or not (once or record.state is State.VALIDATED):
        raise Conflict(f"{version} is {closed or record.state}; it cannot be published")
    tx.run(
        _PUBLISH,
        dataset=version.dataset,
        partition=version.partition,
        id=version.id,
        state=State.PUBLISHED,
        published_at=datetime.now(UTC).isoformat(),
    ).consume()


def _head(tx: neo4j.Transaction, version: Version) -> Head:
    return head_of(tx.run(HEAD, dataset=version.dataset, partition=version.partition).data())


def _decoded(found: Mapping[str, Any]) -> Record:
    params, claim = (msgspec.json.decode(found[name]) for name in ("params", "claim"))
    parts = {"version": found, "origin": {**found, "params": params}, "claim": claim}
    return msgspec.convert({**found, **parts}, Record)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
