"""What a store must do, and nothing about how."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from luigi_sinks.claim import Claim
from luigi_sinks.contract import Contract
from luigi_sinks.record import Head, Origin, Record
from luigi_sinks.version import Version

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A numbered piece of a staged version.

    `rows` are as the contract accepted them. `first_row` is the number of the
    first one, counted from 1 over the whole load.
    """

    number: int
    kind: str
    first_row: int
    rows: Sequence[Any]


@dataclass(frozen=True)
class StagedCounts:
    """What the server itself says of a staged version that is ready to serve.

    `set_aside` counts rows that the task allowed to be left out.
    """

    rows: int
    set_aside: int = 0


class Stage(Protocol):
    """A version being written where no reader looks."""

    @property
    def version(self) -> Version:
        """The version."""

    @property
    def writers(self) -> int:
        """How many parts may be written at once."""

    def write(self, part: Part) -> None:
        """Write a part exactly once, however often it is tried.

        Raises BadRow for a row that the server refuses, Unavailable when it is
        unknown whether the part arrived: the same part may then be written again.
        """

    def renew(self, claim: Claim) -> None:
        """Keep the claim alive."""

    def seal(self) -> StagedCounts:
        """End all writing, make the version ready to serve, and count it on the server."""

    def approve(self) -> None:
        """Record that the checks passed."""

    def abandon(self) -> None:
        """Record that the load failed and delete its rows; never touches a published version."""


class Sink(Protocol):
    """One dataset in one store: its versions, its registry, its heads."""

    @property
    def store(self) -> str:
        """The store's name, as in `luigi_sinks.mariadb`."""

    @property
    def dataset(self) -> str:
        """The name readers use."""

    @property
    def contract(self) -> Contract:
        """What a row must look like."""

    def head(self, partition: str) -> Head:
        """Return what readers of the partition see now."""

    def records(self, *, partition: str | None = None, update_ids: Collection[str] | None = None) -> Iterator[Record]:
        """Yield the history, oldest first, of one partition or of some outputs."""

    def begin(self, version: Version, origin: Origin, claim: Claim) -> Stage:
        """Register a new version, take its number, and open a stage for it."""

    def attach(self, version: Version) -> Stage:
        """Open the stage of a registered version, from any process or machine."""

    def publish(self, version: Version, *, replacing: Head) -> None:
        """Move the head in one atomic step, if it still is `replacing`; else raise Conflict.

        Publishing what already is the head does nothing, so a call whose answer
        was lost may be repeated. Only validated and once-published versions can
        be published; Conflict tells of any other.
        """

    def retire(self, version: Version) -> None:
        """Record that the version is no longer the head; does nothing if it is."""

    def drop(self, version: Version) -> None:
        """Delete the rows of a version that is no head; keep its record."""

    def read(self, version: Version) -> Iterator[Row]:
        """Yield the version's rows, in no particular order."""
