"""A lock that a file holds: it is let go when its holder ends, however it ends."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock; wait for whoever has it."""
    handle = _taken(path)
    try:
        yield
    finally:
        os.close(handle)


def _taken(path: Path) -> int:
    """Open and lock the file, again if a purge has removed it while we waited."""
    while True:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        _wait_for(handle, path)
        if path.exists() and os.fstat(handle).st_ino == path.stat().st_ino:
            return handle
        os.close(handle)


def _wait_for(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("waiting for another command that holds %s", path)
        fcntl.flock(handle, fcntl.LOCK_EX)
