"""The claim of a process on a staged version, and whether that process is alive."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from luigi_sinks.process import boot, started

LEASE = 120.0
"""Seconds for which a claim is valid without being renewed, unless the store's section sets another `lease`."""

_GIVEN_UP = datetime.fromtimestamp(0, UTC)

_log = logging.getLogger("luigi_sinks")
_held_here: set[str] = set()


@dataclass(frozen=True)
class Claim:
    """The claim of a process, which is identified by host, boot, pid and start time.

    On the same machine, the claim is valid while the process runs. On other machines, and
    if the process is hidden from this user, it is valid until `until`. A claim only avoids
    duplicate work; which of two loads wins is decided by the compare-and-swap at publish.
    """

    host: str
    boot: str
    pid: int
    started: int
    until: datetime

    def renewed(self, lease: float = LEASE) -> Claim:
        """Return the same claim, valid for another lease from now, in seconds."""
        return replace(self, until=datetime.now(UTC) + timedelta(seconds=lease))

    def given_up(self) -> Claim:
        """Return the claim as released by its holder, although the process may still run."""
        return replace(self, until=_GIVEN_UP)

    @property
    def is_given_up(self) -> bool:
        """Return whether the claim was released, so that no load resumes or clears the version."""
        return self.until == _GIVEN_UP

    def is_live(self, version_id: str) -> bool:
        """Return whether its holder is still working on the version."""
        if self.is_here and self.pid == os.getpid():
            return version_id in _held_here
        return datetime.now(UTC) < self.until and not (self.is_here and self._is_gone())

    @property
    def is_here(self) -> bool:
        """Return whether its holder is, or was, a process of this machine since it was started."""
        return (self.host, self.boot) == (socket.gethostname(), boot())

    def _is_gone(self) -> bool:
        try:
            return started(self.pid) != self.started
        except PermissionError:
            return False

    def __str__(self) -> str:
        """Return the holder, for error messages."""
        return f"pid {self.pid} on {self.host}"


@contextmanager
def held(version_id: str, lease: float = LEASE) -> Iterator[Claim]:
    """Claim the version for this process while the block runs; `lease` is in seconds."""
    claim = Claim(
        host=socket.gethostname(),
        boot=boot(),
        pid=os.getpid(),
        started=started(os.getpid()) or 0,
        until=datetime.now(UTC) + timedelta(seconds=lease),
    )
    _held_here.add(version_id)
    try:
        yield claim
    finally:
        _held_here.discard(version_id)


@contextmanager
def renewing(claim: Claim, renew: Callable[[Claim], object], lease: float = LEASE) -> Iterator[None]:
    """Call `renew` every third of a lease while the block runs, even if its rows arrive slowly.

    A failed renewal is only logged, and retried four times as often until one succeeds.
    """
    ended = threading.Event()

    def keep() -> None:
        wait = lease / 3
        while not ended.wait(wait):
            try:
                renew(claim.renewed(lease))
                wait = lease / 3
            except Exception as error:  # noqa: BLE001 - a lasting error will also fail the load itself
                _log.warning("cannot renew a claim, will retry: %s", error)
                wait = lease / 12

    keeper = threading.Thread(target=copy_context().run, args=(keep,), name="luigi_sinks claim", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
