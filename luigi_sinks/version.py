"""Names a version of a dataset, and the states it goes through."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

WHOLE = "_all"
"""The one partition of a dataset that has none; no parameter's value encodes to it."""

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True)
class Version:
    """One immutable load of one partition of a dataset.

    `id` reads `v20261120t211605_k7f3q2`.
    """

    dataset: str
    partition: str
    id: str

    def __str__(self) -> str:
        """Join dataset, partition and id, as messages show them."""
        return f"{self.dataset}/{self.partition}/{self.id}"


class State(StrEnum):
    """How far a version has come; `luigi_sinks.record` holds the rules of what may follow what.

    Whether a version was withdrawn is not a state: a withdrawn version may also be dropped.
    """

    STAGED = "staged"
    """Takes rows."""

    SEALED = "sealed"
    """Takes no more rows; counted by the server."""

    VALIDATED = "validated"
    """Passed its checks; may be published."""

    PUBLISHED = "published"
    """Readers see it."""

    RETIRED = "retired"
    """Was published; readers see another version. May be published again."""

    DROPPING = "dropping"
    """Its rows are being deleted."""

    DROPPED = "dropped"
    """Its rows are deleted; the record stays."""

    ABANDONED = "abandoned"
    """Its load failed; its rows are still to be deleted."""

    FAILED = "failed"
    """Its load failed; its rows are deleted."""

    @property
    def is_open(self) -> bool:
        """Tell whether a load may still be working on it."""
        return self in {State.STAGED, State.SEALED, State.VALIDATED, State.ABANDONED}

    @property
    def has_rows(self) -> bool:
        """Tell whether its rows are there, whole, to be read."""
        return self in {State.VALIDATED, State.PUBLISHED, State.RETIRED}


def new_version(dataset: str, partition: str) -> Version:
    """Return a version with a new id: `v20261120t211605_k7f3q2`.

    The time in the id is for people. Only the registry's sequence orders versions.
    """
    moment = datetime.now(UTC).strftime("v%Y%m%dt%H%M%S")
    return Version(dataset, partition, f"{moment}_{''.join(secrets.choice(_BASE32) for _ in range(6))}")
