"""Where what was recorded is delivered to: what a destination must do, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Protocol

from luigi_sinks.recording import spool
from luigi_sinks.recording.events import Event
from luigi_sinks.recording.settings import LineageSettings


@dataclass(frozen=True)
class Part:
    """Events of one spool file, between two offsets, in the file's order.

    `is_last` says that no other follow, since the process that wrote the file has ended; the ends
    of the runs that it left open are among the events then.
    """

    path: Path
    start: int
    end: int
    events: tuple[Event, ...]
    is_last: bool = False

    def earlier(self) -> Iterator[Event]:
        """Yield the events of the file before these, which were delivered before. Raises OSError."""
        for end, event in spool.read(self.path):
            if end > self.start:
                return
            if event is not None:
                yield event


class Destination(Protocol):
    """A place that events are delivered to, one after the other, at least once.

    `name` is that of its cursors, `most` how many events it takes at a time. It connects when
    it is first given something.
    """

    name: ClassVar[str]
    most: ClassVar[int]

    def deliver(self, parts: Sequence[Part]) -> int:
        """Deliver events, and return how many were refused for good. They may have been delivered before.

        Raises SinkError, CredentialError or OSError if they are to be delivered once more.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""


_KINDS: Mapping[str, tuple[Callable[[LineageSettings], bool], str]] = {
    "neo4j": (lambda settings: settings.delivers_to_graph, "luigi_sinks.lineage.graph.destination:ToNeo4j"),
    "openlineage": (lambda settings: bool(settings.openlineage_url), "luigi_sinks.lineage.openlineage:ToOpenLineage"),
}
"""Of each destination: whether the settings name it, and its class."""

Make = Callable[[LineageSettings, float | None], Destination]
"""Makes a destination of which no call takes much longer than so many seconds. Raises SinkError."""


def configured(settings: LineageSettings) -> dict[str, Make]:
    """Return the destinations that the settings name, by the names of their cursors; imports none of them."""
    return {name: partial(_made, place) for name, (is_named, place) in _KINDS.items() if is_named(settings)}


def _made(place: str, settings: LineageSettings, seconds: float | None) -> Destination:
    module, _, name = place.partition(":")
    made: Destination = getattr(import_module(module), name)(settings, seconds)
    return made
