"""The sinks of a pipeline under test, and what its loads left there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luigi_sinks import config, stores, versions
from luigi_sinks.record import Record
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.testing import namespaces
from luigi_sinks.testing.reachable import Reachable
from luigi_sinks.version import WHOLE


@dataclass(frozen=True)
class LoadedSink:
    """One store, with the datasets that a test loaded.

    Example:
        >>> from luigi_sinks.testing.sinks import local
        >>> with local("/tmp/sinks") as sinks:
        ...     sinks.mariadb.datasets()
        []

    """

    store: str

    def datasets(self) -> list[str]:
        """Return the names of the test's datasets, sorted, without the test's namespace."""
        prefix = config.common().dataset("")
        found = (name for place in self._connections() for name in stores.find(self.store).datasets(place))
        return sorted(name.removeprefix(prefix) for name in found if name.startswith(prefix))

    def catalog(self, dataset: str) -> Catalog:
        """Open a dataset. Raises BadSetting if there is none of this name."""
        name, store = config.common().dataset(dataset), stores.find(self.store)
        place = next((each for each in self._connections() if name in store.datasets(each)), "")
        return patient(store.catalog(name, place))

    def head(self, dataset: str, partition: str = WHOLE) -> Record:
        """Return the record of what readers see, with its `rows`; fails the test if that is nothing.

        `partition` is the partition's id, such as "201301".
        """
        catalog = self.catalog(dataset)
        if record := catalog.head(partition).record:
            return record
        others = ", ".join(catalog.heads()) or "nothing"
        raise AssertionError(f"{self.store}: readers of {dataset}/{partition} see nothing; published is {others}")

    def rows(self, dataset: str, partition: str | None = None) -> list[Any]:
        """Return the rows that readers see, of one partition, or of all of them in their order."""
        catalog = self.catalog(dataset)
        heads = {partition: self.head(dataset, partition)} if partition else self._heads(catalog)
        return [row for name in sorted(heads) for row in versions.read(catalog, heads[name].version)]

    def versions(self, dataset: str) -> list[Record]:
        """Return the records of all versions, oldest first."""
        return list(self.catalog(dataset).records())

    def _connections(self) -> list[str]:
        """Return the names of the store's connections: all lead to one server, and each has a file of its own."""
        folder = config.common().local
        files = sorted(folder.glob(f"{self.store}*.sqlite")) if folder else []
        return [file.stem.removeprefix(self.store).removeprefix(".") for file in files] or [""]

    def _heads(self, catalog: Catalog) -> Mapping[str, Record]:
        return {name: head.record for name, head in catalog.heads().items() if head.record}


@dataclass(frozen=True)
class Sinks:
    """The three stores."""

    mariadb: LoadedSink = LoadedSink("mariadb")
    elasticsearch: LoadedSink = LoadedSink("elasticsearch")
    neo4j: LoadedSink = LoadedSink("neo4j")


@contextmanager
def local(folder: str | Path) -> Iterator[Sinks]:
    """Have every sink be answered from a SQLite file in a folder, whatever luigi.cfg says."""
    with config.using({"luigi_sinks": {"local": str(folder)}}):
        yield Sinks()


@contextmanager
def on_servers(servers: Reachable) -> Iterator[Sinks]:
    """Have the sinks be on servers, in a namespace of their own, whose datasets are deleted at the end.

    The connections that luigi.cfg names, such as `[luigi_sinks.mariadb.reporting]`, lead there
    too; nothing else of luigi.cfg holds.
    """
    sections = servers.sections
    named = {
        name: sections[store]
        for name in config.section_names()
        if (store := ".".join(name.split(".")[:2])) in sections and name != store
    }
    used = [name.split(".")[1] for name in sections if ".credential." not in name]
    namespace = namespaces.new()
    with servers.known():
        with config.using(servers.owner):
            namespaces.sweep(used)
        try:
            with config.using({**sections, **named, "luigi_sinks": {"namespace": namespace}}):
                yield Sinks()
        finally:
            with config.using(servers.owner):
                namespaces.drop(used, namespace)
