"""The nodes that remember versions, chunks and heads, and the queries on them.

`_SinkVersion` is one version's record: all of it as JSON in `record`, and as properties what
is searched: id, dataset, partition, seq, state, update_id, labels, and `is_in_release` until
that release has ended. `_SinkHead` is what readers of a partition see, `_SinkBatch` a chunk of rows that arrived.
`_SinkDataset` numbers a dataset's versions; its `format` is that of the registry.
Release 0.1 wrote format 1: no number, and each field of a record as a property. It is
read as it is, and upgraded by the next load.

A registry is changed by single queries that compare and swap: one takes the write locks of
the nodes, compares them with what was read before, and changes them if nothing else did
meanwhile. So no client holds a lock while it thinks, or stops. What needs the lock of the
head too takes that one first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from luigi_sinks import record as rules
from luigi_sinks import stored
from luigi_sinks.errors import SinkError, Unavailable
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.record import Head, Pointer, Record, Transition
from luigi_sinks.version import State, Version

FORMAT = 2

_ATTEMPTS = 100
"""How often a change is tried while other processes change the same record."""

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
WITH h {{.partition, .version, .epoch}} AS head OPTIONAL MATCH (v:_SinkVersion {{id: head.version}})
RETURN head.partition AS partition, coalesce(head.epoch, 0) AS epoch, {NODE}"""

_VERSIONS = "MATCH (v:_SinkVersion {dataset: $dataset}) WHERE v.seq IS NOT NULL"

_WITH_HEADS = f"""
WITH v.partition AS partition, collect(v) AS versions
OPTIONAL MATCH (h:_SinkHead {{dataset: $dataset, partition: partition}})
WITH versions, h {{.version, .epoch}} AS head UNWIND versions AS v
RETURN head, {NODE} ORDER BY v.seq"""

# Whether a node is as it was read. Format 1 has no property `record`.
_STATE = "coalesce(v.record, v.state + coalesce(v.closed, '') + coalesce(v.lease, ''))"

_RECORD = f"""
MATCH (v:_SinkVersion {{id: $id}})
OPTIONAL MATCH (h:_SinkHead {{dataset: v.dataset, partition: v.partition}}) WITH v, h {{.version, .epoch}} AS head
OPTIONAL MATCH (pointed:_SinkVersion {{id: head.version}})
OPTIONAL MATCH (d:_SinkDataset {{dataset: v.dataset}})
RETURN {_STATE} AS state, head, pointed.id AS pointed, coalesce(d.format, 1) AS format, {NODE}"""

# A write takes the lock. It must not read: SET v.state = v.state would write back what it read before it waited.
_LOCK_DATASET = """
MERGE (d:_SinkDataset {dataset: $dataset}) ON CREATE SET d.seq = 0, d.format = $format
SET d._lock = true REMOVE d._lock"""

_REGISTER = f"""{_LOCK_DATASET}
WITH d MERGE (v:_SinkVersion {{id: $id}}) ON CREATE SET d.seq = d.seq + 1, v += $properties, v.seq = d.seq"""

_IS_POINTED = "coalesce(head.version, '') = $head AND coalesce(head.epoch, 0) = $epoch"

_SWAP = f"""
MATCH (v:_SinkVersion {{id: $id}}) SET v._lock = true REMOVE v._lock
WITH v OPTIONAL MATCH (h:_SinkHead {{dataset: v.dataset, partition: v.partition}})
WITH v, {_STATE} AS state, h {{.version, .epoch}} AS head WHERE state = $state AND {_IS_POINTED}
SET v += $properties RETURN count(v) AS count"""

# The dataset is locked only where its example changes, which happens once or twice.
_EXEMPLIFY = f"""
CALL () {{{_LOCK_DATASET} RETURN d }} WITH h, found, d WHERE coalesce(d.example, '') = $kept
SET d.example = $example WITH h, found"""

