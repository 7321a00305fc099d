"""Identifies a process by boot, pid and start time: a pid alone may have been reused."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def boot() -> str:
    """Return an id of this machine's boot and of this container's pid namespace."""
    machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{machine} {Path('/proc/self/ns/pid').readlink()}"


def started(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot, or None if it has ended.

    Raises PermissionError if the process belongs to another user and is hidden from this one.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        _refuse_hidden(pid)
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the process name before it may contain anything
    return None if state in "ZX" else int(rest[18])


def _refuse_hidden(pid: int) -> None:
    """Raise PermissionError if the process exists but /proc hides it from this user."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
