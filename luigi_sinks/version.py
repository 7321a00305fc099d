"""The name of a version, and its states."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from luigi_sinks import unseen
from luigi_sinks.errors import BadSetting

WHOLE = "_all"
"""The id of the only partition of a dataset without partitions; no parameter value is encoded as this."""

_PARTITION = re.compile(r"[a-z0-9_]{1,30}")
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True)
class Version:
    """One immutable load of one partition of a dataset.

    An example of an `id` is `v20261120t211605_k7f3q2`.
    """

    dataset: str
    partition: str
    id: str

    def __str__(self) -> str:
        """Return dataset, partition and id, separated by slashes."""
        return f"{self.dataset}/{self.partition}/{self.id}"


class State(StrEnum):
    """The state of a version. `luigi_sinks.record` has the rules for changing it.

    Withdrawn is not a state, because a withdrawn version can also be dropped.
    """

    STAGED = "staged"
    """Accepts rows."""

    SEALED = "sealed"
    """Accepts no more rows; the server has counted them."""

    VALIDATED = "validated"
    """Passed its checks; can be published."""

    PUBLISHED = "published"
    """Readers see it."""

    RETIRED = "retired"
    """Was published, but readers see another version. Can be published again."""

    SUPERSEDED = "superseded"
    """Passed its checks, and is never shown: when it was loaded, the head held a newer period."""

    DROPPING = "dropping"
    """Its rows are being deleted."""

    DROPPED = "dropped"
    """Its rows are deleted; the record stays."""

    ABANDONED = "abandoned"
    """Its load failed; its rows have not been deleted yet."""

    FAILED = "failed"
    """Its load failed; its rows are deleted."""

    @property
    def is_open(self) -> bool:
        """Return whether a load may still be working on it."""
        return self in {State.STAGED, State.SEALED, State.VALIDATED, State.ABANDONED}

    @property
    def has_rows(self) -> bool:
        """Return whether all its rows can be read."""
        return self in {State.VALIDATED, State.PUBLISHED, State.RETIRED, State.SUPERSEDED}


OPEN = frozenset(state for state in State if state.is_open)
"""The states of versions that a load may still be working on."""

ENDING = frozenset({State.ABANDONED, State.DROPPING})
"""The states of versions of which something is being deleted, or was when a process ended."""

DEAD = ENDING | {State.FAILED, State.DROPPED}
"""The states of versions of which nothing is to be left in the store: no load, reader or rollback needs them.

The same is true of a version without a record: each is registered before anything else of it is written.
"""


def check_partition(partition: str) -> None:
    """Raise BadSetting for what cannot be the id of a partition, so that it is not taken for an empty one.

    Example:
        >>> check_partition("201301")

    """
    if not _PARTITION.fullmatch(partition):
        raise BadSetting(
            f"partition {partition!r} must consist of 1 to 30 characters a-z, 0-9 and _; see heads() or records()"
        )


def new_version(dataset: str, partition: str) -> Version:
    """Return a version with a new id: `v20261120t211605_k7f3q2`.

    The time in the id is for people; versions are ordered by the sequence number of the registry.
    Raises BadSetting for a dataset or partition whose name cannot be one.
    """
    unseen.refuse(dataset, "dataset")
    check_partition(partition)
    moment = datetime.now(UTC).strftime("v%Y%m%dt%H%M%S")
    return Version(dataset, partition, f"{moment}_{''.join(secrets.choice(_BASE32) for _ in range(6))}")
