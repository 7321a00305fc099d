"""Discards tokens and revokes leases when a Luigi task ends."""

from __future__ import annotations

from typing import Any

import luigi

from luigi_sinks import running
from luigi_sinks.credentials.provider import PROVIDER

_watched: set[type[luigi.Task]] = set()


def watch(kind: type[luigi.Task]) -> None:
    """Discard the tokens and revoke the leases of tasks of this class when they end, even if they are killed.

    Call it where the class is defined, so that it also takes effect in a process that is
    spawned for a task. START, SUCCESS and FAILURE occur in the process that runs the task,
    PROCESS_FAILURE and TIMEOUT in its parent. Calling it again for the same class, or for a
    subclass, changes nothing.
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
    asked_outputs = type(task).complete is luigi.Task.complete
    PROVIDER.begin(
        running.Running(task.task_id, task.get_task_family(), owner if isinstance(owner, str) else "", asked_outputs)
    )


def _end(task: Any, *_: Any) -> None:
    PROVIDER.end(task.task_id)


def _reap(task: Any, *_: Any) -> None:
    PROVIDER.reap(task.task_id)
