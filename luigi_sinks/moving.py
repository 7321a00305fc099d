"""Moves heads: several at once, one to a version that was the head before, or away from one that is declared wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from luigi_sinks import record as rules
from luigi_sinks import withdrawal
from luigi_sinks.errors import CheckFailed, Conflict
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import Telling, telling
from luigi_sinks.record import Head, Record, Withdrawal
from luigi_sinks.sink import Catalog
from luigi_sinks.version import Version

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class Move:
    """A version that is to become the head in the place of another, and who is told."""

    catalog: Catalog
    version: Version
    replacing: Head
    told: Telling


def publish_together(moves: Iterable[Move], *, why: str, action: Action = Action.PUBLISH) -> None:
    """Move heads in order, those of one database in one step, and tell of each as this action."""
    groups: dict[object, list[Move]] = {}
    for move in moves:
        groups.setdefault(move.catalog.database, []).append(move)
    for group in groups.values():
        with ExitStack() as steps:
            for move in group:
                steps.enter_context(move.told.step("publish"))
            records = group[0].catalog.publish_all([(move.version, move.replacing) for move in group], why=why)
        for move, record in zip(group, records, strict=True):
            move.told.tell(Outcome.SUCCESS, action=action, epoch=record.publications[-1].epoch)


def publish_again(catalog: Catalog, record: Record, why: str, head: Head | None = None) -> Record:
    """Publish a version in the place of a head, by default of the one that is there now."""
    version = record.version
    with telling(catalog, Action.ROLLBACK, version, record.origin) as told:
        head = head or catalog.head(version.partition)
        told.tell(Outcome.BEGUN, replaced=head.version)
        with told.step("check"):
            rules.published_before(record)
            if record.is_publishable:  # publishing refuses any other, with the reason
                refuse_changed_rows(catalog, record)
        with told.step("publish"):
            record = catalog.publish(version, replacing=head, why=why)
        told.tell(Outcome.SUCCESS, rows=record.rows or 0, epoch=record.publications[-1].epoch)
    return record


def withdraw(catalog: Catalog, version: Version, why: str) -> Record:
    """Declare a version wrong, then move the head if it is there: to the newest sound version.

    If there is none, readers see nothing.
    """
    return _withdraw(catalog, version, why, lambda sound: sound)


def take_back(catalog: Catalog, version: Version, why: str, *, before: Version | None) -> Record:
    """Declare a version wrong, then give readers, if they see it, what they saw `before`: None for nothing.

    If that cannot be published any more, they see the newest sound version.
    """
    return _withdraw(
        catalog,
        version,
        why,
        lambda sound: sorted(sound, key=lambda record: record.version != before) if before else (),
    )


def _withdraw(catalog: Catalog, version: Version, why: str, rank: Callable[[list[Record]], Iterable[Record]]) -> Record:
    """Declare a version wrong, then move the head if it is there, to the first of what `rank` makes of sound ones."""
    before = catalog.record(version)
    with telling(catalog, Action.WITHDRAW, version, before.origin) as told:
        told.tell(Outcome.BEGUN, rows=before.rows or 0)
        by = catalog.publisher.principal or catalog.login.principal
        mark = Withdrawal(datetime.now(UTC), by, why)
        catalog.change(version, partial(withdrawal.withdraw, withdrawal=mark))
        while (head := catalog.head(version.partition)).version == version:
            sound = withdrawal.sound(catalog.records(partition=version.partition), besides=version)
            try:
                _replace_withdrawn(catalog, version, head, rank(sound), why, told)
            except Conflict:
                if catalog.head(version.partition) == head:
                    raise
        told.tell(Outcome.SUCCESS)
    return catalog.record(version)


def _replace_withdrawn(
    catalog: Catalog, version: Version, head: Head, others: Iterable[Record], why: str, told: Telling
) -> None:
    """Publish the first of the others that is whole instead of a withdrawn head, or nothing."""
    reason = f"{version.id} is withdrawn: {why}" if why else f"{version.id} is withdrawn"
    for other in others:
        try:
            publish_again(catalog, other, reason, head)
        except CheckFailed as changed:
            _log.warning("%s does not take the place of %s: %s", other.version, version.id, changed)
        else:
            return
    catalog.unpublish(version, replacing=head)
    told.know(epoch=withdrawal.after(head.pointer).epoch)


def refuse_changed_rows(catalog: Catalog, record: Record) -> None:
    """Raise CheckFailed if a version does not hold the rows that were published."""
    count = catalog.count(record.version)
    if record.rows not in {None, count}:
        raise CheckFailed(
            f"{record.version}: the server counts {count} rows where {record.rows} were published; its rows were "
            "changed or deleted. Publish another version, or load again"
        )
