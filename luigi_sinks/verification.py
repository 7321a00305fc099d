"""Compares what a store holds with what its registry says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from luigi_sinks import settling, versions
from luigi_sinks.errors import BadSetting, Forbidden, SinkError
from luigi_sinks.record import Record
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.version import WHOLE, State, Version


@dataclass(frozen=True)
class Finding:
    """What is wrong with one version, and whether it was put right."""

    version: Version
    problem: str
    is_healed: bool = False


def verify(catalog: Catalog, *, heal: bool = True) -> Iterator[Finding]:
    """Yield what is wrong with a dataset.

    The server counts each version that has rows; the count must be the recorded one.
    Readers must see no withdrawn version, and find each exposed one under its name, which is
    healed. Of versions that failed or were dropped nothing may be left, and no load may have
    ended without clearing its version: these two are
    healed, as nothing needs what is deleted, unless `heal` is False or the login may not.
    Raises Forbidden for a login that may not count.

    Example:
        >>> from luigi_sinks import stores
        >>> list(verify(stores.find("mariadb").catalog("flights")))
        []

    """
    catalog = patient(catalog)
    if heal:
        settling.settle_everywhere(catalog)
    for record in list(catalog.records()):
        if record.is_unfinished:
            yield from _interrupted(catalog, record, heal=heal)
        elif record.state.has_rows:
            yield from _of_rows(catalog, record)
        for name in record.exposed:
            yield from _of_name(catalog, record, name, heal=heal)
    for version in list(catalog.remains()):
        problem = "failed, was dropped or has no record, and something of it is left"
        yield Finding(version, problem, heal and _is_swept(catalog, version))


def unreadable(catalog: Catalog, error: SinkError) -> Finding:
    """Return the finding for a dataset that cannot be looked at."""
    return Finding(Version(catalog.dataset, WHOLE, "?"), f"cannot be verified: {error}")


def _of_rows(catalog: Catalog, record: Record) -> Iterator[Finding]:
    """Yield what is wrong with a version that can be read."""
    count = catalog.count(record.version)
    if record.rows not in {None, count} and catalog.record(record.version).state.has_rows:
        yield Finding(
            record.version,
            f"the server counts {count} rows where {record.rows} were published; its rows were changed or deleted: "
            "publish another version, or load again",
        )
    if record.withdrawn and catalog.record(record.version).state is State.PUBLISHED:
        yield Finding(record.version, "is withdrawn, and readers still see it: withdraw it again")


def _of_name(catalog: Catalog, record: Record, name: str, *, heal: bool) -> Iterator[Finding]:
    """Yield an exposed version that readers do not find: whoever exposed it, or removed the name, was interrupted."""
    if catalog.shows(record.version, name) or name not in catalog.record(record.version).exposed:
        return
    is_healed = False
    if heal:
        with suppress(BadSetting):
            catalog.expose(record, name)
            is_healed = True
    yield Finding(record.version, f"is exposed as {name}, and readers do not find it there", is_healed)


def _interrupted(catalog: Catalog, record: Record, *, heal: bool) -> Iterator[Finding]:
    """Yield a version whose load is gone; abandoning it is what the next load of the partition would do."""
    if record.claim.is_live(record.version.id) or not (now := catalog.record(record.version)).is_unfinished:
        return
    if now.claim.is_live(record.version.id):
        return
    problem = f"is {record.state}, and its load is gone without clearing it"
    yield Finding(record.version, problem, heal and _is_abandoned(catalog, record.version))


def _is_abandoned(catalog: Catalog, version: Version) -> bool:
    with suppress(Forbidden):
        versions.abandon(catalog, version)
    return catalog.record(version).state is State.FAILED


def _is_swept(catalog: Catalog, version: Version) -> bool:
    try:
        return versions.sweep_version(catalog, version)
    except Forbidden:
        return False
