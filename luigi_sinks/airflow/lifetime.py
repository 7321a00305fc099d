"""Ties tokens, leases and connections to the run of a task: they are of this run, and end with it.

Airflow runs a task in a child process, which leaves by `os._exit`: what is registered for
the end of a process never runs there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from luigi_sinks import closing, running
from luigi_sinks.airflow.identity import TaskRun
from luigi_sinks.airflow.stopping import stopping
from luigi_sinks.credentials.provider import PROVIDER

_log = logging.getLogger("luigi_sinks")

_open: list[TaskRun] = []
"""The run whose block is open in this process. A block within it, such as that of a second load, ends nothing."""


@contextmanager
def lifetime(run: TaskRun, owner: str) -> Iterator[None]:
    """Fetch tokens within the block for this run and team; at its end close all connections, and revoke all leases.

    SIGTERM raises SystemExit within the block. Open the outermost block in the task's main thread.
    """
    if _open:
        yield
        return
    PROVIDER.begin(running.Running(run.id, run.family, owner))
    _open.append(run)
    try:
        with stopping():
            yield
    finally:
        _open.clear()
        try:
            _close()
        finally:
            PROVIDER.end(run.id)


def _close() -> None:
    try:
        closing.close()
    except Exception as error:  # noqa: BLE001 - what is published is published, and the process ends soon
        _log.warning("a connection could not be closed at the end of the task: %s", error)
