"""Asks the stores how actions ended that the audit log says are begun, and no more."""

from __future__ import annotations

from pathlib import Path

from luigi_sinks import config, stores
from luigi_sinks.audit import notes
from luigi_sinks.audit.notes import Note
from luigi_sinks.errors import BadSetting, Conflict, CredentialError, Forbidden, SinkError
from luigi_sinks.record import Record


def unknown(path: Path, *, ask: bool) -> list[Note]:
    """Return what has no outcome in the log; before, ask the stores of the configuration, and log what they say.

    Raises OSError if the log cannot be read.
    """
    return [note for note in notes.unfinished(path) if not (ask and _is_found_out(note))]


def _is_found_out(note: Note) -> bool:
    """Log what the store says; return False if it does not say, or the log cannot be written."""
    try:
        return notes.find_out(note, _record(note))
    except (SinkError, CredentialError):
        return False


def _record(note: Note) -> Record | None:
    """Return the record of the version, None if no connection leads to one. Raises SinkError, CredentialError."""
    name, _, connection = note.server.partition(".")
    store = stores.find(name)
    is_local = config.common().local is not None
    connections = [connection] if connection or is_local else store.connections()
    if not connections:
        raise BadSetting(f"{config.where()} has no section of {name}")
    for each in connections:
        try:
            return store.catalog(note.of.dataset, each).record(note.of)
        except Forbidden:
            raise
        except (BadSetting, Conflict):  # no such dataset, no such version
            continue
    return None
