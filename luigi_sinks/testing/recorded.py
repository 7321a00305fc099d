"""What runs record for lineage in a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from luigi_sinks import config, recording
from luigi_sinks.recording import spool
from luigi_sinks.recording.events import End, Event, Publication, Read, Start, Write


@dataclass(frozen=True)
class Recorded:
    """The events of a folder, in the order of processes, and of time within each."""

    folder: Path

    def events(self) -> list[Event]:
        """Return all that was recorded so far."""
        return [event for path in spool.files(self.folder) for _, event in spool.read(path) if event is not None]

    def runs(self) -> list[Start]:
        """Return the beginnings of runs."""
        return [event for event in self.events() if isinstance(event, Start)]

    def ends(self) -> list[End]:
        """Return the ends of runs, with their outcomes."""
        return [event for event in self.events() if isinstance(event, End)]

    def reads(self) -> list[Read]:
        """Return what runs read."""
        return [event for event in self.events() if isinstance(event, Read)]

    def writes(self) -> list[Write]:
        """Return what runs wrote."""
        return [event for event in self.events() if isinstance(event, Write)]

    def publications(self) -> list[Publication]:
        """Return which versions became the heads."""
        return [event for event in self.events() if isinstance(event, Publication)]


@contextmanager
def recording_into(folder: Path) -> Iterator[Recorded]:
    """Record into a folder, beside the configuration that is in force, and deliver nothing."""
    others = {name: config.section(name) for name in config.section_names()}
    section = {"spool": str(folder), "graph": "false", "exit_seconds": "0"}
    with config.using({**others, "luigi_sinks.lineage": section}):
        recording.switch_on()
        yield Recorded(folder)
