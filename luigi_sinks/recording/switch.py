"""Switches recording on in a process that is to run tasks of Luigi: by Luigi's own setting, before workers are made."""

from __future__ import annotations

import logging
from importlib import import_module

from luigi_sinks.recording import recorder

_log = logging.getLogger("luigi_sinks.lineage")


def switch_on() -> bool:
    """Have the tasks of this process's Luigi recorded if there is a section `[luigi_sinks.lineage]`; return whether.

    Importing `luigi_sinks.recording`, or a target or task of luigi_sinks, calls it. Call it again
    if the section was added to the configuration later, before you build. Never raises.

    Example:
        >>> from luigi_sinks import config
        >>> switch_on()
        False

    """
    recorder.active.cache_clear()
    if recorder.active() is None:
        return False
    try:
        import_module("luigi_sinks.recording.luigi").take_over()
    except Exception as error:  # noqa: BLE001 - without Luigi, or with one that is unlike those we know
        _log.warning("tasks of Luigi are not recorded: %s", error)
        return False
    return True
