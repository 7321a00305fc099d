"""Namespaces for tests: one a test, known to be dead once its process is, however that ended.

A process marks its namespaces by a file that it holds locked. What the tests of a killed
process loaded is deleted by the next process that loads into the same store.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

from luigi_sinks import stores
from luigi_sinks.retry import patient

_START = "t"
_numbers = count(1)
_swept: set[str] = set()


def new() -> str:
    """Return a namespace that no other test has."""
    return f"{_mark(os.getpid())}{next(_numbers)}"


def drop(used: Iterable[str], namespace: str) -> None:
    """Delete the datasets of a namespace in these stores."""
    _drop(used, f"{namespace}_")


def sweep(used: Iterable[str]) -> None:
    """Delete, in stores that were not looked at before, what the tests of dead processes loaded."""
    unseen = [name for name in used if name not in _swept]
    _swept.update(unseen)
    for path in _folder().iterdir() if unseen else ():
        if _is_dead(path):
            _drop(unseen, path.name)


def _drop(used: Iterable[str], start: str) -> None:
    for store in map(stores.find, used):
        for name in store.datasets():
            if name.startswith(start):
                patient(store.catalog(name)).drop()


@cache
def _mark(pid: int) -> str:
    """Return what the names of this process's namespaces begin with, and hold a file of this name locked."""
    start = f"{_START}{secrets.token_hex(4)}x"
    handle = os.open(_folder() / start, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    atexit.register(_unmark, pid, _folder() / start)
    return start


def _unmark(pid: int, path: Path) -> None:
    """Remove the mark of this process, whose tests have each deleted what they loaded."""
    if pid == os.getpid():
        path.unlink(missing_ok=True)


def _is_dead(path: Path) -> bool:
    """Return whether the process of a mark has ended."""
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"luigi-sinks-tests-of-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    return folder
