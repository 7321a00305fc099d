"""What is told of a load, a publication, a read and what is done by hand: one kind of event for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from luigi_sinks.checks import CheckResult
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.record import Origin
from luigi_sinks.running import current
from luigi_sinks.version import Version


class Action(StrEnum):
    """What is done to a version."""

    LOAD = "load"
    PUBLISH = "publish"
    ROLLBACK = "rollback"
    WITHDRAW = "withdraw"
    """A version is declared wrong. If readers saw it, a rollback to another one follows, or they see nothing."""
    PIN = "pin"
    UNPIN = "unpin"
    EXPOSE = "expose"
    """Readers find a version under a name of its own, beside the head."""
    HIDE = "hide"
    """Such a name is removed."""
    PRUNE = "prune"
    DROP_DATASET = "drop_dataset"
    """The whole dataset is deleted; told of each head, or without an id if there is none."""
    READ = "read"
    ABANDON = "abandon"
    """The rows of a load that failed are deleted: one that just ended, or one that a dead process left."""
    TOUCH = "touch"
    """An output is marked as complete; the `id` of the event's version is that of the output."""
    ADOPT = "adopt"
    """What exists becomes a version, or marks of `luigi.contrib` are taken over: as many as `rows` says."""
    SWEEP = "sweep"
    """What is left of a version that failed or was dropped is deleted: a dead process or a late request left it."""


class Outcome(StrEnum):
    """The stage of the action.

    `success` of a load means that the checks passed; its publication follows, or `superseded`: the
    version is complete, and readers never see it. `stopped` is for a reader that stops before the last row.
    """

    BEGUN = "begun"
    SUCCESS = "success"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"
    FAILURE = "failure"


@dataclass(frozen=True)
class Event:
    """One thing that happens to a version.

    `location` says where the dataset is. `replaced` is the head before this version, and
    `epoch` counts the moves of the head, this one included; both are known once the head
    was read. `rows` is the server's count, or the number of rows that were read;
    `set_aside` counts rows that the task allows to be left out. `bytes` is the size of
    the rows as JSON, `columns` names what they hold, and its types in the store's words.
    `seconds` is the time since the action began, `steps` the seconds that each of its steps
    took: of a load, the rows' `source`, to `validate` and `encode` them, to `wait` for the
    store, `seal`, `check`, `publish`. `part_seconds` are those of each part that was written. `login` says as whom
    the store knows this process, `correlation` joins the event with the audit log and
    the store's own. `error` is what ended the action.
    """

    action: Action
    outcome: Outcome
    store: str
    version: Version
    location: Location
    origin: Origin | None = None
    replaced: Version | None = None
    epoch: int = 0
    rows: int = 0
    set_aside: int = 0
    bytes: int = 0
    seconds: float = 0.0
    steps: Mapping[str, float] = field(default_factory=dict)
    part_seconds: tuple[float, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    login: Login = field(default_factory=Login)
    correlation: str = field(default_factory=lambda: current().correlation)
    error: BaseException | None = None

    @property
    def is_past(self) -> bool:
        """Tell whether nothing can be stopped any more: the version is published, dropped or read, or it failed."""
        is_validated = self.action is Action.LOAD and self.outcome is Outcome.SUCCESS
        return self.outcome is not Outcome.BEGUN and not is_validated

    @property
    def rows_per_second(self) -> float:
        """Return the rate over all of the action."""
        return self.rows / self.seconds if self.seconds else 0.0
