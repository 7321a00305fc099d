"""Ties tokens and leases to the life of Luigi's tasks."""

from __future__ import annotations

from typing import Any

import luigi

from luigi_sinks import running
from luigi_sinks.credentials.provider import PROVIDER

_watched: set[type[luigi.Task]] = set()


def watch(kind: type[luigi.Task]) -> None:
    """Drop tokens and revoke leases of tasks of this kind when they end, however they end.

    Call it where the kind is defined, so that a process that was spawned for a
    task knows it too. START, SUCCESS and FAILURE happen in the process that runs
    the task, PROCESS_FAILURE and TIMEOUT in its parent, which outlives it.
    Watching a kind again, or one that derives from it, changes nothing.
    """
    if issubclass(kind, tuple(_watched)):
        return
    _watched.add(kind)
    handlers = {
        luigi.Event.START: _begin,
        luigi.Event.SUCCESS: _end,
        luigi.Event.FAILURE: _end,
        luigi.Event.PROCESS_FAILURE: _reap,
        luigi.Event.TIMEOUT: _reap,
    }
    for event, handler in handlers.items():
        kind.event_handler(event)(handler)


def _begin(task: Any) -> None:
    owner = getattr(task, "owner", "")
    PROVIDER.begin(running.Running(task.task_id, task.get_task_family(), owner if isinstance(owner, str) else ""))


def _end(task: Any, *_: Any) -> None:
    PROVIDER.end(task.task_id)


def _reap(task: Any, *_: Any) -> None:
    PROVIDER.reap(task.task_id)
