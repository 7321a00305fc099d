"""Versions of a dataset in Elasticsearch.

The head is what the aliases say; the record of a version follows, and is put right
by the next look when a crash came between.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from luigi_sinks.claim import Claim
from luigi_sinks.contract import Contract
from luigi_sinks.elasticsearch import names, reader
from luigi_sinks.elasticsearch.connection import CHANGE, Missing, Rejected, ask
from luigi_sinks.elasticsearch.heads import Heads, Pointer
from luigi_sinks.elasticsearch.registry import Entry, Registry
from luigi_sinks.elasticsearch.schema import Schema, field_types
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.elasticsearch.writer import PartWriter
from luigi_sinks.errors import BadSetting, Conflict, Forbidden, SinkError, Unavailable
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.sink import Part, StagedCounts
from luigi_sinks.version import State, Version

_log = logging.getLogger("luigi_sinks")

_NAME = re.compile(r"[a-z0-9_]+~[a-z0-9_]+")
"""A partition and a version's id."""


@dataclass(frozen=True)
class ElasticsearchSink:
    """One dataset: an alias for its readers, an index for each version, a hidden registry."""

    store: ClassVar[str] = "elasticsearch"

    settings: ElasticsearchSettings
    dataset: str
    schema: Schema

    @property
    def contract(self) -> Contract:
        """What a document must look like."""
        return self.schema.contract(self.dataset)

    @property
    def heads(self) -> Heads:
        """The aliases."""
        return Heads(self.settings, self.dataset)

    @property
    def registry(self) -> Registry:
        """The history."""
        return Registry(self.settings, self.dataset)

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        pointer = self.heads.pointer(partition)
        if pointer.version is None:
            return Head()
        record = self.registry.record(pointer.version)
        is_right = record == _as_pointed(record, is_head=True)
        return Head(record if is_right else self.settled(pointer.version), pointer.epoch)

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        for page in self.registry.pages(partition, update_ids):
            heads = self.heads.versions(partition)  # after the records, so that what was published in between shows
            for entry in page:
                seen = _as_pointed(entry.record, is_head=entry.record.version in heads)
                yield seen if seen == entry.record else self._put_right(entry, seen)

    def create(self) -> None:
        """Make what the dataset has besides its versions' indices."""
        self.heads.mappings()  # raises if the dataset's name is taken
        self.registry.create()

    def begin(self, version: Version, origin: Origin, claim: Claim) -> ElasticsearchStage:
        """Register the version and create its index."""
        self._check_place(version)
        self.registry.add(Record(version, 0, State.STAGED, origin, claim, staged_at=datetime.now(UTC)))
        stage = self.attach(version)
        try:
            stage.create_index()
        except SinkError:
            stage.abandon()
            raise
        return stage

    def attach(self, version: Version) -> ElasticsearchStage:
        """Open the stage of a registered version."""
        return ElasticsearchStage(self, version)

    def publish(self, version: Version, *, replacing: Head) -> None:
        """Move the head if it still is `replacing`."""
        entry = self.registry.entry(version)
        pointer = self.heads.pointer(version.partition)
        if pointer.version != version:
            if pointer != Pointer(replacing.version, replacing.epoch):
                raise _overtaken(version, pointer)
            self._move(_as_pointed(entry.record, is_head=False), pointer)
        # Though it may say so already: who saw it as left, and means to say that, then looks again.
        self._put_right(entry, _as_pointed(entry.record, is_head=True))

    def retire(self, version: Version) -> None:
        """Record that the version is no longer the head."""
        self.settled(version)

    def drop(self, version: Version) -> None:
        """Delete the index of a version that is no head."""
        self.refuse_another_name(version)
        record = self.registry.record(version)
        if record.state.is_open and not record.is_left:
            raise Conflict(f"{version} is being loaded; it cannot be dropped")
        is_taken = self.heads.take(version, names.RETIRED)
        if not is_taken and self.heads.pointer(version.partition).version == version:
            raise Conflict(f"{version} is the head; it cannot be dropped")
        try:
            self.delete_index(version)
        except Forbidden:
            if is_taken:
                self.heads.give_back(version, names.RETIRED)
            raise
        self.registry.forget_parts(version)
        self.registry.change(version, lambda record: replace(record, state=State.DROPPED))

    def read(self, version: Version) -> Iterator[Any]:
        """Yield the version's documents as they were given."""
        try:
            yield from reader.documents(self.settings, names.index(version))
        except Missing:
            raise Conflict(f"{version} has no rows here: its index is deleted") from None

    def settled(self, version: Version) -> Record:
        """Put the version's record right if the aliases say otherwise; return it."""

        def become(record: Record) -> Record:
            return _as_pointed(record, is_head=self.heads.pointer(version.partition).version == version)

        return self.registry.change(version, become)

    def _put_right(self, entry: Entry, seen: Record) -> Record:
        """Keep a record as the aliases had it after the entry was found; if it has changed since, look again."""
        return seen if self.registry.put(entry, seen) else self.settled(seen.version)

    def _move(self, record: Record, pointer: Pointer) -> None:
        """Make a version the head after this one; raise Conflict if another came first."""
        version = record.version
        if not self.heads.move(version, _tag_of(record), pointer):
            pointer = self.heads.pointer(version.partition)
            if pointer.version != version:
                raise _overtaken(version, pointer)

    def _check_place(self, version: Version) -> None:
        """Refuse a name that is taken, and a field of another type than elsewhere: searches over both would fail."""
        mine = field_types(self.schema.properties)
        for head, mapping in self.heads.mappings().items():
            theirs = field_types(mapping.get("properties", {}))
            for field in mine.keys() & theirs.keys():
                if mine[field] != theirs[field] and head.partition != version.partition:
                    raise BadSetting(
                        f"index {self.dataset!r}: field {field!r} is declared as {mine[field]}, and partition "
                        f"{head.partition} holds it as {theirs[field]}; searches over both would fail. Declare it "
                        "as it is, name the field otherwise, or take another index name"
                    )

    def refuse_another_name(self, version: Version) -> None:
        """Refuse what a loader may have written into a record to have another index deleted, or several."""
        if version.dataset != self.dataset or not _NAME.fullmatch(f"{version.partition}~{version.id}"):
            raise Conflict(
                f"the registry of {self.dataset} holds a record of {version}, which is no version of it; nothing "
                "was deleted. Somebody wrote it by hand: delete that document"
            )

    def delete_index(self, version: Version) -> None:
        """Delete a version's index, if it is there."""
        self.administer(lambda es: es.indices.delete(index=names.index(version), ignore_unavailable=True))

    def ask(self, call: Any, **options: Any) -> Any:
        """Ask the cluster."""
        return ask(self.settings, call, **options)

    def administer(self, call: Any) -> Any:
        """Have the cluster change an index itself, as the publisher."""
        return ask(self.settings.publisher, call, within=CHANGE)


