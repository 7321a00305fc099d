"""Logs each load in one line."""

from __future__ import annotations

import logging

from luigi_sinks.events import Action, Event, Outcome

_log = logging.getLogger("luigi_sinks")


def log(event: Event) -> None:
    """Log what was published by a load, or superseded, at INFO."""
    if event.outcome is Outcome.SUPERSEDED:
        _log.info("%s: loaded %s, which is not shown: readers see a newer date", event.store, event.version)
    if (event.action, event.outcome) != (Action.PUBLISH, Outcome.SUCCESS):
        return
    _log.info(
        "%s: published %s: %d rows%s in %.2f s (%.0f rows/s, %d parts; %s)",
        event.store,
        event.version,
        event.rows,
        f" ({event.set_aside} set aside)" if event.set_aside else "",
        event.seconds,
        event.rows_per_second,
        len(event.part_seconds),
        ", ".join(f"{name} {seconds:.2f}" for name, seconds in event.steps.items()),
    )
