# ruff: noqa: S603 - the commands are ours, and no shell reads them
"""Processes that outlive the command that started them.

A process is known by its number, start time and boot: numbers alone are used again, and
nothing may be signalled that we did not start.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from luigi_sinks.testing.servers.account import Account

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PAUSE = 0.05


@dataclass(frozen=True)
class Command:
    """What starts a server; `environment` is all that it sees of ours and more.

    It runs as the servers' account unless another is named: a program of this very
    installation runs as ourselves, since the servers' account may not read it.
    """

    argv: tuple[str | Path, ...]
    environment: Mapping[str, str]
    account: Account | None = None


@dataclass(frozen=True)
class Process:
    """One particular process, which is the leader of its own group."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process, and not a later one of its number, still runs."""
        return find(self.pid) == self

    def stop(self, patience: float) -> None:
        """Ask it and its group to end, and end what has not done so in time."""
        members = _group(self.pid) if self.alive else []
        _signal(members, signal.SIGTERM)
        if not _ended_within(members, patience):
            _signal(members, signal.SIGKILL)
            _ended_within(members, patience)


def find(pid: int) -> Process | None:
    """Find the process that has this number now, or None; a zombie has ended."""
    state, *fields = _stat(pid)
    if state in "ZX":
        return None
    return Process(pid, f"{fields[18]}@{BOOT_ID.read_text(encoding='utf-8').strip()}")


def _stat(pid: int) -> list[str]:
    """Read what the kernel says of a process, from its state on; it is `X` when gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ["X"]
    # The command's name, in brackets, may hold spaces and brackets itself.
    return stat.rpartition(")")[2].split()


def _group(leader: int) -> list[Process]:
    """Find all processes of a group."""
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    members = [pid for pid in pids if _stat(pid)[2:3] == [str(leader)]]
    return [process for pid in members if (process := find(pid))]


def _signal(processes: Sequence[Process], number: signal.Signals) -> None:
    for process in processes:
        if process.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _ended_within(processes: Sequence[Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(process.alive for process in processes) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    return not any(process.alive for process in processes)


def start(command: Command, account: Account, *, folder: Path, log: Path) -> Process:
    """Start a command in a session of its own, with its output in `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command.argv,
            env=dict(command.environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid,
            group=account.gid,
            extra_groups=[] if os.geteuid() == 0 else None,
        )
    started = find(child.pid)
    # It is meant to outlive us, of which Popen would warn.
    child.returncode = 0
    return started or Process(child.pid, "ended-at-once")  # one word, as a pid file keeps it


def save(process: Process, path: Path) -> None:
    """Remember a process in a pid file."""
    path.write_text(f"{process.pid} {process.started}\n", encoding="utf-8")


def load(path: Path) -> Process | None:
    """Read the process of a pid file, whether it runs or not; None without a pid file."""
    try:
        pid, started = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return Process(int(pid), started)
