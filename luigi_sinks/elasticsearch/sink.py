"""Loads documents into Elasticsearch: an index for each version."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from luigi_sinks import columns
from luigi_sinks import record as rules
from luigi_sinks.checks import SharedKey, StagedCounts
from luigi_sinks.contract import Contract
from luigi_sinks.elasticsearch import cloning, creation, names, reader, writer
from luigi_sinks.elasticsearch.catalog import ElasticsearchCatalog
from luigi_sinks.elasticsearch.connection import CHANGE, Missing, ask
from luigi_sinks.elasticsearch.errors import Late
from luigi_sinks.elasticsearch.heads import Aliases
from luigi_sinks.elasticsearch.schema import Schema, columns_of, field_types
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.elasticsearch.writer import Closed, PartWriter
from luigi_sinks.errors import BadSetting, Conflict, Unavailable
from luigi_sinks.record import Pointer, Record
from luigi_sinks.sink import Part, keyless
from luigi_sinks.version import Version

if TYPE_CHECKING:  # only one of the two products' clients has to be installed
    from elasticsearch import Elasticsearch

_log = logging.getLogger("luigi_sinks")

_LOOKS, _LOOK_SECONDS = 6, 8
"""How often, and for how long each time, shards are waited for."""


@dataclass(frozen=True)
class ElasticsearchSink(ElasticsearchCatalog):
    """A catalog that also loads, as it knows the mapping.

    - `settings`, `dataset`: see `ElasticsearchCatalog`.
    - `schema`: mapping, settings and id field, from `parse_schema`.
    - `allow_change`: the names of fields that may change though readers may break.
    - `takes_changes`: whether loads are of changes, by id, for which a loader needs more privileges.

    Example:
        >>> from luigi_sinks.elasticsearch import ElasticsearchSettings
        >>> from luigi_sinks.elasticsearch.schema import parse_schema
        >>> schema = parse_schema("flights", {"id": {"type": "integer"}}, {}, "id")
        >>> ElasticsearchSink(ElasticsearchSettings("es.example.org", credential="es"), "flights", schema).declared
        {'mapping': {'properties': {'id': {'type': 'integer'}}, 'dynamic': 'strict'}, 'settings': {}, 'id_field': 'id'}

    """

    schema: Schema
    allow_change: Collection[str] = ()
    takes_changes: bool = False

    @property
    def key_contract(self) -> Contract:
        """What the id of a document must look like."""
        return Contract(self.dataset, {"": self.schema.contract(self.dataset).shapes[""].of_key})

    @property
    def contract(self) -> Contract:
        """What a document must look like."""
        return self.schema.contract(self.dataset)

    @property
    def lease(self) -> float:
        """For how many seconds the claim of a load is valid without being renewed."""
        return self.settings.lease

    @cached_property
    def declared(self) -> Mapping[str, Any]:
        """Mapping, settings and id field as JSON."""
        return self.schema.to_json()

    @property
    def columns(self) -> Mapping[str, str]:
        """The types of the fields; one with fields of its own is an object."""
        return {name: field.get("type", "object") for name, field in self.schema.properties.items()}

    def create(self, partition: str = "") -> None:
        """Make or upgrade the registry.

        Raises BadSetting if the dataset's name is taken, or if a load of `partition` would
        give a field another type than the head of another partition has. Only if `partition`
        is given are the fields compared with those of the newest head, too: BadSetting for
        a change that `luigi_sinks.columns` does not permit.
        """
        registry, dataset = self.registry, self.dataset
        found = creation.look(self.settings, f"{self._shown_as},{registry.index}")
        history = found.pop(registry.index, None)
        names.check_free(dataset, found)
        mappings = {names.version(index): body["mappings"] for index, body in found.items()}
        self._check_types(mappings, partition)
        if partition:  # an owner who makes the registry may not see which versions are heads
            self._compare_columns(mappings)
        if history is None:
            registry.create()
        else:
            registry.upgrade(history, self.declared)

    def begin(self, record: Record) -> ElasticsearchStage:
        """Register the version and create its index, with the alias that it is written through."""
        self.create(record.version.partition)
        stage = self.attach(record.version)
        self.registry.add(record)
        if record.base:
            stage.clone_index(self.record(replace(record.version, id=record.base)))
        else:
            stage.create_index()
        return stage

    def shared_key(self, version: Version) -> SharedKey | None:
        """Return an id of the sealed version that the head of another partition has too."""
        if not self.schema.id_field:
            raise keyless(self.dataset)
        pointers = (pointer.version for pointer in self.aliases.pointers().values())
        others = [other for other in pointers if other and other.partition != version.partition]
        found = reader.shared_id(self.settings, version, others, self.schema.id_field) if others else None
        return SharedKey((self.schema.id_field,), *found) if found else None

    def attach(self, version: Version) -> ElasticsearchStage:
        """Open the stage of a registered version."""
        names.check_version(self.dataset, version)
        return ElasticsearchStage(self, version)

    def _compare_columns(self, mappings: Mapping[Version, Mapping[str, Any]]) -> None:
        """Compare the fields with those that the index of the newest head has."""
        newest = columns.newest(self.heads().values()) if mappings else None
        seen = mappings.get(newest.version, {}).get("properties", {}) if newest else {}
        columns.refuse(self.dataset, columns_of(seen), self.schema.declared_columns, self.allow_change)

    def _check_types(self, heads: Mapping[Version, Mapping[str, Any]], partition: str) -> None:
        mine = field_types(self.schema.properties)
        for head, mapping in heads.items():
            theirs = field_types(mapping.get("properties", {}))
            for name in mine.keys() & theirs.keys():
                if mine[name] != theirs[name] and partition not in {"", head.partition}:
                    raise BadSetting(
                        f"index {self.dataset!r}: field {name!r} is declared as {mine[name]}, and partition "
                        f"{head.partition} holds it as {theirs[name]}; searches over both would fail. Declare it "
                        "as it is, give the field another name, or use another index"
                    )


@dataclass(frozen=True)
class ElasticsearchStage:
    """A version being written."""

    sink: ElasticsearchSink
    version: Version
    writers: int = 3
    changed: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
    """With changes, the ids of the documents that were written, and the numbers of their rows."""

    def write(self, part: Part) -> None:
        """Create the part's documents, each once."""
        sink, registry = self.sink, self.sink.registry
        record = rules.accept_rows(registry.entry(self.version).record, Pointer())
        if record.base:
            self._note_changed(part)
        try:
            is_first = registry.begin_part(self.version, part)
            PartWriter(
                *(sink.settings, self.version, self._alias, sink.contract, part, sink.schema.id_field),
                is_only_attempt=lambda: is_first and not registry.was_begun_again(self.version, part),
                overwrites=bool(record.base),
            ).write()
        except (Closed, Missing):
            rules.accept_rows(sink.record(self.version), Pointer())
            raise Conflict(f"{self.version}: its index is closed to writes or deleted; load again") from None

    def carry(self, number: int, base: Record, deleted: Sequence[Any]) -> int:
        """Delete what is deleted from the clone of `base`; return how many of its documents stay as they were."""
        del number
        id_field = self.sink.schema.id_field
        gone = {str(key[id_field]) for key in deleted} - self.changed.keys()
        index, settings = names.index(base.version), self.sink.settings
        writer.delete(settings, self.version, self._alias, reader.present(settings, index, gone))
        replaced = len(reader.present(settings, index, self.changed)) + len(reader.present(settings, index, gone))
        return (base.rows or 0) - replaced

    def _note_changed(self, part: Part) -> None:
        """Note the ids of a part's documents. Raises BadRow for one that another row has: it would overwrite that."""
        id_field, contract = self.sink.schema.id_field, self.sink.contract
        for index, row in enumerate(part.rows):
            number = part.row_number(index)
            earlier = self.changed.setdefault(str(row[id_field]), number)
            if earlier != number:
                first, second = sorted((earlier, number))
                raise contract.duplicate(second, (id_field,), (row[id_field],), earlier=first)

    def clone_index(self, base: Record) -> None:
        """Make the version's index of that of its base, with the alias that it is written through.

        Raises BadSetting if that has another mapping or other settings.
        """
        sink, version = self.sink, self.version
        if base.schema != sink.declared:
            found = creation.look(sink.settings, names.index(base.version)).values()
            before = columns_of(
                {name: each for body in found for name, each in body["mappings"].get("properties", {}).items()}
            )
            changes = [f": {change}" for change in columns.changes(before, sink.schema.declared_columns)]
            raise BadSetting(
                f"index {sink.dataset!r}: {base.version} has another mapping or other settings than are declared"
                f"{''.join(changes[:1])}. Changes keep those of the head; {columns.LOAD_WHOLE}"
            )
        aliases = Aliases(sink.settings.publisher, sink.dataset)
        cloning.clone(sink.settings, aliases, base.version, version, self._alias)
        if self._wait("yellow") is None:
            raise Unavailable(f"{version}: the shards of its clone do not start; see GET _cluster/allocation/explain")
        aliases.release(base.version)

    def seal(self) -> StagedCounts:
        """Refuse further writes, apply the settings for readers, count, and record the counts."""
        sink, version = self.sink, self.version
        entry, sight = sink.look(version)
        record = rules.close(sight.correct(entry.record), sight.head)
        self._block_writes()
        self._serve()
        counts = StagedCounts(sink.count(version))
        sealed = rules.seal(record, sight.head, counts=counts)
        if sealed != entry.record and not sink.registry.put(entry, sealed):
            sink.change(version, partial(rules.seal, counts=counts))
        sink.registry.forget_parts(version, is_fresh=True)
        return counts

    def create_index(self) -> None:
        """Create the version's index, with the alias that it is written through."""
        schema, aliases = self.sink.schema, {self._alias: {"is_hidden": True}}
        wanted = {"mappings": schema.mapping, "settings": schema.loading, "aliases": aliases}
        creation.create(self.sink.settings.publisher, names.index(self.version), wanted)

    @property
    def _alias(self) -> str:
        return names.tag(self.version, names.STAGED)

    def _block_writes(self) -> None:
        """Let writes in flight end, and refuse later ones."""
        index, publisher = names.index(self.version), self.sink.settings.publisher
        answer = self._change(publisher, lambda es: es.indices.add_block(index=index, block="write"))
        is_new = bool(answer["indices"])  # nothing is listed where the block stood before
        if not answer["acknowledged"] or (is_new and not answer["shards_acknowledged"]):
            raise Unavailable(f"{self.version}: not all shards confirmed the write block; load again")

    def _serve(self) -> None:
        """Add the copies that the user wants, and wait for them where there are nodes for all."""
        index, serving = names.index(self.version), self.sink.schema.serving
        self._change(self.sink.settings.publisher, lambda es: es.indices.put_settings(index=index, settings=serving))
        health = self._wait("yellow")
        if health is None:
            raise Unavailable(f"{self.version}: its shards do not start; see GET _cluster/allocation/explain")
        copies = health["active_shards"] + health["initializing_shards"] + health["unassigned_shards"]
        if copies <= health["active_primary_shards"] * health["number_of_data_nodes"] and self._wait("green") is None:
            _log.warning("%s: its replicas are still being copied; until then, readers have fewer", self.version)
        self._change(self.sink.settings, lambda es: es.indices.refresh(index=index))

    def _wait(self, status: str) -> Any:
        """Wait until the index has this health; return the whole answer, or None if it took too long."""
        for _ in range(_LOOKS):
            with suppress(Late):
                return ask(
                    self.sink.settings,
                    lambda es: es.cluster.health(
                        index=names.index(self.version), wait_for_status=status, timeout=f"{_LOOK_SECONDS}s"
                    ),
                    within=CHANGE,
                )
            self._refuse_deleted()
        return None

    def _change(self, settings: ElasticsearchSettings, call: Callable[[Elasticsearch], Any]) -> Any:
        """Return the answer to a change of the index. Raises Conflict if it was deleted meanwhile."""
        try:
            return ask(settings, call, within=CHANGE)
        except Missing:
            self._refuse_deleted()
            raise

    def _refuse_deleted(self) -> None:
        """Raise Conflict if the index is not there, or its version no longer waits to be sealed."""
        rules.close(self.sink.record(self.version), Pointer())
        index = names.index(self.version)
        if not creation.look(self.sink.settings.publisher, index):
            raise Conflict(f"{self.version}: its index is deleted; load again")
