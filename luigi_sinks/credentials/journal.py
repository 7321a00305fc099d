"""A journal of open leases on disk, so that another process can revoke them if their own process is killed.

The journal is a folder (mode 0700) with one file (mode 0600) per lease, so it needs no
lock. Each file names the lease, its credential, task and process, and contains no
secret. The folder is local to the machine, because process ids are.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from luigi_sinks import config, private_files
from luigi_sinks.errors import BadSetting
from luigi_sinks.process import boot, started


@dataclass(frozen=True)
class LeaseSettings:
    """The section `[luigi_sinks.leases]`.

    `folder` is the folder of the lease journal, on a local disk; by default a folder of
    this user in the system's temporary folder. It is created if missing, and must have
    mode 0700.

    Example:
        >>> from luigi_sinks import config, private_files
        >>> config.use({"luigi_sinks": {"leases": {"folder": "/var/lib/pipelines/leases"}}})
        >>> config.read(LeaseSettings, "luigi_sinks.leases")
        LeaseSettings(folder=PosixPath('/var/lib/pipelines/leases'))

    """

    folder: Path | None = None


@dataclass(frozen=True)
class LeaseRecord:
    """A lease, and the process that holds it, identified by host, boot, pid and start time."""

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
        """Return whether a child of this process recorded it. A pid alone is not enough: pids are reused."""
        return (self.host, self.boot, self.parent) == (socket.gethostname(), boot(), os.getpid())

    @property
    def is_held(self) -> bool:
        """Return whether its process still runs; True for another host, where this cannot be checked."""
        if self.host != socket.gethostname():
            return True
        with suppress(PermissionError):  # the pid now belongs to a process of another user
            return self.boot == boot() and started(self.pid) == self.started
        return False


def add(lease: str, credential: str, task_id: str) -> LeaseRecord:
    """Record a lease of this process."""
    pid = os.getpid()
    record = LeaseRecord(lease, credential, task_id, socket.gethostname(), boot(), pid, _parent(), started(pid) or 0)
    path = _path(record)
    temporary = path.with_suffix(f".{pid}")
    with private_files.opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
        os.write(file, msgspec.json.encode(record))
    temporary.rename(path)
    return record


def remove(record: LeaseRecord) -> None:
    """Remove a lease that has ended."""
    _path(record).unlink(missing_ok=True)


def entries() -> Iterator[LeaseRecord]:
    """Yield all leases in the journal of this user on this machine."""
    for path in _folder().glob("*.json"):
        with suppress(FileNotFoundError, msgspec.MsgspecError):  # removed meanwhile, or truncated by a crash
            yield _read(path)


def _read(path: Path) -> LeaseRecord:
    try:
        with private_files.opened(path, os.O_RDONLY) as file:
            return msgspec.json.decode(os.read(file, 1 << 16), type=LeaseRecord)
    except PermissionError as error:
        raise BadSetting(f"the journal of leases cannot be read: {error}; or remove it") from None


def _parent() -> int:
    """Return the pid of the process that requested this one; under forkserver, another process forked it."""
    parent = multiprocessing.parent_process()
    return (parent and parent.pid) or os.getppid()


def _path(record: LeaseRecord) -> Path:
    return _folder() / f"{hashlib.blake2b(record.lease.encode(), digest_size=16).hexdigest()}.json"


def _folder() -> Path:
    """Return the folder, created if missing. Raises BadSetting if other users can access it."""
    named = config.read(LeaseSettings, "luigi_sinks.leases").folder
    folder = named or Path(tempfile.gettempdir()) / f"luigi_sinks-{os.getuid()}-leases"
    try:
        private_files.make_folder(folder)
    except PermissionError as error:
        raise BadSetting(
            f"{error}, because leases are recorded there; remove it, or set [luigi_sinks.leases] folder to another one"
        ) from None
    return folder
