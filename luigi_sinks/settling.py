"""Publishes the versions of a release together, and ends what a process that died left of one.

All of its versions are staged, sealed and checked first. The first publication decides:
before it, nothing happened, and after it whoever looks next finishes the release. If a
version cannot be published any more, since its head moved or its load was given up,
those that were are taken back. Each step may be repeated, by several processes at once:
a publication compares and swaps, a withdrawal that is there stays, and a version that
cannot be published now never can.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from luigi_sinks import moving, releasing
from luigi_sinks.errors import BadSetting, Conflict, CredentialError, SinkError
from luigi_sinks.events import Action, Event, Outcome
from luigi_sinks.listeners import Telling
from luigi_sinks.moving import Move
from luigi_sinks.record import Head, Record
from luigi_sinks.release import Member, Release
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.version import Version

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class Found:
    """A version of a release as its own registry has it."""

    member: Member
    catalog: Catalog
    record: Record

    @property
    def version(self) -> Version:
        """Return the version."""
        return self.member.version


def settle(catalog: Catalog, partition: str) -> list[Record]:
    """Finish, or take back, the releases that a process left half done in a partition; return what is unfinished then.

    Leaves alone what a live process is at. Raises what keeps this login from it.
    """
    records = list(catalog.unfinished(partition))
    return list(catalog.unfinished(partition)) if _settle_all(records) else records


def settle_everywhere(catalog: Catalog) -> None:
    """Settle the releases of all partitions, as `settle` does; reads the history."""
    _settle_all(catalog.records())


def settle_those_of(catalog: Catalog, records: Iterable[Record]) -> bool:
    """Settle the releases of some records, as far as this login may; return whether to read the records again."""
    partitions = {record.version.partition for record in records if record.is_unsettled}
    for partition in partitions:
        try:
            settle(catalog, partition)
        except (BadSetting, CredentialError) as error:
            _log.warning("%s: a release is left half done, and this login cannot end it: %s", catalog.dataset, error)
    return bool(partitions)


def records_of(catalog: Catalog, update_ids: Collection[str]) -> list[Record]:
    """Return the records of some outputs, once what a process left of their releases is ended."""
    records = list(catalog.records(update_ids=update_ids))
    return list(catalog.records(update_ids=update_ids)) if settle_those_of(catalog, records) else records


def publish(release: Release, moves: Collection[Move]) -> None:
    """Publish versions of a release in order, those of one database in one step.

    If one cannot be published, all that were are taken back. Raises Conflict that names it,
    and any other error as it is.
    """
    try:
        moving.publish_together(moves, why=f"release {release.name}")
    except BaseException as error:
        why = f"release {release.name} failed: {error}"
        try:
            take_back(found(release), why)
        except (SinkError, CredentialError) as failure:
            error.add_note(f"what was published of it is not taken back yet ({failure}); the next look at it does that")
        if isinstance(error, Conflict):
            raise Conflict(f"{why}; what was published of it is taken back") from error
        raise
    _mark((move.catalog, move.version) for move in moves)


def take_back(members: Sequence[Found], why: str) -> None:
    """Withdraw what was published of a release, and give readers what they saw before; the last one first."""
    for each in reversed(members):
        if each.record.publications:
            moving.take_back(each.catalog, each.version, why, before=each.member.before)
    _mark((each.catalog, each.version) for each in members)


def found(release: Release) -> list[Found]:
    """Return the versions of a release that say themselves that they belong to it."""
    return list(_found(release))


def _found(release: Release) -> Iterator[Found]:
    from luigi_sinks import stores  # noqa: PLC0415 - slow, and only needed for what a process left

    for member in release.members:
        catalog = patient(stores.open_at(member.place, member.version.dataset, owner=member.owner))
        try:
            record = catalog.record(member.version)
        except Conflict:
            continue
        if releasing.is_of(record, release):
            yield Found(member, catalog, record)


def _settle_all(records: Iterable[Record]) -> bool:
    """Settle the releases of records; return whether there was one."""
    releases = {record.release for record in records if record.release and record.is_unsettled}
    for release in releases:
        try:
            _settle(release)
        except (SinkError, CredentialError) as error:
            names = ", ".join(map(str, release.members))
            error.add_note(
                f"release {release.name} was left half done; to end it, all of its versions are needed: {names}"
            )
            raise
    return bool(releases)


def _settle(release: Release) -> None:
    members = found(release)
    if any(each.record.claim.is_live(each.version.id) for each in members):
        return
    try:
        if not any(each.record.publications for each in members):
            for each in members:
                each.catalog.change(each.version, releasing.give_up)
        elif len(members) < len(release.members):
            take_back(members, f"release {release.name} failed: not all of its versions are there")
        else:
            publish(release, [_move(each) for each in members if not each.record.publications])
            _mark((each.catalog, each.version) for each in members)
    except Conflict as failure:
        _log.warning("release %s, left by a process that ended: %s", release.name, failure)


def _move(each: Found) -> Move:
    """Return what finishes the publication of a version in the place of the process that died."""
    catalog, version, record = each.catalog, each.version, each.record
    event = Event(Action.PUBLISH, Outcome.BEGUN, catalog.store, version, catalog.location, record.origin)
    told = Telling(catalog, event)
    told.tell(Outcome.BEGUN, replaced=each.member.before, rows=record.rows or 0)
    before = each.member.before
    return Move(catalog, version, Head(catalog.record(before) if before else None, each.member.epoch), told)


def _mark(versions: Iterable[tuple[Catalog, Version]]) -> None:
    """Record that the release is settled; where that fails, the next look finds out and records it."""
    for catalog, version in versions:
        try:
            catalog.change(version, releasing.settle)
        except SinkError as error:
            _log.warning("%s: the next look at its release records how it ended: %s", version, error)
