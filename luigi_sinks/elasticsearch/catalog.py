"""The versions of a dataset in Elasticsearch.

The aliases are the authority: they move in one call, and the records follow. So each
record is corrected by what the aliases say wherever it is read, and the correction is
stored; a crash between the two steps leaves nothing to repair.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from luigi_sinks import record as rules
from luigi_sinks import scheme, withdrawal
from luigi_sinks.comparison import Diff, compared
from luigi_sinks.elasticsearch import creation, exposures, names, reader, remains, removal
from luigi_sinks.elasticsearch.connection import CHANGE, Missing, ask
from luigi_sinks.elasticsearch.dataset import ElasticsearchDataset, login_of
from luigi_sinks.elasticsearch.heads import Aliases, Sight
from luigi_sinks.elasticsearch.registry import Entry, Registry
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Conflict, SinkError, Unavailable
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.record import Head, Pointer, Publication, Record, Transition, as_pointed
from luigi_sinks.version import Version, check_partition

_log = logging.getLogger("luigi_sinks")

_ATTEMPTS = 50


def datasets(settings: ElasticsearchSettings) -> list[str]:
    """Return the names of the datasets whose registries this login is permitted to see, sorted."""
    found = ask(
        settings,
        lambda es: es.indices.get_alias(index=names.registry("*"), expand_wildcards="all", ignore_unavailable=True),
    )
    return sorted(filter(None, map(names.dataset, found)))


@dataclass(frozen=True)
class ElasticsearchCatalog(ElasticsearchDataset):
    """One dataset: an alias for its readers, an index for each version, a hidden registry.

    - `settings`: the connection, see `ElasticsearchSettings`.
    - `dataset`: the alias that readers use.

    Nothing is asked of the cluster yet. Raises BadSetting for a name that no alias can have.

    Example:
        >>> ElasticsearchCatalog(ElasticsearchSettings("es.example.org", credential="es"), "flights").login
        Login(principal='', token='')

    """

    @property
    def publisher(self) -> Login:
        """The login that publishes and drops; empty before the first call."""
        return login_of(self.settings.publisher)

    @property
    def _shown_as(self) -> str:
        """The alias that readers use."""
        return self.dataset

    @property
    def aliases(self) -> Aliases:
        """The pointer."""
        return Aliases(self.settings, self.dataset, self._shown_as)

    @property
    def registry(self) -> Registry:
        """The history."""
        return Registry(self.settings, self.dataset)

    @property
    def database(self) -> Location:
        """The dataset alone: each publication is a call of its own."""
        return self.location

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        check_partition(partition)
        return self._heads({partition: self.aliases.pointer(partition)})[partition]

    def heads(self) -> Mapping[str, Head]:
        """Return what readers see now, by partition."""
        found = self._heads(self.aliases.pointers())
        return {partition: head for partition, head in sorted(found.items()) if head.version}

    def example(self) -> Record | None:
        """Return the published version that shows how the dataset is divided."""
        return self._shown_by(self.aliases.example())

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        if partition is not None:
            check_partition(partition)
        for page in self.registry.pages(partition, update_ids):
            heads = self.aliases.pointers(partition)  # after the records: what was published in between shows
            for entry in page:
                head = heads.get(entry.record.version.partition, Pointer())
                yield self._corrected(entry, as_pointed(entry.record, head, at=_now()))

    def unfinished(self, partition: str) -> Iterator[Record]:
        """Yield the records of a partition that say that a load is at work."""
        found = self.records(partition=partition)
        return (record for record in found if record.is_unfinished or record.is_unsettled)

    def record(self, version: Version) -> Record:
        """Return a version's record."""
        entry, sight = self.look(version)
        return self._corrected(entry, sight.correct(entry.record))

    def change(self, version: Version, become: Transition) -> Record:
        """Replace the record by what `become` makes of it; look again whenever it has changed meanwhile."""
        for _ in range(_ATTEMPTS):
            entry, sight = self.look(version)
            record = become(sight.correct(entry.record), sight.head)
            if record == entry.record or self.registry.put(entry, record):
                return record
        raise Unavailable(f"{version}: other processes keep changing its record; run this again")

    def publish(self, version: Version, *, replacing: Head, by: str = "", why: str = "") -> Record:
        """Move the head if it still is `replacing`, then write both records."""
        names.check_version(self.dataset, version)
        self.registry.refuse_newer()
        entries = self.registry.entries(version, *filter(None, [replacing.version]))
        if version not in entries:
            raise rules.unknown(version)
        sight = self.aliases.look(version)
        record, head = sight.correct(entries[version].record), sight.head
        published = self._published(record, head, replacing, by, why)
        if head.version == version:
            return self._corrected(entries[version], published)
        if not self._moved(record, sight):
            now = self.aliases.pointer(version.partition)
            if now.version != version:
                raise rules.overtaken(version, now)
        published = self._published(record, head, replacing, by, why)  # once more: the publisher is known by now
        try:
            self._follow(entries, published, head)
        except Exception as error:  # noqa: BLE001 - whatever it is, readers see the version
            _log.warning(
                "%s is published; the next read corrects its record, which was not written: %s", version, error
            )
        return published

    def publish_all(self, moves: Sequence[tuple[Version, Head]], *, why: str = "") -> list[Record]:
        """Move the heads of several partitions, one after another."""
        return [self.publish(version, replacing=head, why=why) for version, head in moves]

    def unpublish(self, version: Version, *, replacing: Head) -> Record:
        """Put an empty index in the place of the head if it still is `replacing`, then write the record.

        An alias without an index would be an error to readers.
        """
        self.registry.refuse_newer()
        for _ in range(_ATTEMPTS):
            entry, sight = self.look(version)
            record = withdrawal.unpublish(sight.correct(entry.record), sight.head, replacing=replacing.pointer)
            if sight.head.version != version:
                return self._corrected(entry, record)
            empty = names.void(version, withdrawal.after(sight.head).epoch)
            tag = names.tag(empty, names.STAGED)
            creation.create_empty(self.settings.publisher, names.index(empty), tag, like=names.index(version))
            self.aliases.move(empty, names.STAGED, sight.head)
        raise Unavailable(f"{version}: its head keeps moving, or a sweep is at {empty}; run this again")

    def delete_rows(self, version: Version) -> None:
        """Delete the index of a version that is not the head.

        A loader can write the record, so it is not trusted alone: an index that the
        aliases call published is kept while its record calls it a load. The check and the
        deletion use the publisher's login, because a loader cannot see these aliases.
        """
        self.registry.refuse_newer()
        names.check_version(self.dataset, version)
        loads = partial(self.unfinished, version.partition)
        removal.delete_index(self.settings, self.aliases, version, self.registry.entries(version).get(version), loads)
        self.registry.forget_parts(version)

    def remains(self, partition: str | None = None) -> list[Version]:
        """Return the dead versions of which something is left."""
        return list(remains.find(self.aliases, self.registry, partition))

    def count(self, version: Version) -> int:
        """Return how many documents the cluster counts now."""
        names.check_version(self.dataset, version)
        try:
            answer = ask(self.settings, lambda es: es.count(index=names.index(version)), within=CHANGE)
        except Missing:
            return 0
        if answer["_shards"]["failed"]:
            raise Unavailable(f"{version}: some shards did not answer the count; try again")
        return int(answer["count"])

    def read(self, version: Version) -> Iterator[Any]:
        """Yield the version's documents as they were given."""
        rules.readable(self.record(version))
        try:
            yield from reader.documents(self.settings, names.index(version))
        except Missing:
            raise Conflict(f"{version} has no rows to read: its index is deleted") from None

    def compare(self, before: Record, after: Record, *, examples: int) -> Diff:
        """Compare documents by their ids, or as wholes where the load gave none."""
        old, new = (
            (("", document) for document in reader.documents(self.settings, names.index(record.version)))
            for record in (before, after)
        )
        id_field = after.schema.get("id_field")
        return compared(old, new, {"": (id_field,)} if id_field else {}, examples=examples)

    def refuse_name(self, version: Version, name: str) -> None:
        """Raise BadSetting for a name that no alias can have, or that stands for something else."""
        exposures.refuse(self.settings, version, name)

    def expose(self, record: Record, name: str) -> None:
        """Add an alias to the version's index."""
        exposures.show(self.settings, record.version, name)

    def hide(self, version: Version, name: str) -> None:
        """Remove the alias from the version's index."""
        exposures.remove(self.settings, version, name)

    def shows(self, version: Version, name: str) -> bool:
        """Tell whether the alias is on the version's index."""
        return exposures.shows(self.settings, version, name)

    def drop(self) -> None:
        """Delete the indices, with the aliases on them, and last the registry."""
        removal.drop(self.settings, self.dataset)

    def look(self, version: Version) -> tuple[Entry, Sight]:
        """Return a version's record as it is stored, and what the aliases say after that."""
        names.check_version(self.dataset, version)
        return self.registry.entry(version), self.aliases.look(version)

    def _heads(self, pointers: Mapping[str, Pointer]) -> Mapping[str, Head]:
        """Return heads with their records."""
        wanted = [pointer.version for pointer in pointers.values() if pointer.version]
        found = self.registry.entries(*wanted)
        heads = {partition: Head(None, pointer.epoch) for partition, pointer in pointers.items()}
        for version in wanted:
            if version not in found:
                raise rules.unknown(version)
            record, pointer = found[version].record, pointers[version.partition]
            is_right = record == as_pointed(record, pointer)
            heads[version.partition] = Head(record if is_right else self.record(version), pointer.epoch)
        return heads

    def _published(self, record: Record, head: Pointer, replacing: Head, by: str, why: str) -> Record:
        publication = Publication(0, _now(), by or self.publisher.principal, why)
        return rules.publish(record, head, replacing=replacing.pointer, publication=publication)

    def _moved(self, record: Record, sight: Sight) -> bool:
        """Move the head, and the example where it follows; return False if the head moved, or the tag is gone."""
        for _ in range(_ATTEMPTS):
            example = self._example(record, sight)
            if self.aliases.move(record.version, names.state_of(record), sight.head, example):
                return True
            now = self.aliases.look(record.version)
            if now.head != sight.head or self._example(record, now) == example:
                return False
            sight = now
        raise Unavailable(f"{record.version}: other partitions are published for the first time; run this again")

    def _example(self, record: Record, sight: Sight) -> tuple[Version | None, Version] | None:
        """Return from which version to which the example moves in the same step. Raises BadSetting.

        Where it stays, the step still compares it, if this is the first version of its partition.
        """
        if sight.head.version is not None:
            return (sight.head.version, record.version) if sight.is_example else None
        kept = self.aliases.example()
        known = self._shown_by(kept)
        best = scheme.better(known, record)
        return (None, record.version) if kept is None else (kept, kept if best is known else record.version)

    def _shown_by(self, example: Version | None) -> Record | None:
        if example is not None:
            return self.registry.entry(example).record
        heads = (head.record for head in self.heads().values())  # it was loaded before examples were kept
        return scheme.found(filter(None, heads))

    def _follow(self, entries: Mapping[Version, Entry], published: Record, before: Pointer) -> None:
        """Write the records of the new head and of the one before."""
        *_, publication = published.publications
        if not self.registry.put(entries[published.version], published):  # its claim was renewed, or a reader was here
            self.change(published.version, partial(_explained, publication=publication))
        if before.version and (entry := entries.get(before.version)):
            self._corrected(entry, rules.retire(as_pointed(entry.record, before), Pointer(published.version)))

    def _corrected(self, entry: Entry, record: Record) -> Record:
        """Store a record as the aliases have it, if this login may; they were looked at after the entry."""
        try:
            if record == entry.record or self.registry.put(entry, record):
                return record
            return self.change(record.version, rules.retire)
        except SinkError as error:
            _log.debug("%s: its record is corrected in memory only: %s", record.version, error)
            return record


def _explained(record: Record, head: Pointer, *, publication: Publication) -> Record:
    """Return the record with this publication in the place of what a reader noted of it."""
    del head
    others = (each for each in record.publications if each.epoch != publication.epoch)
    return replace(record, publications=(*others, publication))


def _now() -> datetime:
    return datetime.now(UTC)
