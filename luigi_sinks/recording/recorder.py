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
from pathlib import Path

from luigi_sinks import config
from luigi_sinks.recording import clock, settings
from luigi_sinks.recording.events import Event
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.recording.spool import Spool, files, sweep

_log = logging.getLogger("luigi_sinks.lineage")

_FLUSH = "luigi_sinks.lineage.flush"
"""Has a function `at_exit(settings)`, which takes at most `exit_seconds`; above this package, and slow to import."""


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
    if not settings.are_given():
        return None
    try:
        found = settings.read()
    except Exception as error:  # noqa: BLE001 - as above
        _log.warning("lineage is not recorded: %s", error)
        return None
    _deliver_at_exit()
    return Recorder(found, _spool(found.spool, found.max_bytes))


@cache
def _spool(folder: Path, max_bytes: int) -> Spool:
    """Return the file of this process: the same one when the configuration is replaced by one with the same lineage."""
    return Spool(folder, max_bytes)


config.when_replaced(active.cache_clear)


@cache
def _deliver_at_exit() -> None:
    atexit.register(_deliver, os.getpid(), f"{clock.now():016d}")


def _deliver(pid: int, since: str) -> None:
    """Deliver what is in the spool if this process, or one that it started since a time, has recorded anything."""
    is_child = pid != os.getpid() or multiprocessing.parent_process() is not None  # of a program, whose end counts
    if not is_child:
        deliver(since)


def deliver(since: str = "") -> None:
    """Deliver what is in the spool, for at most `exit_seconds`: for a process that ends without its exit handlers.

    It does nothing where lineage is off, and where nothing was recorded since a time. Never raises.
    """
    recorder = active()
    if recorder is None or not recorder.settings.exit_seconds:
        return
    recorder.spool.settle()
    recorder.spool.leave()  # so that its file is one of the dead
    with suppress(OSError):
        sweep(recorder.spool.folder)
    if any(path.name >= since for path in files(recorder.spool.folder)):
        try:
            import_module(_FLUSH).at_exit(recorder.settings)
        except Exception as error:  # noqa: BLE001 - the program has ended, and what it recorded is safe
            _log.warning("lineage stays in %s: %s; run `luigi-sinks lineage flush`", recorder.spool.folder, error)
