"""Which task is running, for audit attribution and for keeping tasks' tokens apart."""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Running:
    """An attempt at a task.

    `is_incomplete` tells that Luigi runs it because not all of its outputs existed.
    `correlation` joins our audit log with that of a store.
    """

    task_id: str = ""
    family: str = ""
    owner: str = ""
    is_incomplete: bool = False
    correlation: str = field(default_factory=lambda: secrets.token_hex(8))


_NOTHING = Running()

_here: ContextVar[Running] = ContextVar("running", default=_NOTHING)
"""What runs in this thread: a program may build several graphs at once, each in a thread of its own."""

_anywhere: dict[str, Running] = {}
"""What runs in this process, by task id."""


def current() -> Running:
    """Return the attempt that runs here, or one without names between tasks.

    In a thread that a task started itself, this is the task, if it is the only one
    that runs in the process.
    """
    here, anywhere = _here.get(), list(_anywhere.values())
    return anywhere[0] if not here.task_id and len(anywhere) == 1 else here


def here() -> Running:
    """Return the attempt that was begun in this thread, or one without names."""
    return _here.get()


def become(running: Running) -> None:
    """Set what runs from now on in this thread; `Running()` means that no task does."""
    _anywhere.pop(_here.get().task_id, None)
    _here.set(running if running.task_id else _NOTHING)
    if running.task_id:
        _anywhere[running.task_id] = running
