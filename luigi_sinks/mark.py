"""Marks: that an output is complete, without rows or versions; and what a store must do to keep them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from luigi_sinks.errors import SinkError
from luigi_sinks.location import Location
from luigi_sinks.login import Login
from luigi_sinks.record import Origin

FORMAT = 1
"""The version of the form in which a mark is kept."""


@dataclass(frozen=True)
class Mark:
    """That an output is complete: which one, and who asked for it, since when, and by whose login it was set.

    `adopted_from` names the table or index of `luigi.contrib` that an adopted mark was in.
    """

    origin: Origin
    at: datetime
    by: str = ""
    adopted_from: str = ""

    @property
    def update_id(self) -> str:
        """What identifies the output."""
        return self.origin.update_id

    @property
    def digest(self) -> str:
        """The key of the mark in every store: ids of outputs may be of any length."""
        return digest(self.update_id)

    def to_json(self) -> dict[str, Any]:
        """Return the mark as JSON values, with the format's number."""
        return {"format": FORMAT, **msgspec.to_builtins(self)}

    def encode(self) -> str:
        """Return the mark as text."""
        return msgspec.json.encode(self.to_json()).decode()


def digest(update_id: str) -> str:
    """Return the key of a mark: 64 hex digits."""
    return hashlib.sha256(update_id.encode()).hexdigest()


def refuse_newer(place: str, written: Any) -> None:
    """Raise SinkError if a mark has a newer format than this release knows."""
    if isinstance(written, int | str) and str(written).isdecimal() and int(written) <= FORMAT:
        return
    raise SinkError(f"{place} has a mark of format {written}, newer than this luigi_sinks; install a newer one")


class Marks(Protocol):
    """The marks under one name in a store. All calls may be repeated.

    Each raises Unavailable if the store does not answer, and Forbidden if it does not allow the call.
    """

    @property
    def store(self) -> str:
        """The store's name."""

    @property
    def dataset(self) -> str:
        """The name that the marks are kept under."""

    @property
    def location(self) -> Location:
        """Where they are, the same by whichever connection."""

    @property
    def login(self) -> Login:
        """As whom the store knows this process."""

    @property
    def publisher(self) -> Login:
        """The same: one login sets marks and looks at them."""

    @property
    def patience(self) -> float:
        """For how many seconds a call is retried while the store is unavailable."""

    def create(self) -> None:
        """Make what must exist before a mark is set; changes nothing that is there."""

    def known(self, update_ids: Collection[str]) -> Collection[str]:
        """Return those of the outputs that are marked."""

    def add(self, marks: Iterable[Mark]) -> None:
        """Keep marks; one that is there stays as it is."""


class TransactionalMarks(Marks, Protocol):
    """Marks that can be set in a transaction of the caller's."""

    def connect(self) -> Any:
        """Return a new DB-API connection, logged in, without autocommit."""

    def add_in(self, connection: Any, mark: Mark) -> bool:
        """Keep a mark in the transaction of a connection. Returns False if it was there, of this or another's."""


@dataclass(frozen=True)
class OldMark:
    """A row of a marker table of `luigi.contrib`, or a document of its marker index."""

    update_id: str
    name: str
    at: datetime | None = None
