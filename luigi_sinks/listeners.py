"""Calls every listener with each event: the audit log, the logger, lineage, then those added by `listen`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from luigi_sinks import report
from luigi_sinks.audit import listener as audit
from luigi_sinks.audit import notes
from luigi_sinks.events import Action, Event, Outcome
from luigi_sinks.login import Login
from luigi_sinks.record import Origin
from luigi_sinks.sink import Catalog
from luigi_sinks.version import Version

Listener = Callable[[Event], None]
"""Is told of each event. What it raises stops the action, unless the event is past being stopped."""

_log = logging.getLogger("luigi_sinks")


def _record(event: Event) -> None:
    """Record the event for lineage, where that is on."""
    from luigi_sinks.recording import listener  # noqa: PLC0415 - reads luigi.cfg, which importing luigi_sinks does not

    listener.write(event)


_ALWAYS: tuple[Listener, ...] = (audit.write, report.log, _record)
_added: list[Listener] = []


def listen(listener: Listener) -> Listener:
    """Have a function told of every event in this process from now on; usable as a decorator.

    Example:
        >>> from luigi_sinks import Event, listen
        >>> @listen
        ... def count(event: Event) -> None:
        ...     print(event.action, event.outcome, event.version, event.rows)
        >>> stop_listening(count)

    """
    if listener not in _added:
        _added.append(listener)
    return listener


def stop_listening(listener: Listener) -> None:
    """Tell a function of no further event; does nothing if it was not told of any."""
    if listener in _added:
        _added.remove(listener)


class KnownAs(Protocol):
    """A catalog or marks: it tells as whom a store knows this process."""

    @property
    def login(self) -> Login:
        """As whom the store knows who loads and reads."""

    @property
    def publisher(self) -> Login:
        """As whom the store knows who publishes and drops."""


class Telling:
    """Tells listeners how one action goes. Facts about it add up from event to event."""

    def __init__(self, catalog: KnownAs, event: Event, also: Sequence[Listener] = ()) -> None:
        self._catalog = catalog
        self.event = event
        self._also = tuple(also)
        self._pid = os.getpid()
        self._start = time.monotonic()
        self._steps: dict[str, float] = {}

    def know(self, **facts: Any) -> None:
        """Add facts for the events to come."""
        self.event = replace(self.event, **facts)

    def tell(self, outcome: Outcome, *, action: Action | None = None, **facts: Any) -> None:
        """Tell the next event. What a listener raises is passed on, unless the event is past."""
        if os.getpid() != self._pid:  # a forked child leaves the action to its parent
            return
        action = action or self.event.action
        login = self._catalog.login if action in {Action.LOAD, Action.READ} else self._catalog.publisher
        self.know(action=action, outcome=outcome, login=login, steps=dict(self._steps), **facts)
        self.know(seconds=time.monotonic() - self._start)
        for listener in (*_ALWAYS, *_added, *self._also):
            try:
                listener(self.event)
            except Exception as error:
                if not self.event.is_past:
                    raise
                _log.warning("%s: a listener failed when told of the %s: %s", self.event.version, action, error)

    @property
    def steps(self) -> Mapping[str, float]:
        """The seconds that each step that is over took."""
        return self._steps

    def divide(self, step: str, pieces: Mapping[str, float]) -> None:
        """Count pieces of a step, in seconds, as steps of their own; it may still go on."""
        for name, seconds in pieces.items():
            self._steps[step] = self._steps.get(step, 0.0) - seconds
            self._steps[name] = self._steps.get(name, 0.0) + seconds

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note how long the block takes, as one step of the action."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._steps[name] = self._steps.get(name, 0.0) + time.monotonic() - start


@contextmanager
def telling(
    catalog: Catalog, action: Action, version: Version, origin: Origin | None, also: Sequence[Listener] = ()
) -> Iterator[Telling]:
    """Give what tells of the action within the block; tell the failure if the block ends in an error."""
    told = Telling(catalog, Event(action, Outcome.BEGUN, catalog.store, version, catalog.location, origin), also)
    notes.settle(catalog)
    try:
        yield told
    except BaseException as error:  # GeneratorExit and SystemExit too
        told.tell(Outcome.FAILURE, action=action, error=error)
        raise
