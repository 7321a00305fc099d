"""What is done to versions by hand, or after a load failed: every one of these tells the listeners.

Each call to the store is retried for as long as the catalog's `patience` while the store is unavailable.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from luigi_sinks import moving, removal, retention, settling
from luigi_sinks import record as rules
from luigi_sinks.checks import CheckResult
from luigi_sinks.comparison import Diff
from luigi_sinks.errors import Conflict, Forbidden, SinkError
from luigi_sinks.events import Action, Event, Outcome
from luigi_sinks.listeners import Telling, telling
from luigi_sinks.record import Record, Transition
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.version import State, Version

_log = logging.getLogger("luigi_sinks")


def roll_back(catalog: Catalog, version: Version, *, why: str = "") -> Record:
    """Publish a version that was the head before, in the place of the present one; return its record.

    Raises Conflict if the version never was published, was withdrawn or dropped, or if
    another publication comes first; CheckFailed if the server counts other rows than
    were published; and CredentialError if the audit log is required and cannot be
    written. Then nothing is done.
    """
    _check("roll_back", version, why)
    catalog = _looked_at(catalog, version)
    return moving.publish_again(catalog, catalog.record(version), why)


def withdraw(catalog: Catalog, version: Version, *, why: str = "") -> Record:
    """Declare a version wrong, so that its task is incomplete again, also after its rows are deleted.

    If readers see it, they see the newest other version of the partition instead that was
    published, is not withdrawn and holds its rows; if there is none, they see no rows,
    and no error. To publish again, load again: a withdrawn version is never published.

    Returns the version's record. Raises Conflict if it never was published, and
    CredentialError as `roll_back` does. If it is interrupted, run it again: the version
    is marked first, then the head moves.
    """
    _check("withdraw", version, why)
    return moving.withdraw(_looked_at(catalog, version), version, why)


def pin(catalog: Catalog, version: Version) -> Record:
    """Keep the rows of a version that was published until it is unpinned; return its record.

    Raises Conflict for any other version, and CredentialError as `roll_back` does.
    """
    return _changed(catalog, version, Action.PIN, retention.pin)


def unpin(catalog: Catalog, version: Version) -> Record:
    """Let a pinned version be dropped again; return its record. Raises CredentialError as `roll_back` does."""
    return _changed(catalog, version, Action.UNPIN, retention.unpin)


def _changed(catalog: Catalog, version: Version, action: Action, become: Transition) -> Record:
    _check(action, version)
    catalog = _looked_at(catalog, version)
    with telling(catalog, action, version, catalog.record(version).origin) as told:
        told.tell(Outcome.BEGUN)
        record = catalog.change(version, become)
        told.tell(Outcome.SUCCESS, rows=record.rows or 0)
    return record


def prune(catalog: Catalog, version: Version, *, min_age: timedelta = retention.MIN_AGE) -> Record:
    """Delete the rows of a version that is not the head; its record stays, and is returned.

    A version that was the head less than `min_age` ago is kept, as readers may be at it:
    an hour, unless you set another time; timedelta(0) deletes at once.

    Raises Conflict if the version is too young, the head, pinned, being loaded, or copied by a load,
    CredentialError as `roll_back` does, and Forbidden for a login that may not delete. A prune that was
    interrupted leaves the version `dropping`; prune it again.
    """
    _check("prune", version)
    catalog = patient(catalog)
    loads = settling.settle(catalog, version.partition)
    before = catalog.record(version)
    with telling(catalog, Action.PRUNE, version, before.origin) as told:
        told.tell(Outcome.BEGUN, rows=before.rows or 0)
        try:
            removal.refuse_base(version, loads)
            catalog.change(version, partial(removal.begin_drop, min_age=min_age))
            _delete_rows(catalog, before)
        except Forbidden as refusal:
            _cancel_drop(catalog, before, refusal)
            raise Forbidden(
                f"only a pruner may delete {version}, with its own login and luigi.cfg; `luigi-sinks grants` prints "
                f"the rights it needs: {refusal}"
            ) from refusal
        record = catalog.change(version, removal.end_drop)
        told.tell(Outcome.SUCCESS)
    return record


def read(catalog: Catalog, version: Version) -> Iterator[Any]:
    """Return an iterator over the rows of a version as they were given, in no particular order.

    Raises Conflict if the version has no rows to read: it was dropped, or never
    validated. The iterator raises Conflict at its end if the version was dropped
    meanwhile, as rows may be missing.
    """
    _check("read", version)
    catalog = patient(catalog)
    record = catalog.record(version)
    if settling.settle_those_of(catalog, [record]):
        record = catalog.record(version)
    return _read(catalog, rules.readable(record))


def _read(catalog: Catalog, record: Record) -> Iterator[Any]:
    version, count, is_whole = record.version, 0, False
    with telling(catalog, Action.READ, version, record.origin) as told:
        told.tell(Outcome.BEGUN)
        try:
            for row in catalog.read(version):
                count += 1
                yield row
            is_whole = True
        except GeneratorExit:  # a reader may stop early
            pass
        except Exception as error:
            if _is_dropped(catalog, version):
                raise _dropped(record, count) from error
            raise
        if is_whole and record.rows not in {None, count}:
            raise _dropped(record, count)
        told.tell(Outcome.SUCCESS if is_whole else Outcome.STOPPED, rows=count)


def _is_dropped(catalog: Catalog, version: Version) -> bool:
    try:
        return not catalog.record(version).state.has_rows
    except SinkError:
        return False


def _dropped(record: Record, count: int) -> Conflict:
    return Conflict(
        f"{record.version}: only {count} of {record.rows} rows came, as it was dropped meanwhile; read the version "
        "that is the head now"
    )


def diff(catalog: Catalog, before: Version, after: Version, *, examples: int = 10) -> Diff:
    """Compare the rows of two versions of a dataset: by their keys, or as wholes where they have none.

    - `examples`: how many rows to return of those that were added, removed and changed each.

    Memory does not grow with the versions. Where the store compares nothing itself, their
    rows are read and sorted in a file under the folder for temporary files.

    Raises Conflict if one of them has no rows to read, or is dropped meanwhile.
    """
    catalog = patient(catalog)
    for version in (before, after):
        _check("diff", version)
        settling.settle(catalog, version.partition)
    first, second = (rules.readable(catalog.record(version)) for version in (before, after))
    with _reading(catalog, first), _reading(catalog, second):
        return catalog.compare(first, second, examples=examples)


@contextmanager
def reading_head(catalog: Catalog, partition: str) -> Iterator[Record]:
    """Give the record of the version that readers of a partition see now; the block reads it within the store.

    Listeners are told that it is read. Raises Conflict if readers see no version, and at
    the end of the block if the version is dropped meanwhile.
    """
    catalog = patient(catalog)
    record = catalog.head(partition).record
    if record is None:
        raise Conflict(f"{catalog.dataset}/{partition} has no version that could be read; load it first")
    with _reading(catalog, record):
        yield record


@contextmanager
def _reading(catalog: Catalog, record: Record) -> Iterator[None]:
    """Tell that the store itself reads a version within the block."""
    with telling(catalog, Action.READ, record.version, record.origin) as told:
        told.tell(Outcome.BEGUN)
        yield
        rules.readable(catalog.record(record.version))
        told.tell(Outcome.SUCCESS, rows=record.rows or 0)


def abandon(catalog: Catalog, version: Version, *, checks: Sequence[CheckResult] = ()) -> None:
    """Give up a load: delete its rows and record that it failed; never touches a version that was published.

    It takes over from a load whose process is gone where that cannot be seen from here, as
    in another container. If it still runs, its next step raises Conflict.

    The record says `abandoned` until the rows are deleted, so the next load finishes
    what a crash interrupts. Without the right to delete, the rows are left to a pruner.
    `checks` are kept in the record.
    """
    catalog = patient(catalog)
    record = catalog.change(version, partial(rules.abandon, checks=checks))
    if record.state is not State.ABANDONED or record.is_left:
        return
    told = Telling(
        catalog, Event(Action.ABANDON, Outcome.BEGUN, catalog.store, version, catalog.location, record.origin)
    )
    try:
        catalog.delete_rows(version)
    except Forbidden as refusal:
        catalog.change(version, rules.leave)
        _log.warning("%s: its rows are left for a pruner to delete: %s", version, refusal)
        told.tell(Outcome.FAILURE, error=refusal)
    else:
        catalog.change(version, rules.fail)
        told.tell(Outcome.SUCCESS)


def sweep(catalog: Catalog, *, partition: str | None = None) -> list[Version]:
    """Delete what is left of versions that failed or were dropped; return these versions.

    A killed process, or a request that arrives after its load has failed, leaves rows,
    indices, parts or marks which no record accounts for. Versions that are being loaded,
    or can be published or read, are never touched. A release that a killed process left half
    done is finished, or taken back, first. Every load sweeps its partition; without
    `partition`, all of the dataset is swept. What this login may not delete is
    left to a pruner, and logged.

    Example:
        >>> from luigi_sinks import stores, versions
        >>> versions.sweep(stores.find("mariadb").catalog("flights"))
        []

    """
    catalog = patient(catalog)
    if partition is None:
        settling.settle_everywhere(catalog)
    else:
        settling.settle(catalog, partition)
    return sweep_remains(catalog, partition)


def sweep_remains(catalog: Catalog, partition: str | None) -> list[Version]:
    """Delete what is left of dead versions, as `sweep` does, and look at no release."""
    gone = list[Version]()
    for version in catalog.remains(partition):
        try:
            gone += [version] if sweep_version(catalog, version) else []
        except Forbidden as refusal:
            _log.warning(
                "%s, and perhaps others, failed or were dropped; let a pruner sweep them: %s", version, refusal
            )
            break
    return gone


def sweep_version(catalog: Catalog, version: Version) -> bool:
    """Delete what is left of one of the versions that `remains` finds; return whether it is gone."""
    with telling(catalog, Action.SWEEP, version, None) as told:
        told.tell(Outcome.BEGUN)
        try:
            catalog.delete_rows(version)
        except Conflict as shown:  # its record is lost or wrong, and readers see it, or did
            _log.warning("%s is not swept: %s", version, shown)
            told.tell(Outcome.FAILURE, error=shown)
            return False
        with suppress(Conflict):  # it has no record
            catalog.change(version, removal.swept)
        told.tell(Outcome.SUCCESS)
    return True


def _delete_rows(catalog: Catalog, before: Record) -> None:
    """Delete a version's rows; undo `begin_drop` if the store keeps them, as where a load is copying them."""
    try:
        catalog.delete_rows(before.version)
    except Conflict as kept:
        _cancel_drop(catalog, before, kept)
        raise


def _cancel_drop(catalog: Catalog, before: Record, refusal: SinkError) -> None:
    """Undo `begin_drop`, unless an earlier prune began it or some rows are deleted already."""
    try:
        if before.state is not State.DROPPING and catalog.count(before.version) == (before.rows or 0):
            catalog.change(before.version, removal.cancel_drop)
    except SinkError as error:
        refusal.add_note(f"{before.version} is still marked as being dropped ({error}); let a pruner prune it")


def _looked_at(catalog: Catalog, version: Version) -> Catalog:
    """Return the catalog, patient, once no release is left half done in the version's partition."""
    catalog = patient(catalog)
    settling.settle(catalog, version.partition)
    return catalog


def _check(verb: str, version: object, why: object = "") -> None:
    """Raise TypeError for what is easily taken for a version, and for a reason that is no text."""
    if not isinstance(why, str):
        raise TypeError(f"{verb} takes why as text and was given a {type(why).__name__}; leave it out, or give text")
    if not isinstance(version, Version):
        raise TypeError(
            f"{verb} takes a version and was given a {type(version).__name__}; pass record.version of one of "
            "catalog.records()"
        )
