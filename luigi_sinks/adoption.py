"""Takes what readers use already under management, as the first version of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.checks import StagedCounts
from luigi_sinks.errors import CheckFailed
from luigi_sinks.events import Action, Outcome
from luigi_sinks.existing import Existing
from luigi_sinks.listeners import telling
from luigi_sinks.load import loading
from luigi_sinks.record import Origin, Record
from luigi_sinks.retry import patient
from luigi_sinks.version import Version


@dataclass(frozen=True)
class Adopted:
    """The version that readers see now, and what is kept of what they saw before."""

    record: Record
    kept: str


def adopt(existing: Existing, partition: str, origin: Origin) -> Adopted:
    """Make a version of what exists, and show readers that instead, while they read.

    - `existing`: what the store found under the dataset's name.
    - `partition`, `origin`: whose output the version is, as for `luigi_sinks.loading`.

    If it is interrupted, run it again: it goes on where it can. Raises BadSetting for
    what cannot be adopted, CheckFailed or Conflict if it was changed meanwhile, and what
    `luigi_sinks.loading` raises. After an error, readers see what they saw before.
    """
    existing.refuse()
    sink = patient(existing.sink)
    head = sink.head(partition).record
    if head is None or not existing.equals(head.version):
        _copy(existing, partition, origin)
        head = sink.head(partition).record
    assert head is not None, "it was published"
    with telling(sink, Action.ADOPT, head.version, origin) as told:
        told.tell(Outcome.BEGUN, rows=head.rows or 0)
        kept = existing.give_way(head.version)
        told.tell(Outcome.SUCCESS, rows=head.rows or 0)
    return Adopted(head, kept)


def _copy(existing: Existing, partition: str, origin: Origin) -> None:
    """Load what exists as a version, which becomes the head if nothing was changed meanwhile."""

    def unchanged(version: Version, counts: StagedCounts) -> None:
        """Compare the version with what it was copied from."""
        if not existing.equals(version):
            raise CheckFailed(
                f"{version}: {counts.rows} rows were copied, and others are there now; stop what writes to it, or "
                "declare its types as they are, and run this again"
            )

    with loading(existing.sink, partition, origin, checks=(unchanged,)) as writer:
        existing.copy(writer)
