"""Publishes the loads of several targets together, in whichever stores these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol, runtime_checkable

from luigi_sinks import settling, unseen
from luigi_sinks.errors import BadSetting
from luigi_sinks.load import Found, Load, claiming, look, tidy
from luigi_sinks.moving import Move
from luigi_sinks.release import Member, Release
from luigi_sinks.staged import Staged
from luigi_sinks.version import Version, new_version
from luigi_sinks.writer import Writer


@runtime_checkable
class Loadable(Protocol):
    """What tells how a new version of it is loaded, as each target of this package does."""

    def load(self) -> Load:
        """Return the load."""


@contextmanager
def together(*targets: Loadable, release: str) -> Iterator[list[Writer]]:
    """Give a writer for each target; publish all that was written when the block ends cleanly, or nothing.

    All versions are staged, sealed and checked first, then published in the order of the
    targets; those in one MariaDB database in one transaction. Readers of two stores can
    see one of them up to some tenths of a second before the other. `release` names the release, for
    `luigi-sinks rollback --release` and in the records.

    Raises what `luigi_sinks.loading` raises, BadSetting for targets that cannot be published together, and
    Conflict if another publication comes before one of these: then those that were published
    are taken back, and their outputs are incomplete. What a killed process leaves is finished, or
    taken back, by the next load, `exists()`, sweep or verb on one of the datasets.

    Example, with `flights` and `delays` as targets of any stores:

        with together(flights, delays, release="nightly") as (to_flights, to_delays):
            to_flights.write({"id": 1, "carrier": "UA"})
            to_delays.write({"id": 1, "minutes": 7})

    """
    for target in targets:
        if isinstance(target, type) or not isinstance(target, Loadable):
            raise BadSetting(
                f"release {release!r}: together was given one {type(target).__name__}, which is not a target; pass "
                "each target by itself, as in together(flights, delays, release='nightly')"
            )
    with loading_together([target.load() for target in targets], release) as writers:
        yield writers


@contextmanager
def loading_together(loads: Sequence[Load], name: str) -> Iterator[list[Writer]]:
    """Do what `together` does, for loads."""
    _refuse(loads, name)
    found = [look(load) for load in loads]
    versions = [new_version(load.sink.dataset, load.partition) for load in loads]
    release = Release(name, tuple(map(_member, loads, versions, found)))
    with ExitStack() as stack:
        tellings = [stack.enter_context(load.telling(version)) for load, version in zip(loads, versions, strict=True)]
        with ExitStack() as stages:
            parts = zip(loads, versions, found, tellings, strict=True)
            staged = [stages.enter_context(claiming(*part, release)) for part in parts]
            with ExitStack() as writing:
                yield [writing.enter_context(each.writing()) for each in staged]
            settling.publish(release, list(map(_move, staged, found)))
        for load in loads:
            tidy(load)


def _member(load: Load, version: Version, found: Found) -> Member:
    replaced = found.head.version.id if found.head.version else ""
    return Member(load.place, version, replaced, found.head.epoch, load.origin.owner)


def _move(staged: Staged, found: Found) -> Move:
    return Move(staged.sink, staged.stage.version, found.head, staged.told)


def _refuse(loads: Sequence[Load], name: str) -> None:
    """Raise BadSetting for loads that cannot be published together."""
    if not isinstance(name, str) or not name or not loads:
        raise BadSetting("a release needs a name, and at least one target; give both")
    unseen.refuse(name, "release")
    seen: set[tuple[object, str]] = set()
    for load in loads:
        place = (load.sink.location, load.partition)
        if place in seen:
            raise BadSetting(
                f"release {name}: two targets write {load.sink.dataset}/{load.partition}, and readers would see one of "
                "them; leave one out, or give each a partition of its own"
            )
        seen.add(place)
        if load.older != "refuse":
            raise BadSetting(
                f"release {name}: {load.sink.dataset} has older = {load.older!r}, which completes an output that "
                "readers never see; leave it out of the target, or the target out of the release"
            )
