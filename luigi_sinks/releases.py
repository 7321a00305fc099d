"""Takes a whole release back by hand, in all of its stores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from luigi_sinks import moving, settling
from luigi_sinks import record as rules
from luigi_sinks.errors import BadSetting, Conflict, CredentialError, SinkError
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import telling
from luigi_sinks.moving import Move
from luigi_sinks.record import Head, Record
from luigi_sinks.release import Member, Release
from luigi_sinks.settling import Found
from luigi_sinks.sink import Catalog
from luigi_sinks.version import Version


@dataclass(frozen=True)
class Return:
    """A version of a release that is the head, and what readers see again instead; None for nothing."""

    found: Found
    head: Head
    before: Record | None

    @property
    def version(self) -> Version:
        """Return the version that is taken back."""
        return self.found.version


def newest(catalogs: Iterable[Catalog], name: str) -> Release:
    """Return the release of this name that was published last, even if it was taken back since.

    One that failed half way does not count. Reads the histories. Raises BadSetting if there
    is none; a dataset that cannot be read keeps no other from being found.
    """
    known, unread = defaultdict[tuple[Member, ...], list[Record]](list), list[str]()
    for catalog in catalogs:
        try:
            for record in catalog.records():
                if record.release is not None and record.release.name == name:
                    known[record.release.members].append(record)
        except (SinkError, CredentialError) as error:
            unread.append(f"; {catalog.dataset} cannot be read: {error}")
    published = {at: members for members, records in known.items() if (at := _published_at(records))}
    if not published:
        raise BadSetting(
            f"no release {name!r} was published; `luigi-sinks versions DATASET` names releases{''.join(unread)}"
        )
    return Release(name, published[max(published)])


def _published_at(records: Sequence[Record]) -> datetime | None:
    """Return when the last version of a release was first published; None if the release failed, or is not begun."""
    if any(not record.publications and not record.is_unsettled for record in records):
        return None
    return max((record.published_at for record in records if record.published_at), default=None)


def plan_roll_back(release: Release) -> list[Return]:
    """Return what `roll_back` would do now. Changes nothing, and raises what `roll_back` does."""
    members = settling.found(release)
    for each in members:
        rules.published_before(each.record)
    heads = [(each, each.catalog.head(each.version.partition)) for each in members]
    newer = [
        f"{head.version or 'nothing'} instead of {each.member}"
        for each, head in heads
        if head.version not in {each.version, each.member.before}
    ]
    if newer:
        raise Conflict(
            f"release {release.name}: readers see {', '.join(newer)}, published since; nothing was changed. Roll the "
            "others back one by one, if that is what you want"
        )
    return [_return(each, head) for each, head in heads if head.version == each.version]


def roll_back(release: Release, *, why: str = "") -> list[Return]:
    """Give readers what the versions of a release replaced; return what was done.

    A version that replaced nothing is withdrawn, so its output is incomplete again; the
    others stay complete. What is in one MariaDB database moves in one transaction. Where
    readers see already what a version replaced, nothing is done.

    Raises Conflict, and changes nothing, if one of them was replaced since, or if what it
    replaced cannot be published; CheckFailed if that lost rows. If it is interrupted, run it again.
    What a killed process left half done of the release is ended first.
    """
    for found in settling.found(release):
        settling.settle(found.catalog, found.version.partition)
    plan, reason = plan_roll_back(release), f"release {release.name} is rolled back{f': {why}' if why else ''}"
    with ExitStack() as stack:
        moves = [_move(each, stack) for each in plan if each.before]
        moving.publish_together(moves, why=reason, action=Action.ROLLBACK)
    for each in plan:
        if each.before is None:
            moving.take_back(each.found.catalog, each.version, reason, before=None)
    return plan


def _return(each: Found, head: Head) -> Return:
    """Return what takes a version back. Raises what keeps the one before from being published."""
    if each.member.before is None:
        return Return(each, head, None)
    before = rules.published_before(each.catalog.record(each.member.before))
    if not before.is_publishable:
        raise rules.refused(before, f"cannot be published again in the place of {each.member}; nothing was changed")
    moving.refuse_changed_rows(each.catalog, before)
    return Return(each, head, before)


def _move(each: Return, stack: ExitStack) -> Move:
    assert each.before is not None
    catalog, before = each.found.catalog, each.before
    told = stack.enter_context(telling(catalog, Action.ROLLBACK, before.version, before.origin))
    told.tell(Outcome.BEGUN, replaced=each.version, rows=before.rows or 0)
    return Move(catalog, before.version, each.head, told)
