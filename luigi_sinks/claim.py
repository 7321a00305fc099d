"""Who is at work on a staged version, and whether they still live."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from luigi_sinks.process import boot, started

TERM = timedelta(minutes=15)
"""How long another machine believes a claim that is not renewed."""

_GIVEN_UP = datetime.fromtimestamp(0, UTC)

_log = logging.getLogger("luigi_sinks")
_held_here: set[str] = set()


@dataclass(frozen=True)
class Claim:
    """A process's claim: host, boot, pid and start time name it beyond doubt.

    On its own machine the process itself answers whether it lives; elsewhere, and
    where it may not be looked at, the claim counts until `until`. A claim only spares double work: that one of two
    loads wins is decided by the compare-and-swap at publish.
    """

    host: str
    boot: str
    pid: int
    started: int
    until: datetime

    def renewed(self) -> Claim:
        """Return the same claim for another term."""
        return replace(self, until=datetime.now(UTC) + TERM)

    def given_up(self) -> Claim:
        """Return the claim as one that its holder has laid down, though the process may live on."""
        return replace(self, until=_GIVEN_UP)

    @property
    def is_given_up(self) -> bool:
        """Tell whether nobody holds it any more, and nobody is to take up what it was for."""
        return self.until == _GIVEN_UP

    def is_live(self, version_id: str) -> bool:
        """Tell whether its holder is still at work on the version."""
        here = (self.host, self.boot) == (socket.gethostname(), boot())
        if here and self.pid == os.getpid():
            return version_id in _held_here
        return datetime.now(UTC) < self.until and not (here and self._is_gone())

    def _is_gone(self) -> bool:
        try:
            return started(self.pid) != self.started
        except PermissionError:
            return False

    def __str__(self) -> str:
        """Name the holder for an error message."""
        return f"pid {self.pid} on {self.host}"


@contextmanager
def held(version_id: str) -> Iterator[Claim]:
    """Claim the version for this process as long as the block runs."""
    claim = Claim(
        host=socket.gethostname(),
        boot=boot(),
        pid=os.getpid(),
        started=started(os.getpid()) or 0,
        until=datetime.now(UTC) + TERM,
    )
    _held_here.add(version_id)
    try:
        yield claim
    finally:
        _held_here.discard(version_id)


@contextmanager
def renewing(claim: Claim, renew: Callable[[Claim], object]) -> Iterator[None]:
    """Call `renew` every third of a term as long as the block runs, however slowly its rows come.

    A renewal that fails is a warning: there are two more before the term ends.
    """
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(TERM.total_seconds() / 3):
            try:
                renew(claim.renewed())
            except Exception as error:  # noqa: BLE001 - whatever it is, the load itself will meet it
                _log.warning("a claim was not renewed: %s", error)

    keeper = threading.Thread(target=copy_context().run, args=(keep,), name="luigi_sinks claim", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
