"""Leases that a process must give back, where others find them when it is killed.

A folder of mode 0700 with one file of mode 0600 a lease, so that nobody has to
wait for anybody. A file names the lease, its credential, its task and the process;
there is no secret in it. The folder is on this machine only, as processes are.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from luigi_sinks import config
from luigi_sinks.errors import BadSetting
from luigi_sinks.process import boot, started


@dataclass(frozen=True)
class LeaseSettings:
    """The section `[luigi_sinks.leases]`: the folder of the journal."""

    folder: Path | None = None


@dataclass(frozen=True)
class Leased:
    """A lease, and the process that holds it: its pid, start time and boot name it beyond doubt."""

    lease: str
    credential: str
    task_id: str
    host: str
    boot: str
    pid: int
    parent: int
    started: int

    @property
    def is_of_child(self) -> bool:
        """Tell whether a child of this very process noted it: pids are used again, and by other machines too."""
        return (self.host, self.boot, self.parent) == (socket.gethostname(), boot(), os.getpid())

    @property
    def is_held(self) -> bool:
        """Tell whether its process still runs; on another machine that cannot be known."""
        if self.host != socket.gethostname():
            return True
        with suppress(PermissionError):  # another user's process is not the one that wrote this
            return self.boot == boot() and started(self.pid) == self.started
        return False


def enter(lease: str, credential: str, task_id: str) -> Leased:
    """Note a lease of this process."""
    pid = os.getpid()
    leased = Leased(lease, credential, task_id, socket.gethostname(), boot(), pid, _parent(), started(pid) or 0)
    path = _path(leased)
    beside = path.with_suffix(f".{pid}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(leased))
    beside.rename(path)
    return leased


def strike(leased: Leased) -> None:
    """Take a lease off that has ended."""
    _path(leased).unlink(missing_ok=True)


def entries() -> Iterator[Leased]:
    """Yield all leases that are noted on this machine by this user."""
    for path in _folder().glob("*.json"):
        with suppress(FileNotFoundError, msgspec.MsgspecError):  # struck off meanwhile, or cut short by a crash
            yield msgspec.json.decode(path.read_bytes(), type=Leased)


def _parent() -> int:
    """Return the pid of who wanted this process, which under forkserver is not who forked it."""
    wanted = multiprocessing.parent_process()
    return (wanted and wanted.pid) or os.getppid()


def _path(leased: Leased) -> Path:
    return _folder() / f"{hashlib.blake2b(leased.lease.encode(), digest_size=16).hexdigest()}.json"


def _folder() -> Path:
    """Return the folder, made if need be. Raises BadSetting if others could write there."""
    named = config.read(LeaseSettings, "luigi_sinks.leases").folder
    folder = named or Path(tempfile.gettempdir()) / f"luigi_sinks-{os.getuid()}-leases"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BadSetting(
            f"{folder} must be a folder of this user's with mode 0700, as leases are noted there; "
            "remove it, or name another in [luigi_sinks.leases] folder = ..."
        )
    return folder
