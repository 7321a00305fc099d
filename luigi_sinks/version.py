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
    """One immutable load of one partition of a dataset."""

    dataset: str
    partition: str
    id: str

    def __str__(self) -> str:
        """Read as people say it: dataset, partition, id."""
        return f"{self.dataset}/{self.partition}/{self.id}"


class State(StrEnum):
    """How far a version has come.

    staged → validated → published → retired → dropped; abandoned → failed; withdrawn.
    What is abandoned still has rows to be deleted; what has failed has none.
    """

    STAGED = "staged"
    VALIDATED = "validated"
    PUBLISHED = "published"
    RETIRED = "retired"
    DROPPED = "dropped"
    ABANDONED = "abandoned"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        """Tell whether a load may still be at work on it."""
        return self in {State.STAGED, State.VALIDATED, State.ABANDONED}


def new_version(dataset: str, partition: str) -> Version:
    """Name a new version: `v20261120t211605_k7f3q2`.

    The time is for the eye. Order comes from the registry's sequence alone.
    """
    moment = datetime.now(UTC).strftime("v%Y%m%dt%H%M%S")
    return Version(dataset, partition, f"{moment}_{''.join(secrets.choice(_BASE32) for _ in range(6))}")
