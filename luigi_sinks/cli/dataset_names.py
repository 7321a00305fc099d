"""Finds datasets and versions by the names that users type, in every connection of luigi.cfg or in local files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from luigi_sinks import config, sqlite, stores
from luigi_sinks.errors import BadSetting, CredentialError, SinkError, did_you_mean
from luigi_sinks.record import Record
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.version import Version

_ID = re.compile(r"v\d{8}t\d{6}_[a-z2-7]{6}")
_AGE = re.compile("([0-9]+)([dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@dataclass(frozen=True)
class Connection:
    """Where datasets are: `key` is STORE or STORE.NAME, as in luigi.cfg. `folder` holds the files of local datasets."""

    key: str
    folder: Path | None = None

    def datasets(self) -> list[str]:
        """Return the names of its datasets, sorted."""
        if self.folder is not None:
            return sqlite.datasets(self.folder, self.key)
        store, _, name = self.key.partition(".")
        return stores.find(store).datasets(name)

    def catalog(self, dataset: str) -> Catalog:
        """Open one of its datasets; each call is retried for as long as the store's patience."""
        if self.folder is not None:
            return patient(sqlite.SQLiteCatalog(self.folder, self.key, dataset))
        store, _, name = self.key.partition(".")
        return patient(stores.find(store).catalog(dataset, name))

    def catalogs(self) -> Iterator[tuple[str, Catalog]]:
        """Open all of its datasets, one after another, but for those that are dropped meanwhile."""
        for name in self.datasets():
            if catalog := self.listed(name):
                yield name, catalog

    def listed(self, name: str) -> Catalog | None:
        """Open a dataset that was listed; None if it has been dropped since."""
        try:
            return self.catalog(name)
        except BadSetting:
            if name in self.datasets():
                raise
        return None


@dataclass(frozen=True)
class Named:
    """A dataset, and its full name: STORE:DATASET."""

    name: str
    catalog: Catalog


def connections() -> list[Connection]:
    """Return all connections. Raises BadSetting if there is none."""
    if (folder := config.common().local) is not None:
        found = [Connection(file.stem, folder) for file in sorted(folder.glob("*.sqlite"))]
    else:
        keys = (section.partition(".")[2] for section in config.section_names())
        found = [Connection(key) for key in sorted(keys) if key.partition(".")[0] in stores.names()]
    if not found:
        place = f"{folder} holds no dataset" if folder else f"{config.where()} has no section of a store"
        raise BadSetting(f"{place}; load one first, or run this where luigi.cfg is, or set LUIGI_CONFIG_PATH")
    return found


def datasets() -> Iterator[Named]:
    """Yield every dataset of every connection."""
    for connection in connections():
        for name, catalog in connection.catalogs():
            yield Named(f"{connection.key}:{name}", catalog)


def find(text: str) -> Named:
    """Return the dataset called STORE:DATASET, STORE.CONNECTION:DATASET, or by its bare name if only one is.

    Raises BadSetting if there is none, or several.
    """
    key, _, name = text.partition(":")
    named = [connection for connection in connections() if name and connection.key == key]
    if named:
        known = {f"{key}:{each}": (named[0], each) for each in named[0].datasets()}
        fitting = [full for full in known if full == text]
    else:
        known = {f"{each.key}:{dataset}": (each, dataset) for each in connections() for dataset in _asked(each, text)}
        fitting = [full for full, (_, dataset) in known.items() if dataset == text]
    if not fitting:
        names = known if name else dict.fromkeys(dataset for _, dataset in known.values())
        raise BadSetting(f"there is no dataset {text!r}; {did_you_mean(text, names)}")
    if len(fitting) > 1:
        raise BadSetting(f"there are several datasets {text!r}; name one of {', '.join(fitting)}")
    connection, dataset = known[fitting[0]]
    return Named(fitting[0], connection.catalog(dataset))


def version(text: str) -> tuple[Named, Record]:
    """Return the record of a version, named by its id or as DATASET/PARTITION/ID. Raises BadSetting, Conflict."""
    if "/" not in text:
        return _by_id(text)
    within, partition, id_ = ("", *text.rsplit("/", 2))[-3:]
    found = find(within)
    return found, found.catalog.record(Version(found.catalog.dataset, partition, id_))


def exposed(name: str) -> tuple[Named, Record]:
    """Return the version that readers find under a name. Raises BadSetting if there is none, or several."""
    unread: list[str] = []
    found = [(named, record) for named, record in _readable(unread) if name in record.exposed]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadSetting(
            f"no version is exposed as {name!r}; `luigi-sinks versions DATASET` lists them{''.join(unread)}"
        )
    listed = ", ".join(f"{named.name}/{record.version.partition}/{record.version.id}" for named, record in found)
    raise BadSetting(f"{name!r} is the name of several versions; put one before --drop: {listed}")


def age(text: str) -> timedelta:
    """Return a time such as 7d, 12h, 30m or 0s. Raises BadSetting.

    Example:
        >>> age("7d"), age("90m")
        (datetime.timedelta(days=7), datetime.timedelta(seconds=5400))

    """
    found = _AGE.fullmatch(text)
    with suppress(OverflowError):
        if found is not None:
            return timedelta(**{_UNITS[found[2]]: int(found[1])})
    raise BadSetting(f"{text!r} is not a time; write it as 7d, 12h, 30m or 0s")


def _asked(connection: Connection, text: str) -> list[str]:
    try:
        return connection.datasets()
    except (SinkError, CredentialError) as error:
        raise BadSetting(
            f"{connection.key} does not say whether {text!r} is there: {error}; if another store has it, name it as "
            "STORE:DATASET"
        ) from error


def _by_id(text: str) -> tuple[Named, Record]:
    if not _ID.fullmatch(text):
        raise BadSetting(
            f"{text!r} is not a version; give its id, such as v20261120t211605_k7f3q2, or DATASET/PARTITION/ID, as "
            "`luigi-sinks versions DATASET` prints them"
        )
    unread: list[str] = []
    for named, record in _readable(unread):
        if record.version.id == text:
            return named, record
    raise BadSetting(f"no dataset has a version {text!r}; see `luigi-sinks versions DATASET`{''.join(unread)}")


def _readable(unread: list[str]) -> Iterator[tuple[Named, Record]]:
    """Yield the records of all datasets; add to `unread` a clause for each dataset that cannot be read."""
    for named in datasets():
        try:
            for record in named.catalog.records():
                yield named, record
        except (SinkError, CredentialError) as error:
            unread.append(f"; {named.name} cannot be read: {error}")
