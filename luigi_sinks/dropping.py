"""Deletes a whole dataset."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack

from luigi_sinks import record as rules
from luigi_sinks import settling, withdrawal
from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.events import Action, Outcome
from luigi_sinks.listeners import Telling, telling
from luigi_sinks.record import Head
from luigi_sinks.retry import patient
from luigi_sinks.sink import Catalog
from luigi_sinks.version import WHOLE, Version


def drop_dataset(catalog: Catalog, *, really: str) -> None:
    """Delete a dataset: the rows of all versions, its history, and what readers use.

    - `really`: the dataset's name once more.

    Raises BadSetting for another name, Conflict if a version is pinned, exposed or being loaded,
    Forbidden for a login that may not, and CredentialError as `roll_back` does. If it is
    interrupted, run it again.
    """
    if really != catalog.dataset:
        raise BadSetting(f"{really!r} is not the name of {catalog.dataset!r}; nothing was deleted")
    catalog = patient(catalog)
    settling.settle_everywhere(catalog)
    refuse_use(catalog)
    heads = [head for head in catalog.heads().values() if head.version]
    shown = heads or [Head(None)]
    with ExitStack() as stack:
        tellings = [stack.enter_context(_dropping(catalog, head)) for head in shown]
        for told in tellings:
            told.tell(Outcome.BEGUN)
        catalog.drop()
        for told, head in zip(tellings, shown, strict=True):
            told.tell(Outcome.SUCCESS, epoch=withdrawal.after(head.pointer).epoch if head.version else 0)


def refuse_use(catalog: Catalog) -> None:
    """Raise Conflict if a version of the dataset is pinned, exposed or being loaded."""
    for record in catalog.records():
        if record.pinned:
            raise Conflict(f"{record.version} is pinned, so {catalog.dataset} is not deleted; unpin it")
        for name in record.exposed:
            raise Conflict(
                f"{record.version} is exposed as {name}, so {catalog.dataset} is not deleted; remove that name by "
                f"`luigi-sinks expose --drop {name}`"
            )
        if record.is_unfinished and record.claim.is_live(record.version.id):
            raise rules.being_loaded(record)


def _dropping(catalog: Catalog, head: Head) -> AbstractContextManager[Telling]:
    version = head.version or Version(catalog.dataset, WHOLE, "")
    return telling(catalog, Action.DROP_DATASET, version, head.record.origin if head.record else None)
