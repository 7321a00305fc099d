"""Where this process records, if it does. Nothing here raises: what is not recorded is counted, or warned of once."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from luigi_sinks import config
from luigi_sinks.recording import settings
from luigi_sinks.recording.events import Event
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.recording.spool import Spool

_log = logging.getLogger("luigi_sinks.lineage")

_FLUSH = "luigi_sinks.lineage.flush"


@dataclass(frozen=True)
class Recorder:
    """The settings, and the file of this process."""

    settings: LineageSettings
    spool: Spool

    def append(self, *events: Event) -> None:
        """Write events to the spool. Never raises."""
        for event in events:
            self.spool.append(event)

    @contextmanager
    def harmless(self) -> Iterator[None]:
        """Count what goes wrong in the block as one event that is lost."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a task does what it does without lineage
            self.spool.lose(error)


@cache
def active() -> Recorder | None:
    """Return what records in this process; None if lineage is off, or if its section is wrong, which is logged once."""
    try:
        found = settings.read()
        if found is None:
            return None
        recorder = Recorder(found, Spool(found.spool, found.max_bytes))
        _flush_at_exit(recorder)
    except Exception as error:  # noqa: BLE001 - as above
        _log.warning("lineage is not recorded: %s", error)
        return None
    return recorder


config.when_replaced(active.cache_clear)


def _flush_at_exit(recorder: Recorder) -> None:
    """Have what was recorded delivered when this process ends, if it is not one that was started for a task."""
    if recorder.settings.exit_seconds and multiprocessing.parent_process() is None:
        atexit.register(_flush, recorder, os.getpid())


def _flush(recorder: Recorder, pid: int) -> None:
    if pid != os.getpid():  # a fork that ends as a program does
        return
    recorder.spool.settle()
    try:
        flush = import_module(_FLUSH)
    except ImportError:
        return
    with suppress(Exception):
        flush.at_exit(recorder.settings)