@dataclass(frozen=True)
class ElasticsearchStage:
    """A version being written."""

    sink: ElasticsearchSink
    version: Version
    writers: int = 3

    def create_index(self) -> None:
        """Create the version's index, with the alias that it is written through."""
        try:
            self.sink.administer(
                lambda es: es.indices.create(
                    index=names.index(self.version),
                    mappings=self.sink.schema.mapping,
                    settings=self.sink.schema.loading,
                    aliases={self._alias: {"is_hidden": True}},
                )
            )
        except Rejected as rejected:
            if rejected.kind != "resource_already_exists_exception":  # by a call whose answer was lost
                raise self._impossible(rejected) from rejected

    def write(self, part: Part) -> None:
        """Create the part's documents, each once."""
        sink = self.sink
        is_first = sink.registry.begin_part(self.version, part.number, len(part.rows))
        PartWriter(
            sink.settings, self.version, self._alias, sink.contract, part, sink.schema.id_field, is_first
        ).write()

    def renew(self, claim: Claim) -> None:
        """Keep the claim alive."""
        self.sink.registry.change(self.version, lambda record: record.claimed(claim))

    def seal(self) -> StagedCounts:
        """Block writes, put the settings for readers in force, and count."""
        self._block_writes()
        self._serve()
        rows = self._count()
        self.sink.registry.change(self.version, lambda record: replace(_unabandoned(record), rows=rows))
        self.sink.registry.forget_parts(self.version)  # last, as the change refreshed the index already
        return StagedCounts(rows)

    def approve(self) -> None:
        """Record that the checks passed."""
        self.sink.registry.change(self.version, _approved)

    def abandon(self) -> None:
        """Delete the index of a version that was never published, and record the failure.

        Who may not delete it, or not look at it first, leaves it to a pruner. What the
        record says is not enough, as a loader may write it: an index that readers saw
        stays, and its record is put right. Raises Conflict for what is no version of
        the dataset.
        """
        sink = self.sink
        sink.refuse_another_name(self.version)
        if not sink.heads.take(self.version, names.STAGED) and not sink.settled(self.version).state.is_open:
            return
        try:
            if self._was_shown():
                _log.warning("%s: its record said it was never published, and its index was; it stays", self.version)
                sink.registry.change(self.version, _retired)
                return
            sink.delete_index(self.version)
        except Forbidden as refusal:
            self._leave_to_pruner(refusal)
            return
        sink.registry.forget_parts(self.version)
        sink.registry.change(self.version, lambda record: replace(record, state=State.FAILED))

    def _was_shown(self) -> bool:
        """Ask the index itself whether it is or was the head."""
        try:
            found = self.sink.administer(lambda es: es.indices.get_alias(index=names.index(self.version)))
        except Missing:
            return False
        shown = {names.head(self.sink.dataset, self.version.partition), names.tag(self.version, names.RETIRED)}
        return any(shown & each["aliases"].keys() for each in found.values())

    def _leave_to_pruner(self, refusal: Forbidden) -> None:
        self.sink.registry.change(self.version, Record.left)
        _log.warning("%s: its index is left for a pruner to delete: %s", self.version, refusal)

    @property
    def _alias(self) -> str:
        return names.tag(self.version, names.STAGED)

    def _block_writes(self) -> None:
        """Let writes in flight end, and refuse later ones."""
        index = names.index(self.version)
        try:
            answer = self.sink.administer(lambda es: es.indices.add_block(index=index, block="write"))
        except Missing:
            raise Conflict(f"{self.version} was abandoned; it cannot be sealed") from None
        is_new = bool(answer["indices"])  # nothing is listed where the block stood before
        if not answer["acknowledged"] or (is_new and not answer["shards_acknowledged"]):
            raise Unavailable(f"{self.version}: not all shards confirmed the write block; load again")

    def _serve(self) -> None:
        """Add the copies that the user wants, and wait for as many as there are nodes for."""
        index, serving = names.index(self.version), self.sink.schema.serving
        self.sink.administer(lambda es: es.indices.put_settings(index=index, settings=serving))
        health = self._wait("yellow")
        copies = health["active_shards"] + health["initializing_shards"] + health["unassigned_shards"]
        if copies <= health["active_primary_shards"] * health["number_of_data_nodes"]:
            self._wait("green")
        self.sink.ask(lambda es: es.indices.refresh(index=index), within=CHANGE)

    def _wait(self, status: str) -> Any:
        """Wait until the index has this health, and nothing is starting; return the whole answer."""
        health = self.sink.ask(
            lambda es: es.cluster.health(
                index=names.index(self.version),
                wait_for_status=status,
                wait_for_no_initializing_shards=True,
                timeout="50s",
            ),
            within=CHANGE,
        )
        if health["timed_out"]:
            raise Unavailable(f"{self.version}: its shards did not start in 50 s; see GET _cluster/allocation/explain")
        return health

    def _count(self) -> int:
        answer = self.sink.ask(lambda es: es.count(index=names.index(self.version)), within=CHANGE)
        if answer["_shards"]["failed"]:
            raise Unavailable(f"{self.version}: some shards did not answer the count; nothing was published")
        return int(answer["count"])

    def _impossible(self, rejected: Rejected) -> SinkError:
        if rejected.kind == "validation_exception":
            return BadSetting(
                f"{self.version}: the cluster takes no more shards ({rejected.reason}). Choose a coarser partition, "
                "such as a month for a day, or raise cluster.max_shards_per_node"
            )
        return BadSetting(f"{self.version}: Elasticsearch refuses the mapping or the settings: {rejected.reason}")


