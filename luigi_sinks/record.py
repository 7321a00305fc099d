"""What a registry remembers: versions, where they came from, which one is the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from luigi_sinks.claim import Claim
from luigi_sinks.version import State, Version


@dataclass(frozen=True)
class Origin:
    """Who asked for a version.

    `update_id` is what makes an output complete: the task's id. `rerun` is the
    label under which the same output was loaded once more. `period` is the
    task's date where it has one outside the partition; an older one never
    replaces a newer one. `partition_by` names the parameters that chose the
    partition, where that is known.
    """

    update_id: str
    rerun: str = ""
    partition_by: tuple[str, ...] = ()
    family: str = ""
    owner: str = ""
    period: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """One version's line of history. `seq` orders the versions of a dataset."""

    version: Version
    seq: int
    state: State
    origin: Origin
    claim: Claim
    staged_at: datetime
    rows: int | None = None
    published_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether it was published and not withdrawn; being head does not matter."""
        return self.published_at is not None and self.state is not State.WITHDRAWN

    @property
    def is_publishable(self) -> bool:
        """Tell whether it may become the head: its checks passed, or it was the head before."""
        return self.state is State.VALIDATED or (self.state is State.RETIRED and self.is_complete)

    @property
    def is_left(self) -> bool:
        """Tell whether its load failed and could not delete its rows: they wait for a pruner."""
        return self.state is State.ABANDONED and self.claim.is_given_up

    def left(self) -> Record:
        """Return it as one that nobody is at work on, with rows for a pruner to delete."""
        return replace(self, state=State.ABANDONED, claim=self.claim.given_up())

    def claimed(self, claim: Claim) -> Record:
        """Return it under a claim, unless it was left."""
        return self if self.is_left else replace(self, claim=claim)

    def answers(self, asked: Origin) -> bool:
        """Tell whether it completes the output that is asked for; without a label, any rerun does."""
        same = self.origin.update_id == asked.update_id and asked.rerun in {"", self.origin.rerun}
        return same and self.is_complete

    @property
    def seconds(self) -> float | None:
        """Return how long the load took, from stage to publication."""
        return (self.published_at - self.staged_at).total_seconds() if self.published_at else None


@dataclass(frozen=True)
class Head:
    """The version readers see, if any, and how often the pointer has moved.

    The epoch is what makes compare-and-swap safe: after A, B, A the version is
    the same again, the epoch is not.
    """

    record: Record | None = None
    epoch: int = 0

    @property
    def version(self) -> Version | None:
        """Return the version readers see."""
        return self.record.version if self.record else None
