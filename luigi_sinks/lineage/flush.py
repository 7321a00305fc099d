"""Moves what processes recorded from the spool to its destinations: each event at least once, in batches.

Beside each spool file stands a cursor for each destination, a file with the offset up to which
that destination has it. One process at a time flushes a folder. When a process has ended, the
runs that it left open are closed as aborted, at the time of the last line of its file, so
that this is the same whenever it is done; and its file is removed once every destination
has it.

Delivering once more does no harm, so a flush may be killed anywhere.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from luigi_sinks import private_files
from luigi_sinks.errors import CredentialError, SinkError
from luigi_sinks.lineage.destinations import Destination, Make, Part, configured
from luigi_sinks.recording import spool
from luigi_sinks.recording.events import End, Ended, Event, Lost, Start
from luigi_sinks.recording.settings import LineageSettings

_log = logging.getLogger("luigi_sinks.lineage")

_LOCK = ".flusher"
_CURSOR = ".cursor"
_DONE = "done"

DIED = "the process ended without a word"
"""The error of a run whose process was killed."""


@dataclass(frozen=True)
class Delivery:
    """What one destination was given: so many events, of which some were refused for good.

    `error` says why the rest has to wait, empty if there is no rest.
    """

    name: str
    events: int = 0
    refused: int = 0
    error: str = ""


@dataclass(frozen=True)
class Report:
    """What a flush did.

    - `deliveries`: one for each destination that is configured.
    - `aborted`: the runs that were closed as their processes had ended.
    - `broken`: the lines that could not be read; `lost`: the events that were never written, as
      their processes counted them. Both count what was delivered now.
    - `removed`: the files of ended processes that every destination has.
    - `unread`: why files could not be read; the others were delivered.
    - `is_busy`: another process flushes the folder, and nothing was done.
    """

    deliveries: tuple[Delivery, ...] = ()
    aborted: int = 0
    broken: int = 0
    lost: int = 0
    removed: int = 0
    unread: tuple[str, ...] = ()
    is_busy: bool = False

    @property
    def is_complete(self) -> bool:
        """Tell whether every destination has all."""
        return not (self.is_busy or self.unread or any(each.error for each in self.deliveries))


def flush_once(settings: LineageSettings, *, seconds: float | None = None) -> Report:
    """Deliver what is in the spool now, for at most about so many seconds; return what was done.

    What a destination raises is in the report. Raises OSError if the folder cannot be used.

    Example:
        >>> from tempfile import mkdtemp
        >>> flush_once(LineageSettings(Path(mkdtemp()), graph=False)).is_complete
        True

    """
    until = None if seconds is None else time.monotonic() + seconds
    with _alone(settings.spool) as is_alone:
        if not is_alone:
            return Report(is_busy=True)
        flush = _Flush(settings, until)
        makes = configured(settings)
        deliveries = tuple(flush.deliver(name, make) for name, make in makes.items())
        removed = flush.remove_finished(list(makes)) if makes else 0
        return flush.report(deliveries, removed)


def follow(settings: LineageSettings, interval: float, tell: Callable[[Report], None]) -> None:
    """Flush again and again, with so many seconds between, until the process is told to stop."""
    while True:
        tell(flush_once(settings))
        time.sleep(interval)


def at_exit(settings: LineageSettings) -> None:
    """Deliver what is in the spool, for at most `exit_seconds`; what remains is for the next flush. Never raises.

    It is done in a thread that is left behind when the time is over.
    """
    thread = threading.Thread(target=_flush_quietly, args=(settings,), daemon=True)
    try:
        thread.start()
    except RuntimeError:  # from Python 3.12 on, a program that ends starts no thread
        is_late = not _in_time(settings.exit_seconds, _flush_quietly, settings)
    else:
        thread.join(settings.exit_seconds)
        is_late = thread.is_alive()
    if is_late:
        _log.warning(
            "lineage was not delivered within exit_seconds = %g; the next run does it, or `luigi-sinks lineage flush`",
            settings.exit_seconds,
        )


class _TimeOver(BaseException):
    """The time for a call is over; no handler of errors stops it."""


def _in_time(seconds: float, call: Callable[[LineageSettings], None], settings: LineageSettings) -> bool:
    """Call in the main thread, and tell whether it ended within so many seconds: a signal interrupts it then."""

    def interrupt(*_: object) -> None:
        raise _TimeOver

    handler = signal.signal(signal.SIGALRM, interrupt)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again, if the first is lost in a finalizer
    try:
        call(settings)
    except _TimeOver:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
    return True


def _flush_quietly(settings: LineageSettings) -> None:
    try:
        report = flush_once(settings, seconds=settings.exit_seconds)
    except Exception as error:  # noqa: BLE001 - a run that is over must not fail any more
        _log.warning("lineage stays in %s: %s", settings.spool, error)
        return
    for each in report.deliveries:
        if each.error:
            _log.warning("lineage for %s stays in %s: %s", each.name, settings.spool, each.error)


@contextmanager
def _alone(folder: Path) -> Generator[bool, None, None]:
    """Give whether no other process flushes the folder, and keep others away until the end."""
    private_files.make_folder(folder)
    with private_files.opened(folder / _LOCK, os.O_RDWR | os.O_CREAT) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@dataclass
class _Flush:
    """One flush of a folder; what comes meanwhile is for the next one."""

    settings: LineageSettings
    until: float | None
    aborted: set[str] = field(default_factory=set[str])
    broken: set[tuple[Path, int]] = field(default_factory=set[tuple[Path, int]])
    lost: dict[str, int] = field(default_factory=dict[str, int])
    unread: dict[Path, str] = field(default_factory=dict[Path, str])

    def __post_init__(self) -> None:
        # Whether a file's process has ended is asked before the file's size: what it wrote is all there then.
        self.files = {path: _is_dead(path) for path in spool.files(self.settings.spool)}
        self.sizes = {path: path.stat().st_size for path in self.files}

    def deliver(self, name: str, make: Make) -> Delivery:
        """Deliver all that a destination has not got yet."""
        events = refused = 0
        try:
            with closing(make(self.settings, self._seconds_left())) as destination:
                for parts in _batches(self._parts(name, destination.most), destination.most):
                    self._refuse_lateness()
                    refused += destination.deliver(parts)
                    events += sum(len(part.events) for part in parts)
                    self._move(destination, parts)
        except (SinkError, CredentialError, OSError) as error:
            return Delivery(name, events, refused, str(error) or type(error).__name__)
        return Delivery(name, events, refused)

    def _parts(self, name: str, most: int) -> Iterator[Part]:
        for path, is_dead in self.files.items():
            try:
                cursor = _cursor(path, name)
                if cursor is not None:
                    yield from self._parts_of(path, cursor, most, is_dead=is_dead)
            except (SinkError, OSError) as error:  # of this file; the others are delivered
                self.unread[path] = str(error)

    def _parts_of(self, path: Path, start: int, most: int, *, is_dead: bool) -> Iterator[Part]:
        end, events = start, list[Event]()
        for end, event in self._read(path, start):
            self._note(path, end, event)
            if event is not None:
                events.append(event)
            if len(events) >= most:
                yield Part(path, start, end, tuple(events))
                start, events = end, []
        if is_dead:
            yield Part(path, start, end, (*events, *self._closing(path)), is_last=True)
        elif end > start:
            yield Part(path, start, end, tuple(events))

    def _read(self, path: Path, start: int) -> Iterator[tuple[int, Event | None]]:
        """Yield what was in a file when the flush began: a busy process would keep it from ever ending."""
        return takewhile(lambda found: found[0] <= self.sizes[path], spool.read(path, start))

    def _note(self, path: Path, end: int, event: Event | None) -> None:
        if event is None:
            self.broken.add((path, end))
        elif isinstance(event, Lost):
            self.lost[event.spool] = max(event.count, self.lost.get(event.spool, 0))

    def _closing(self, path: Path) -> Iterator[Event]:
        """Yield what ends a file whose process has: ends of the runs that are open, and how many lines were broken."""
        begun, ended, last, broken = dict[str, None](), set[str](), 0, int(_is_torn(path))
        for _, event in spool.read(path):
            last = max(last, event.at if event else 0)
            broken += event is None
            if isinstance(event, Start):
                begun[event.run] = None
            elif isinstance(event, End):
                ended.add(event.run)
        for run in (run for run in begun if run not in ended):
            self.aborted.add(run)
            yield End(at=last, run=run, outcome=Ended.ABORTED, error=DIED)
        if broken:
            yield Lost(at=last, spool=f"{path.name} (broken lines)", count=broken)

    def _move(self, destination: Destination, parts: Sequence[Part]) -> None:
        """Note what a destination has, in one step for each file."""
        for part in {part.path: part for part in parts}.values():
            _write(_cursor_file(part.path, destination.name), f"{part.end} {_DONE if part.is_last else ''}")

    def remove_finished(self, names: Iterable[str]) -> int:
        """Remove the files of ended processes that all destinations have; return how many."""
        removed = 0
        for path, is_dead in self.files.items():
            if is_dead and all(_cursor(path, name) is None for name in names):
                path.unlink(missing_ok=True)
                removed += 1
        for cursor in self.settings.spool.glob(f"*{_CURSOR}"):
            if not cursor.with_name(cursor.name.rsplit(".", 2)[0]).exists():
                cursor.unlink(missing_ok=True)
        return removed

    def report(self, deliveries: tuple[Delivery, ...], removed: int) -> Report:
        """Return what was done."""
        return Report(
            deliveries,
            aborted=len(self.aborted),
            broken=len(self.broken),
            lost=sum(self.lost.values()),
            removed=removed,
            unread=tuple(self.unread.values()),
        )

    def _seconds_left(self) -> float | None:
        return None if self.until is None else max(0.1, self.until - time.monotonic())

    def _refuse_lateness(self) -> None:
        if self.until is not None and time.monotonic() > self.until:
            raise TimeoutError("the time for the flush was over")


def _is_dead(path: Path) -> bool:
    try:
        return spool.is_dead(path)
    except OSError:
        return False


def _is_torn(path: Path) -> bool:
    """Return whether the last line of a file is not whole: its process died while it wrote it."""
    with private_files.opened(path, os.O_RDONLY) as file:
        size = os.fstat(file).st_size
        return size > 0 and os.pread(file, 1, size - 1) != b"\n"


def _batches(parts: Iterable[Part], most: int) -> Iterator[list[Part]]:
    """Yield parts together that hold about as many events as a destination takes at a time."""
    batch: list[Part] = []
    size = 0
    for part in parts:
        if batch and size + len(part.events) > most:
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += len(part.events)
    if batch:
        yield batch


def _cursor_file(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}.{name}{_CURSOR}")


def _cursor(path: Path, name: str) -> int | None:
    """Return the offset up to which a destination has a file; None if it has all, and no more comes."""
    with suppress(FileNotFoundError, ValueError):
        offset, _, is_done = _cursor_file(path, name).read_text().partition(" ")
        return None if is_done == _DONE else int(offset)
    return 0


def _write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    new = path.with_name(f"{path.name}.new")
    with private_files.opened(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
        os.write(file, text.encode())
    new.rename(path)