def _as_pointed(record: Record, *, is_head: bool) -> Record:
    """Return the record as the aliases have it."""
    if is_head and record.state is not State.PUBLISHED:
        return replace(record, state=State.PUBLISHED, published_at=record.published_at or datetime.now(UTC))
    if not is_head and record.state is State.PUBLISHED:
        return replace(record, state=State.RETIRED)
    return record


def _unabandoned(record: Record) -> Record:
    """Return the record of a version that may go on; the index of an abandoned one may still be there."""
    if record.state not in {State.STAGED, State.VALIDATED}:
        raise Conflict(f"{record.version} is {record.state}; it cannot be sealed or approved")
    return record


def _retired(record: Record) -> Record:
    """Return the record of a version that was published, whatever it says."""
    return replace(record, state=State.RETIRED, published_at=record.published_at or datetime.now(UTC))


def _approved(record: Record) -> Record:
    return replace(_unabandoned(record), state=State.VALIDATED)


def _tag_of(record: Record) -> str:
    """Return what a version that may be published carries."""
    if record.state is State.VALIDATED:
        return names.STAGED
    if record.state is State.RETIRED and record.is_complete:
        return names.RETIRED
    raise Conflict(f"{record.version} is {record.state}; it cannot be published")


def _overtaken(version: Version, pointer: Pointer) -> Conflict:
    return Conflict(f"{version}: the head moved on to {pointer.version} meanwhile; nothing was published")
