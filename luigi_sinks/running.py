"""Which task this process is running, for audit attribution and for keeping tasks' tokens apart."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Running:
    """An attempt at a task; `correlation` joins our audit log with that of a store."""

    task_id: str = ""
    family: str = ""
    owner: str = ""
    correlation: str = field(default_factory=lambda: secrets.token_hex(8))


_running = Running()


def current() -> Running:
    """Return the attempt that runs, or one without names between tasks."""
    return _running


def become(running: Running) -> None:
    """Set what runs from now on, in all threads: Luigi runs one task at a time in a process."""
    global _running  # noqa: PLW0603 - a thread of the task would not see a context variable
    _running = running
