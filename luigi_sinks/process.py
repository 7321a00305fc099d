"""What names a process beyond doubt: a pid alone may be another's by now."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def boot() -> str:
    """Return an id of this boot of this machine, and of the container within which pids mean something."""
    machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{machine} {Path('/proc/self/ns/pid').readlink()}"


def started(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot, or None if it is gone.

    Raises PermissionError if it is there, and another user's that may not be looked at.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        _refuse_hidden(pid)
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else int(rest[18])


def _refuse_hidden(pid: int) -> None:
    """Raise PermissionError for a process that is there, and only hidden from us."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
