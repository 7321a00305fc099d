"""The versions of a dataset in Neo4j, by its name alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from luigi_sinks import record as rules
from luigi_sinks import withdrawal
from luigi_sinks.comparison import Diff, compared
from luigi_sinks.errors import Conflict
from luigi_sinks.location import Location
from luigi_sinks.neo4j import connection, example, exposures, reader, registry, remains, removal, writer
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.neo4j.dataset import Neo4jDataset
from luigi_sinks.neo4j.schema import NodeKind
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.record import Head, Publication, Record, Transition
from luigi_sinks.version import OPEN, Version, check_partition


def datasets(settings: Neo4jSettings) -> list[str]:
    """Return the names of all datasets in the database. Raises as `Neo4jCatalog` does."""
    return [row["dataset"] for row in connection.query(settings, registry.DATASETS)]


@dataclass(frozen=True)
class Neo4jCatalog(Neo4jDataset):
    """The versions of one dataset: its heads, its history and its rows.

    `settings` say how to reach the database, `dataset` is the name that readers use.
    Each call raises Unavailable if the server does not answer, Forbidden if it does not
    allow the call to this login, and CredentialError if it refuses the credential.

    Example:
        >>> from luigi_sinks.neo4j import Neo4jCatalog, Neo4jSettings
        >>> flights = Neo4jCatalog(Neo4jSettings("db.internal", "neo4j_token"), "flights")
        >>> flights.dataset
        'flights'

    """

    @property
    def database(self) -> Location:
        """The dataset alone: each publication is a query of its own."""
        return self.location

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""
        check_partition(partition)
        return registry.read_heads(self._run, self.dataset, partition).get(partition, Head())

    def heads(self) -> Mapping[str, Head]:
        """Return what readers see now, by partition."""
        found = registry.read_heads(connection.slowly(self.settings), self.dataset)
        return {partition: head for partition, head in sorted(found.items()) if head.version}

    def example(self) -> Record | None:
        """Return the published version that shows how the dataset is divided."""
        return example.read(self._run, self.dataset)

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first."""
        if partition is not None:
            check_partition(partition)
        return registry.read_records(
            connection.slowly(self.settings), self.dataset, partition=partition, update_ids=update_ids
        )

    def unfinished(self, partition: str) -> Iterator[Record]:
        """Yield the records of a partition that say that a load is at work."""
        also = f" AND (v.state IN {[state.value for state in OPEN]} OR v.is_in_release)"
        return registry.read_records(self._run, self.dataset, partition=partition, also=also)

    def record(self, version: Version) -> Record:
        """Return a version's record. Raises Conflict if there is none."""
        return registry.read_record(self._run, version)

    def change(self, version: Version, become: Transition) -> Record:
        """Replace the record by what `become` makes of it and of the head, in one query."""
        return registry.change(self._run, version, become)

    def publish(self, version: Version, *, replacing: Head, by: str = "", why: str = "") -> Record:
        """Move the head if it still is `replacing`, and retire that, in one query."""
        publication = Publication(0, datetime.now(UTC), by or self.publisher.principal, why)
        become = partial(rules.publish, replacing=replacing.pointer, publication=publication)
        return registry.publish(self._run, version, become, partial(example.compare, self._run))

    def publish_all(self, moves: Sequence[tuple[Version, Head]], *, why: str = "") -> list[Record]:
        """Move the heads of several partitions, one after another."""
        return [self.publish(version, replacing=head, why=why) for version, head in moves]

    def unpublish(self, version: Version, *, replacing: Head) -> Record:
        """Move the head to nothing if it still is `replacing`, in one query."""
        become = partial(withdrawal.unpublish, replacing=replacing.pointer)
        return registry.clear_head(self._run, version, become)

    def delete_rows(self, version: Version) -> None:
        """Delete the nodes, relationships and chunks of a version that is not the head, in many transactions."""
        if self.head(version.partition).version == version:
            raise Conflict(f"{version} is the head; its rows cannot be deleted")
        writer.end_writers(self.settings, version)
        writer.delete(self.settings, version)

    def remains(self, partition: str | None = None) -> list[Version]:
        """Return the dead versions of which something is left."""
        return list(remains.find(self._run, self.dataset, partition))

    def count(self, version: Version) -> int:
        """Count nodes and relationships on the server."""
        kinds = reader.kinds(self._run, self.record(version))
        return reader.count(connection.slowly(self.settings), version, kinds)

    def read(self, version: Version) -> Iterator[Any]:
        """Yield the version's rows as they were given, nodes first: pairs of a kind and a mapping."""
        record = rules.readable(self.record(version))
        yield from reader.read(self.settings, version, reader.kinds(self._run, record))

    def compare(self, before: Record, after: Record, *, examples: int) -> Diff:
        """Compare nodes by their keys, and relationships as wholes."""
        old, new = (reader.kinds(self._run, record) for record in (before, after))
        keys = {name: (kind.key.name,) for name, kind in new.items() if isinstance(kind, NodeKind)}
        return compared(
            reader.read(self.settings, before.version, old),
            reader.read(self.settings, after.version, new),
            keys,
            examples=examples,
        )

    def refuse_name(self, version: Version, name: str) -> None:
        """Raise BadSetting for what is no name, or one that a dataset or another version has."""
        exposures.refuse(self._run, version, name)

    def expose(self, record: Record, name: str) -> None:
        """Make a head of this name that shows the version."""
        exposures.show(self._run, record.version, name)

    def hide(self, version: Version, name: str) -> None:
        """Delete the head of this name."""
        exposures.remove(self._run, version, name)

    def shows(self, version: Version, name: str) -> bool:
        """Tell whether the head of this name shows the version."""
        return exposures.shows(self._run, version, name)

    def drop(self) -> None:
        """Delete the heads, then the nodes of all versions, and last the registry."""
        removal.drop(self.settings, self.dataset)

    @property
    def _run(self) -> Run:
        return connection.alone(self.settings)