_PUBLISH = f"""
MERGE (h:_SinkHead {{dataset: $dataset, partition: $partition}}) ON CREATE SET h.epoch = 0
SET h._lock = true REMOVE h._lock
WITH h, h {{.version, .epoch}} AS head WHERE {_IS_POINTED}
UNWIND $changed AS each MATCH (v:_SinkVersion {{id: each.id}}) SET v._lock = true REMOVE v._lock
WITH h, v, each, {_STATE} AS state WHERE state = each.state
WITH h, collect([v, each.properties]) AS found WHERE size(found) = size($changed) %s
SET h.version = $version, h.epoch = $epoch + 1
WITH found UNWIND found AS one WITH one[0] AS v, one[1] AS properties
SET v += properties RETURN count(v) AS count"""


# A head without a version shows nothing.
_CLEAR = f"""
MATCH (h:_SinkHead {{dataset: $dataset, partition: $partition}}) SET h._lock = true REMOVE h._lock
WITH h, h {{.version, .epoch}} AS head WHERE {_IS_POINTED}
MATCH (v:_SinkVersion {{id: $id}}) SET v._lock = true REMOVE v._lock
WITH h, v, {_STATE} AS state WHERE state = $state
SET h.version = null, h.epoch = $epoch + 1, v += $properties RETURN count(v) AS count"""


def read_heads(run: Run, dataset: str, partition: str | None = None) -> dict[str, Head]:
    """Return the heads, by partition: of one partition, or of all; also those that show nothing."""
    found = run(_HEADS % ("IS NOT NULL" if partition is None else "= $partition"), dataset=dataset, partition=partition)
    return {row["partition"]: _head(row["node"], row["epoch"]) for row in found}


def read_newest(run: Run, dataset: str) -> Record | None:
    """Return the newest version that is the head of its partition."""
    newest = f"{_HEADS} ORDER BY coalesce(v.seq, 0) DESC LIMIT 1" % "IS NOT NULL"
    found = (_head(row["node"], row["epoch"]) for row in run(newest, dataset=dataset, partition=None))
    return next((head.record for head in found), None)


def read_records(
    run: Run,
    dataset: str,
    *,
    partition: str | None = None,
    update_ids: Collection[str] | None = None,
    also: str = "",
) -> Iterator[Record]:
    """Yield a dataset's history, oldest first. Each head is read once, so that one version of each is the head."""
    wanted = "" if partition is None else " AND v.partition = $partition"
    wanted += "" if update_ids is None else " AND v.update_id IN $update_ids"
    query = f"{_VERSIONS}{wanted}{also}{_WITH_HEADS}"
    for row in run(query, dataset=dataset, partition=partition, update_ids=list(update_ids or ())):
        record = decoded(row["node"])
        yield rules.as_pointed(record, _pointer(record.version, row["head"]))


def read_record(run: Run, version: Version) -> Record:
    """Return a version's record. Raises Conflict if there is none."""
    return _found(run, version).record


@dataclass(frozen=True)
class _Found:
    """A version's node as it was read, and the head of its partition; `state` is compared with what is there then."""

    record: Record
    pointer: Pointer
    state: Any
    head: Mapping[str, Any]

    @property
    def compared(self) -> dict[str, Any]:
        return {"head": self.head.get("version") or "", "epoch": self.head.get("epoch") or 0}


def _found(run: Run, version: Version) -> _Found:
    for row in run(_RECORD, id=version.id):
        if row["format"] != FORMAT:
            _refuse_newer(version.dataset, row["format"])
        record, head = decoded(row["node"]), row["head"] or {}
        pointer = _pointer(record.version, {**head, "version": row["pointed"]})
        return _Found(rules.as_pointed(record, pointer), pointer, row["state"], head)
    raise rules.unknown(version)


def _pointer(version: Version, head: Mapping[str, Any] | None) -> Pointer:
    """Return the pointer of a version's partition."""
    shown, epoch = (head or {}).get("version"), (head or {}).get("epoch")
    return Pointer(replace(version, id=shown) if shown else None, epoch or 0)


