"""Shows an older version beside the head, under a name of its own, to compare the two."""

from __future__ import annotations

from functools import partial

from luigi_sinks import retention, settling, unseen
from luigi_sinks.errors import BadSetting
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import telling
from luigi_sinks.record import Pointer, Record
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.version import Version


def expose(catalog: Catalog, version: Version, name: str) -> Record:
    """Let readers find a version under a name, whatever becomes the head; return its record.

    It is a view on MariaDB, an alias on Elasticsearch and OpenSearch, a head of this name on
    Neo4j, and a view of JSON in a local file. While it is there, the version is not deleted.

    Raises BadSetting for a name that something else has, Conflict for a version without rows,
    Forbidden for a login that may not, and CredentialError as `versions.roll_back` does. If it
    is interrupted, run it again: the version is marked first.

    Example:
        >>> from luigi_sinks import stores
        >>> flights = stores.find("mariadb").catalog("flights")
        >>> first, *_ = flights.records()
        >>> expose(flights, first.version, "flights_before").exposed
        ('flights_before',)
        >>> hide(flights, first.version, "flights_before").exposed
        ()

    """
    catalog = patient(catalog)
    settling.settle(catalog, version.partition)
    before = catalog.record(version)
    refuse(catalog, before, name)
    with telling(catalog, Action.EXPOSE, version, before.origin) as told:
        told.tell(Outcome.BEGUN)
        record = catalog.change(version, partial(retention.expose, name=name))
        try:
            catalog.expose(record, name)
        except BadSetting:
            if name not in before.exposed:
                catalog.change(version, partial(retention.hide, name=name))
            raise
        told.tell(Outcome.SUCCESS, rows=record.rows or 0)
    return record


def refuse(catalog: Catalog, record: Record, name: str) -> None:
    """Raise what keeps a version from being exposed under a name."""
    if not isinstance(name, str) or not name.strip() or name == catalog.dataset:
        raise BadSetting(f"{catalog.dataset}: {name!r} cannot name a version of it; choose another name")
    unseen.refuse(name, "name")
    retention.expose(record, Pointer(), name=name)
    catalog.refuse_name(record.version, name)


def hide(catalog: Catalog, version: Version, name: str) -> Record:
    """Remove the name under which readers find a version; return its record.

    Raises Conflict if the version has no such name, Forbidden for a login that may not, and
    CredentialError as `versions.roll_back` does. If it is interrupted, run it again.
    """
    catalog = patient(catalog)
    before = catalog.record(version)
    retention.hide(before, Pointer(), name=name)
    with telling(catalog, Action.HIDE, version, before.origin) as told:
        told.tell(Outcome.BEGUN)
        catalog.hide(version, name)
        record = catalog.change(version, partial(retention.hide, name=name))
        told.tell(Outcome.SUCCESS)
    return record
