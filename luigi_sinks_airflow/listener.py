"""Hears of the begin and the end of each task of Airflow, and passes it on where lineage can be on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import hookimpl

_VARIABLES = ("LUIGI_SINKS_CONFIG", "LUIGI_CONFIG_PATH")
_FILES = ("luigi.cfg", "luigi.toml", "/etc/luigi/luigi.cfg", "/etc/luigi/luigi.toml")
"""Where a section of lineage can be. Looking there takes no time; importing luigi_sinks takes half a second."""


def is_configured() -> bool:
    """Return whether there is any configuration that luigi_sinks reads."""
    return any(map(os.environ.get, _VARIABLES)) or any(Path(file).exists() for file in _FILES)


@hookimpl
def on_task_instance_running(task_instance: Any) -> None:
    """Record that a run begins."""
    if is_configured():
        _runs().begin(task_instance)


@hookimpl
def on_task_instance_success() -> None:
    """Record that the run is complete."""
    if is_configured():
        _runs().end()


@hookimpl
def on_task_instance_skipped() -> None:
    """Record that the run is complete: it skipped the rest of itself."""
    if is_configured():
        _runs().end()


@hookimpl
def on_task_instance_failed(error: Any) -> None:
    """Record that the run failed."""
    if is_configured():
        _runs().end(error if isinstance(error, BaseException) else RuntimeError(error))


@hookimpl
def before_stopping() -> None:
    """Record that the run is suspended, if nothing said how it ended: it waits for a trigger."""
    if is_configured():
        _runs().suspend()


def _runs() -> Any:
    from luigi_sinks.airflow import recorded_runs  # noqa: PLC0415 - as said above

    return recorded_runs
