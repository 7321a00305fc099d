"""What becomes of versions, said once more, and as simply as it goes: the measure for every store.

Each method returns whether the step is permitted, and takes it in the model if it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from luigi_sinks.version import State, Version

UNFINISHED = {State.STAGED, State.SEALED, State.VALIDATED, State.ABANDONED}
ENDING = {State.ABANDONED, State.DROPPING}


@dataclass(eq=False)
class Known:
    """One version: the rows that it was loaded with, and under which label."""

    version: Version
    rows: list[Any]
    state: State
    label: str = ""
    is_withdrawn: bool = False
    is_pinned: bool = False
    is_left: bool = False

    @property
    def was_published(self) -> bool:
        return self.state in {State.PUBLISHED, State.RETIRED, State.DROPPING, State.DROPPED} and not self.is_left

    @property
    def has_rows(self) -> bool:
        return self.state in {State.VALIDATED, State.PUBLISHED, State.RETIRED}

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED and not self.is_left

    @property
    def may_be_shown(self) -> bool:
        return self.state is State.RETIRED and not self.is_withdrawn


@dataclass(eq=False)
class Partition:
    """The versions of one partition, oldest first, the one that readers see, and how often that has moved."""

    versions: list[Known] = field(default_factory=list)
    head: Known | None = None
    epoch: int = 0

    def clear(self) -> None:
        """Fail what dead loads left, as the next load of the partition does."""
        for known in self.versions:
            if known.is_unfinished:
                known.state = State.FAILED

    def sweep(self) -> None:
        """Finish what was being deleted."""
        for known in self.versions:
            if known.state in ENDING:
                known.state = State.FAILED if known.state is State.ABANDONED else State.DROPPED

    def begin(self, known: Known) -> None:
        self.versions.append(known)

    def load(self, known: Known) -> None:
        self.clear()
        self.begin(known)
        self.show(known)
        self.sweep()

    def completes(self, label: str) -> bool:
        return any(each.was_published and not each.is_withdrawn and label in {"", each.label} for each in self.versions)

    def show(self, known: Known | None) -> None:
        if self.head is not None:
            self.head.state = State.RETIRED
        if known is not None:
            known.state = State.PUBLISHED
        self.head, self.epoch = known, self.epoch + 1

    def roll_back(self, known: Known) -> bool:
        if known is self.head:
            return True
        if not known.may_be_shown:
            return False
        self.show(known)
        return True

    def mark_withdrawn(self, known: Known) -> bool:
        known.is_withdrawn = known.is_withdrawn or known.was_published
        return known.was_published

    def withdraw(self, known: Known) -> bool:
        if not self.mark_withdrawn(known):
            return False
        if known is self.head:
            self.show(next((each for each in reversed(self.versions) if each.may_be_shown), None))
        return True

    def pin(self, known: Known) -> bool:
        is_permitted = known.state in {State.PUBLISHED, State.RETIRED}
        known.is_pinned = known.is_pinned or is_permitted
        return is_permitted

    def begin_drop(self, known: Known) -> bool:
        if known is self.head or known.is_unfinished or known.is_pinned:
            return False
        if known.state not in {State.DROPPED, State.FAILED}:
            known.state = State.DROPPING
        return True

    def prune(self, known: Known) -> bool:
        if not self.begin_drop(known):
            return False
        if known.state is State.DROPPING:
            known.state = State.DROPPED
        return True

    def beyond(self, keep: int) -> Iterator[Known]:
        """Yield what a policy does not keep, and what is half deleted."""
        room = keep - (self.head is not None)
        for known in reversed(self.versions):
            if known.may_be_shown and room > 0:
                room -= 1
            elif (known.state is State.RETIRED and not known.is_pinned) or known.state in ENDING:
                yield known

    def prune_all(self, keep: int) -> set[Version]:
        gone = list(self.beyond(keep))
        for known in gone:
            known.state = State.FAILED if known.state is State.ABANDONED else State.DROPPED
        return {known.version for known in gone}
