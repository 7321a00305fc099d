"""Records the runs of Airflow's tasks for lineage, also of those that use nothing else of this package."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from luigi_sinks import recording
from luigi_sinks.airflow.identity import TaskRun
from luigi_sinks.recording import recorder
from luigi_sinks.recording.runs import Run, Suspended

_open: list[ExitStack] = []
"""The run that is recorded in this process."""


def begin(instance: Any) -> None:
    """Record that the run of a task instance begins, where lineage is on. Never raises."""
    active = recorder.active()
    if active is not None:
        with active.harmless():
            suspend()
            stack = ExitStack()
            stack.enter_context(_recorded(instance.get_template_context()))
            _open.append(stack)


def end(error: BaseException | None = None) -> None:
    """Record how the run ended, if one was begun, and deliver it: Airflow's process leaves without exit handlers."""
    if _open:
        _open.pop().__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        recorder.deliver()


def suspend() -> None:
    """Record that the run waits, if nothing said how it ended: another one goes on."""
    end(Suspended())


def _recorded(context: Mapping[str, Any]) -> AbstractContextManager[Run]:
    from airflow import __version__  # noqa: PLC0415 - the rest of this module needs no Airflow

    run, dag_run = TaskRun.of(context), context["dag_run"]
    return recording.run(
        run.family,
        run.id,
        params=run.parameters,
        requires=[run.of_task(name) for name in sorted(context["ti"].task.upstream_task_ids)],
        owner=run.owner,
        orchestrator="airflow",
        orchestrator_version=__version__,
        parent=run.run_id,
        build=int(dag_run.start_date.timestamp() * 1_000_000) if dag_run.start_date else 0,
        period=run.logical_date,
        worker=socket.gethostname(),
    )
