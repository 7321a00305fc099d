"""Who is at work on a staged version, and whether they still live."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from luigi_sinks.process import boot, started

TERM = timedelta(minutes=15)
"""How long another machine believes a lease that is not renewed."""

_held_here: set[str] = set()


@dataclass(frozen=True)
class Lease:
    """A process's claim: host, boot, pid and start time name it beyond doubt.

    On its own machine the process itself answers whether it lives; elsewhere the
    claim counts until `until`. A claim only spares double work: that one of two
    loads wins is decided by the compare-and-swap at publish.
    """

    host: str
    boot: str
    pid: int
    started: int
    until: datetime

    def renewed(self) -> Lease:
        """Return the same claim for another term."""
        return replace(self, until=datetime.now(UTC) + TERM)

    def is_live(self, version_id: str) -> bool:
        """Tell whether its holder is still at work on the version."""
        if (self.host, self.boot) != (socket.gethostname(), boot()):
            return datetime.now(UTC) < self.until
        if self.pid == os.getpid():
            return version_id in _held_here
        return started(self.pid) == self.started

    def __str__(self) -> str:
        """Name the holder for an error message."""
        return f"pid {self.pid} on {self.host}"


@contextmanager
def held(version_id: str) -> Iterator[Lease]:
    """Claim the version for this process as long as the block runs."""
    lease = Lease(
        host=socket.gethostname(),
        boot=boot(),
        pid=os.getpid(),
        started=started(os.getpid()) or 0,
        until=datetime.now(UTC) + TERM,
    )
    _held_here.add(version_id)
    try:
        yield lease
    finally:
        _held_here.discard(version_id)