def register(run: Run, record: Record, labels: Collection[str]) -> None:
    """Register a version under the next number of its dataset, once."""
    version = record.version
    known = {**msgspec.to_builtins(version), "update_id": record.origin.update_id, "labels": list(labels)}
    run(
        _REGISTER,
        dataset=version.dataset,
        id=version.id,
        format=FORMAT,
        properties={**known, **_properties(record)},
    )


def change(run: Run, version: Version, become: Transition) -> Record:
    """Replace a version's record by what `become` makes of it and of the head."""
    for _ in range(_ATTEMPTS):
        found = _found(run, version)
        changed = become(found.record, found.pointer)
        if changed == found.record or _is_swapped(run, found, changed):
            return changed
    raise _contended(version)


def publish(run: Run, version: Version, become: Transition, compare: Callable[[Record], tuple[str, str]]) -> Record:
    """Move the head to a version, if `become` allows it, and retire the head before.

    `compare` may refuse the first version of a partition; it returns the id of the dataset's
    example as it is, and as it is to become.
    """
    for _ in range(_ATTEMPTS):
        found = _found(run, version)
        published = become(found.record, found.pointer)
        example = ("", "") if found.pointer.version else compare(published)
        if found.pointer.version == version or _is_published(run, found, published, *example):
            return published
    raise _contended(version)


def clear_head(run: Run, version: Version, become: Transition) -> Record:
    """Let the head show nothing in the place of a version, if `become` allows it."""
    for _ in range(_ATTEMPTS):
        found = _found(run, version)
        retired = become(found.record, found.pointer)
        if found.pointer.version != version or _is_cleared(run, found, retired):
            return retired
    raise _contended(version)


def _contended(version: Version) -> Unavailable:
    return Unavailable(f"{version}: other processes changed its record {_ATTEMPTS} times meanwhile; run again")


def _is_swapped(run: Run, found: _Found, changed: Record) -> bool:
    return bool(run(_SWAP, **_change(found, changed), **found.compared)[0]["count"])


def _is_published(run: Run, found: _Found, published: Record, kept: str, example: str) -> bool:
    version, before = published.version, found.pointer
    changed = [_change(found, published)]
    if before.version:
        old = _found(run, before.version)
        changed.append(_change(old, rules.retire(old.record, Pointer(version, before.epoch + 1))))
    place = {"dataset": version.dataset, "partition": version.partition, "version": version.id, "format": FORMAT}
    query = _PUBLISH % ("" if kept == example else _EXEMPLIFY)
    swapped = run(query, **place, **found.compared, changed=changed, kept=kept, example=example)
    return bool(swapped[0]["count"])


def _is_cleared(run: Run, found: _Found, retired: Record) -> bool:
    place = {"dataset": retired.version.dataset, "partition": retired.version.partition}
    return bool(run(_CLEAR, **place, **found.compared, **_change(found, retired))[0]["count"])


def _change(found: _Found, changed: Record) -> dict[str, Any]:
    return {"id": changed.version.id, "state": found.state, "properties": _properties(changed)}


def upgrade(run: Run, dataset: str) -> None:
    """Write a dataset's records in the present format, and note that. They keep what they say."""
    for row in run(f"{_VERSIONS} AND v.record IS NULL RETURN v.id AS id, v.partition AS partition", dataset=dataset):
        found = _found(run, Version(dataset, row["partition"], row["id"]))
        while not _is_swapped(run, found, found.record):
            found = _found(run, found.record.version)
    run("MATCH (d:_SinkDataset {dataset: $dataset}) SET d.format = $format", dataset=dataset, format=FORMAT)


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


def _properties(record: Record) -> dict[str, Any]:
    """Return what changes with a record. None removes a property."""
    is_in_release = True if record.is_unsettled else None
    known = {"state": record.state, "record": stored.encode(record), "is_in_release": is_in_release}
    return {**dict.fromkeys(_FORMAT_1), **known}


def _head(node: Mapping[str, Any] | None, epoch: int) -> Head:
    if node is None:
        return Head(None, epoch)
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
