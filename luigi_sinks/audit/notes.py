"""Finds out how actions ended whose process was killed before it could log that.

Each load, rollback, withdrawal and prune that the log says is begun has a note: a file beside the log, which
is removed when the outcome is in the log. A note that a dead process left is an action without
an outcome. The next action on the dataset asks the store for it, or `luigi-sinks audit verify`,
which also finds those in the log itself.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from luigi_sinks import private_files, running
from luigi_sinks.audit import log
from luigi_sinks.audit.chain import Log
from luigi_sinks.errors import CredentialError, SinkError
from luigi_sinks.events import Action, Event, Outcome
from luigi_sinks.process import boot, started
from luigi_sinks.record import Record
from luigi_sinks.sink import Catalog
from luigi_sinks.version import State, Version

_ACTIONS = {Action.LOAD, Action.ROLLBACK, Action.WITHDRAW, Action.PRUNE}

_LATELY = timedelta(minutes=15)
"""For how long after its begin an action may go on whose process cannot be seen from here."""

_open_here: set[Path] = set()
"""The notes of what this process is doing now."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """An action that was begun: the fields of its line in the log, and when its process started."""

    action: str
    outcome: str = Outcome.BEGUN
    server: str = ""
    version: str = ""
    time: datetime
    host: str
    pid: int
    boot: str = ""
    started: int = 0
    task_id: str = ""
    correlation: str = ""

    def __str__(self) -> str:
        """Return what was begun, when and where."""
        when = f"{self.time:%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.action} of {self.version}, begun at {when} by pid {self.pid} on {self.host}"

    @property
    def of(self) -> Version:
        """The version."""
        return Version(*self.version.rsplit("/", 2))

    @property
    def file(self) -> Path:
        """The file of the note."""
        return _file(self.action, self.of.id)

    @property
    def may_go_on(self) -> bool:
        """Tell whether its process may still be at it: it runs, or runs where that cannot be seen, and began lately."""
        if self.pid == os.getpid() and self.host == socket.gethostname():
            return self.file in _open_here
        with suppress(PermissionError):  # a process of another user, which is hidden
            if self.host == socket.gethostname() and self.boot in {"", boot()}:
                return (now := started(self.pid)) is not None and self.started in {0, now}
        return datetime.now(UTC) - self.time < _LATELY


def add(event: Event) -> None:
    """Note that an action is begun. Raises OSError."""
    if event.action not in _ACTIONS or event.outcome is not Outcome.BEGUN or log.log_path() is None:
        return
    note = Note(
        action=event.action,
        server=event.store,
        version=str(event.version),
        time=datetime.now(UTC),
        host=socket.gethostname(),
        pid=os.getpid(),
        boot=boot(),
        started=started(os.getpid()) or 0,
        task_id=running.current().task_id,
        correlation=event.correlation,
    )
    _open_here.add(note.file)
    note.file.parent.mkdir(mode=0o700, exist_ok=True)
    with private_files.opened(note.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
        os.write(file, msgspec.json.encode(note))


def end(event: Event, *, is_logged: bool) -> None:
    """Remove the note of an action whose outcome is logged; one that could not be logged is found out later."""
    action = _begun_as(event.action)
    if action not in _ACTIONS or log.log_path() is None:
        return
    file = _file(action, event.version.id)
    _open_here.discard(file)
    if is_logged:
        file.unlink(missing_ok=True)


def settle(catalog: Catalog) -> None:
    """Log how the actions on a dataset ended whose processes were killed, as far as its store knows."""
    for note in _left():
        if (note.server, note.of.dataset) == (catalog.store, catalog.dataset) and not note.may_go_on:
            with suppress(SinkError, CredentialError):
                find_out(note, catalog.record(note.of))


def find_out(note: Note, record: Record | None) -> bool:
    """Log how an action ended, by the record of its version; return whether that is logged, or it still goes on.

    None for the record says that no registry holds the version.
    """
    if record is not None and record.is_unfinished and record.claim.is_live(record.version.id):
        return True
    is_logged = log.record(_outcome(note, record))
    if is_logged:
        note.file.unlink(missing_ok=True)
    return is_logged


def unfinished(path: Path) -> list[Note]:
    """Return what a log says is begun, has no outcome there, and cannot go on. Raises OSError."""
    begun: dict[tuple[str, str], Note] = {}
    for line in Log(path).lines():
        with suppress(msgspec.MsgspecError):  # a line that `verify` tells of, or of a token
            note = msgspec.json.decode(line, type=Note)
            key = (_begun_as(note.action), note.version)
            if note.outcome == Outcome.BEGUN and note.action in _ACTIONS:
                begun[key] = note
            elif (note.action, note.outcome) != (Action.LOAD, Outcome.SUCCESS):  # its publication follows
                begun.pop(key, None)
    noted = {(note.action, note.version): note for note in _left()} if path == log.log_path() else {}
    return [note for key, found in begun.items() if not (note := noted.get(key, found)).may_go_on]


def _outcome(note: Note, record: Record | None) -> log.Entry:
    action, is_done = note.action, False
    state = record.state if record else "in no registry"
    if record is not None and note.action == Action.PRUNE:
        is_done = record.state is State.DROPPED
    elif record is not None and note.action == Action.WITHDRAW:
        is_done = record.withdrawn is not None and record.state is not State.PUBLISHED
    elif record is not None:
        since = [each for each in record.publications if note.action == Action.LOAD or each.at >= note.time]
        is_done = bool(since)
    is_superseded = record is not None and note.action == Action.LOAD and record.superseded_at is not None
    if is_done and note.action == Action.LOAD:
        action = Action.PUBLISH
    return log.Entry(
        action,
        Outcome.SUPERSEDED if is_superseded and not is_done else "success" if is_done else "failure",
        f"found out later, as pid {note.pid} on {note.host} ended before it could log this: the version is {state}",
        server=note.server,
        dataset=note.of.dataset,
        version=note.version,
        epoch=record.publications[-1].epoch if record and is_done and record.publications else None,
        rows=record.rows if record and is_done else None,
        task_id=note.task_id,
        correlation=note.correlation,
    )


def _begun_as(action: str) -> str:
    """Return the action that an outcome ends: a publication ends a load."""
    return Action.LOAD if action == Action.PUBLISH else action


def _left() -> Iterator[Note]:
    """Yield all notes."""
    for file in _file("", "").parent.glob("*") if log.log_path() else ():
        with suppress(OSError, msgspec.MsgspecError):  # removed meanwhile, or cut short by a crash
            yield msgspec.json.decode(private_files.read(file), type=Note)


def _file(action: str, version: str) -> Path:
    path = log.log_path()
    assert path is not None
    return path.with_name(f".{path.name}.begun") / f"{action}_{version}"
