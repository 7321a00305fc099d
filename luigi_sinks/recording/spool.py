"""A folder of files that keep events until they are delivered: one file a process, one checksummed line an event.

A line is the CRC-32 of its JSON in eight hexadecimal digits, a space, the JSON, and a
newline; the first line is a `Header`. A process holds its file under a shared `flock`
for as long as it lives, so that whoever gets the exclusive one knows that no more comes.

What is written is with the kernel, and not synced: it survives the death of the process
by whatever signal, and not the loss of power.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import secrets
import socket
import threading
import time
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from luigi_sinks import private_files
from luigi_sinks.errors import SinkError
from luigi_sinks.plain import plain
from luigi_sinks.recording import clock
from luigi_sinks.recording.events import FORMAT, End, Event, Lost

_log = logging.getLogger("luigi_sinks.lineage")

_SUFFIX = ".spool"
_NEW = f"{_SUFFIX}.new"
_LATELY = 60.0
"""Seconds in which a new file gets its name, unless its process is dead."""

_CRC = 9
"""Characters before the JSON of a line."""

_LAST_WORDS = 4096
"""Bytes at the end of a file that only counts of what was lost may fill."""


def _basic(value: Any) -> Any:
    """Return a value of a basic type for one of its subclass, such as the names of SQLAlchemy."""
    found = plain(value)
    if type(found) is type(value):
        raise TypeError(f"a {type(value).__name__} cannot be recorded")
    return found


_encode = msgspec.json.Encoder(enc_hook=_basic).encode
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Header(msgspec.Struct, frozen=True):
    """The first line of a file: the version of its format, and which process writes it since when (microseconds)."""

    format: int
    host: str
    pid: int
    at: int


class Spool:
    """The file of this process in a folder; it is made when the first event comes. Each fork makes one of its own.

    At most `max_bytes` are written. The last tenth is for the ends of runs, as a run
    whose start is known and whose end is not would count as aborted.
    """

    def __init__(self, folder: Path, max_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self._most = max_bytes
        self._has_warned = False
        self._forget()
        _spools.add(self)

    def append(self, event: Event) -> None:
        """Write an event. Never raises: an event that cannot be written is counted, and the count is written later."""
        try:
            with self._lock:
                self._tell_lost()
                self._write(event, self._most - _LAST_WORDS if isinstance(event, End) else self._room)
        except Exception as error:  # noqa: BLE001 - nothing that happens here may change what the task does
            self.lose(error)

    def lose(self, error: Exception) -> None:
        """Count an event that is lost, and warn of the first."""
        with self._lock:
            self._lost += 1
        self._warn(error)

    def settle(self) -> None:
        """Write how many events were lost, if that is not written yet: nothing may follow. Never raises."""
        try:
            with self._lock:
                self._tell_lost(is_last=True)
        except Exception as error:  # noqa: BLE001 - as above; it is told by the next call, or not at all
            self._warn(error)

    @property
    def _room(self) -> int:
        """The bytes that all events may fill."""
        return self._most * 9 // 10

    def _forget(self) -> None:
        """Begin without a file: in a new process, whose parent keeps the one that it has."""
        self._lock = threading.RLock()  # an event may come while another is written, from a signal or a finalizer
        self._file = -1
        self._identity = (0, 0)
        self._name = ""
        self._lost = self._told = 0
        self._is_torn = False

    def leave(self) -> None:
        """Let go of the file; in a fork, its parent would seem to live on. The next event makes another one."""
        if self._size() is not None:
            os.close(self._file)
        self._forget()

    def _tell_lost(self, *, is_last: bool = False) -> None:
        """Write how many events were lost; in a file that is almost full only whenever that has doubled."""
        if self._lost <= self._told:
            return
        if is_last or self._lost >= 2 * self._told or (self._size() or 0) < self._room:
            self._open()
            self._write(Lost(at=clock.now(), spool=self._name, count=self._lost), self._most)
            self._told = self._lost

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning("lineage cannot be recorded in %s: %s; events are lost, and counted", self.folder, error)

    def _write(self, event: Event, most: int) -> None:
        """Append a line, whole or not at all. Raises OSError."""
        size, line = self._open(), _line(event)
        if size + len(line) > most:
            raise OSError(f"{self._name} has reached its max_bytes")
        line, self._is_torn = b"\n" * self._is_torn + line, True
        _append(self._file, size, line)
        self._is_torn = False

    def _open(self) -> int:
        """Return the size of this process's file; make the file if there is none, or if it was closed or removed."""
        size = self._size()
        if size is None:
            self._make()
            size = self._size()
            assert size is not None
        return size

    def _size(self) -> int | None:
        """Return the size of the file; None if the descriptor is not of that file any more, or nobody can find it."""
        try:
            found = os.fstat(self._file)
        except OSError:
            return None
        return found.st_size if (found.st_dev, found.st_ino) == self._identity and found.st_nlink else None

    def _make(self) -> None:
        """Make a file, and lock it before it has the name by which others look for it."""
        private_files.make_folder(self.folder)
        name = f"{clock.now():016d}-{os.getpid()}-{secrets.token_hex(4)}"
        new, path = self.folder / f"{name}{_NEW}", self.folder / f"{name}{_SUFFIX}"
        how = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(new, how, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _append(file, 0, _line(Header(FORMAT, socket.gethostname(), os.getpid(), clock.now())))
            new.rename(path)
        except BaseException:
            os.close(file)
            new.unlink(missing_ok=True)
            raise
        found = os.fstat(file)
        self._file, self._identity, self._name = file, (found.st_dev, found.st_ino), path.name
        self._lost, self._told, self._is_torn = self._lost - self._told, 0, False


_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _leave_all() -> None:
    for spool in _spools:
        spool.leave()


def _settle_all() -> None:
    for spool in _spools:
        spool.settle()


os.register_at_fork(after_in_child=_leave_all)
atexit.register(_settle_all)  # children of multiprocessing do not come here: the end of a run settles too


def files(folder: Path) -> list[Path]:
    """Return the files of a folder, the one that was begun first at the head."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def sweep(folder: Path) -> None:
    """Remove the files of processes that died before they had given them their name. Raises OSError."""
    for path in folder.glob(f"*{_NEW}"):
        with suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > _LATELY:
                path.unlink()


def is_dead(path: Path) -> bool:
    """Return whether the process that wrote a file has ended: what the file holds from now on is all. Raises OSError.

    While one process asks, another one that asks gets False.
    """
    with private_files.opened(path, os.O_RDONLY) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def header(path: Path) -> Header | None:
    """Return the first line of a file, None if it is broken. Raises OSError."""
    with private_files.opened(path, os.O_RDONLY) as file, os.fdopen(os.dup(file), "rb") as content:
        return _header(content.readline())


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, Event | None]]:
    """Yield each event from an offset on, and the offset at which it ends; None for a line that is broken.

    A line at the end that is not whole is left: its process may still be writing it, or died of that.
    Raises OSError, and SinkError for a file of a later format.

    Example:
        >>> from tempfile import mkdtemp
        >>> from luigi_sinks.recording.events import Dataset, Removal
        >>> folder = Path(mkdtemp())
        >>> flights = Dataset("file", "/data/flights.csv")
        >>> Spool(folder).append(Removal(at=1, dataset=flights, partition="_all", version="m1s2"))
        >>> [event.version for file in files(folder) for _, event in read(file)]
        ['m1s2']

    """
    with private_files.opened(path, os.O_RDONLY) as file, os.fdopen(os.dup(file), "rb") as content:
        is_first = content.seek(offset) == 0
        for line in content:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            if not (is_first and _is_header(path, line)) and line != b"\n":
                yield offset, _event(line)
            is_first = False


def _is_header(path: Path, line: bytes) -> bool:
    found = _header(line)
    if found is not None and found.format > FORMAT:
        raise SinkError(
            f"{path} has format {found.format}, and this release reads up to {FORMAT}; upgrade luigi-sinks here"
        )
    return found is not None


def _header(line: bytes) -> Header | None:
    try:
        return msgspec.json.decode(_checked(line), type=Header)
    except ValueError:
        return None


def _event(line: bytes) -> Event | None:
    try:
        return _decoder.decode(_checked(line))
    except ValueError:
        return None


def _line(said: Event | Header) -> bytes:
    text = _encode(said)
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _checked(line: bytes) -> bytes:
    """Return the JSON in a line. Raises ValueError."""
    text = line[_CRC:-1]
    if int(line[: _CRC - 1], 16) != zlib.crc32(text):
        raise ValueError("the line is broken")
    return text


def _append(file: int, size: int, line: bytes) -> None:
    """Append a line to a file of this size, whole or not at all. Raises OSError."""
    try:
        written = os.write(file, line)
    except OSError:
        os.ftruncate(file, size)
        raise
    if written != len(line):
        os.ftruncate(file, size)
        raise OSError("there is no space for a whole line; free disk space")
