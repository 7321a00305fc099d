"""What is done to versions by hand, or after a load failed: every one of these tells the listeners.

Example, with a luigi.cfg and no task module:
    >>> from luigi_sinks import stores, versions
    >>> flights = stores.find("mariadb").catalog("flights")
    >>> *_, before, now = flights.records()
    >>> record = versions.roll_back(flights, before.version, why="January was loaded from the wrong file")
    >>> flights.head("_all").version == before.version
    True
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from luigi_sinks import record as rules
from luigi_sinks.errors import Forbidden
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import telling
from luigi_sinks.record import Record
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.sink import Catalog
from luigi_sinks.version import State, Version

_log = logging.getLogger("luigi_sinks")


def roll_back(catalog: Catalog, version: Version, *, why: str = "") -> Record:
    """Publish a version that was the head before, in the place of the present one; return its record.

    Raises Conflict if the version never was published, was withdrawn or dropped, or if
    another publication comes first, and CredentialError if the audit log is required
    and cannot be written: then nothing is done.
    """
    _check("roll_back", version)
    with telling(catalog, Action.ROLLBACK, version, None) as told:
        head = catalog.head(version.partition)
        told.tell(Outcome.BEGUN, replaced=head.version)
        record = catalog.publish(version, replacing=head, why=why)
        told.tell(Outcome.SUCCESS, origin=record.origin, rows=record.rows or 0, epoch=record.publications[-1].epoch)
    return record


def prune(catalog: Catalog, version: Version) -> Record:
    """Delete the rows of a version that is not the head; its record stays, and is returned.

    Raises Conflict if the version is the head, pinned or being loaded, CredentialError
    as `roll_back` does, and Forbidden for a login that the server keeps from deleting.
    """
    _check("prune", version)
    with telling(catalog, Action.PRUNE, version, None) as told:
        told.tell(Outcome.BEGUN)
        catalog.change(version, rules.begin_drop)
        try:
            catalog.delete_rows(version)
        except Forbidden as refusal:
            catalog.change(version, rules.cancel_drop)
            raise Forbidden(
                f"only a pruner may delete {version}, with its own login and luigi.cfg; `luigi-sinks grants` prints "
                f"the rights it needs: {refusal}"
            ) from refusal
        record = catalog.change(version, rules.end_drop)
        told.tell(Outcome.SUCCESS, origin=record.origin)
    return record


def read(catalog: Catalog, version: Version) -> Iterator[Any]:
    """Yield the rows of a version as they were given, in no particular order.

    Raises Conflict if the version has no rows to read: it was dropped, or never sealed.
    """
    _check("read", version)
    with telling(catalog, Action.READ, version, None) as told:
        rows = 0
        told.tell(Outcome.BEGUN)
        with suppress(GeneratorExit):  # a reader may stop early
            for row in catalog.read(version):
                rows += 1
                yield row
        told.tell(Outcome.SUCCESS, rows=rows)


def abandon(catalog: Catalog, version: Version) -> None:
    """Give up a load: delete its rows and record that it failed; never touches a version that was published.

    The record says `abandoned` until the rows are deleted, so the next load finishes
    what a crash interrupts. Without the right to delete, the rows are left to a pruner.
    """
    record = retry_unavailable(catalog.change, version, rules.abandon)
    if record.state is not State.ABANDONED or record.is_left:
        return
    try:
        retry_unavailable(catalog.delete_rows, version)
    except Forbidden as refusal:
        retry_unavailable(catalog.change, version, rules.leave)
        _log.warning("%s: its rows are left for a pruner to delete: %s", version, refusal)
    else:
        retry_unavailable(catalog.change, version, rules.fail)


def _check(verb: str, version: object) -> None:
    """Raise TypeError for what is easily taken for a version."""
    if not isinstance(version, Version):
        raise TypeError(
            f"{verb} takes a version and was given a {type(version).__name__}; pass record.version of one of "
            "catalog.records()"
        )
