"""The graph as a destination of what was recorded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar

from luigi_sinks.errors import SinkError
from luigi_sinks.lineage.ask import connection_settings
from luigi_sinks.lineage.destinations import Part
from luigi_sinks.lineage.graph import schema, writing
from luigi_sinks.neo4j import connection
from luigi_sinks.recording.events import Event
from luigi_sinks.recording.settings import LineageSettings

_log = logging.getLogger("luigi_sinks.lineage")


class ToNeo4j:
    """Delivers to the lineage in Neo4j. An event that the database refuses for what it says is left out."""

    name: ClassVar[str] = "neo4j"
    most: ClassVar[int] = 5_000

    def __init__(self, settings: LineageSettings, seconds: float | None = None) -> None:
        self._settings = connection_settings(settings, seconds)
        self._is_ready = False

    def deliver(self, parts: Sequence[Part]) -> int:
        """Write all events in one transaction."""
        if not self._is_ready:
            schema.prepare(connection.alone(self._settings))
            self._is_ready = True
        return self._write([event for part in parts for event in part.events])

    def _write(self, events: Sequence[Event]) -> int:
        try:
            writing.write(self._settings, events)
        except SinkError as refusal:
            if not writing.is_refused(refusal):
                raise
            if len(events) > 1:
                middle = len(events) // 2
                return self._write(events[:middle]) + self._write(events[middle:])
            _log.warning("Neo4j refuses a %s for lineage, which is left out: %s", type(events[0]).__name__, refusal)
            return 1
        return 0

    def close(self) -> None:
        """Close the driver."""
        connection.close(self._settings)
