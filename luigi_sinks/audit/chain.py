"""A log that many processes append to: no line is lost, and none can be changed unseen.

Each line is a JSON object that holds its number and the SHA-256 of the line before it.
Whoever may write the file could forge all of it, so the head, number and hash of the
last line, is also kept elsewhere if there is an anchor.

Lines of a file that has grown too large move to NAME.NUMBER, the number of its last
line; those files are never removed here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

_TAIL = 1 << 16
"""Bytes that the last line must be found in."""


@dataclass(frozen=True)
class Head:
    """The number of a line and its hash."""

    number: int = 0
    hash: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.number:020d} {self.hash}"


class _Record(msgspec.Struct):
    """What the chain is made of; a line holds more."""

    seq: int
    prev: str


def _read(line: bytes) -> tuple[_Record, Head] | None:
    """Return the record in a line and the head that it is, or None if it is none of ours."""
    try:
        record = msgspec.json.decode(line, type=_Record)
    except msgspec.DecodeError:
        return None
    return record, Head(record.seq, hashlib.sha256(line).hexdigest())


@dataclass(frozen=True)
class Log:
    """Where the lines go: a file, how large it may grow, and where its head is kept too."""

    path: Path
    max_bytes: int = 64 << 20
    anchor: Path | None = None

    def append(self, fields: Mapping[str, Any]) -> None:
        """Write one line, numbered and chained.

        Raises OSError if it could not be written whole, or if lines are gone that the
        anchor knows of: to go on would hide that.
        """
        with _locked(self.path):
            last = self._append(fields, _anchored(self.anchor))
            if self.anchor:
                with _opened(self.anchor, os.O_WRONLY | os.O_CREAT) as file:
                    os.pwrite(file, f"{last}\n".encode(), 0)

    def files(self) -> list[Path]:
        """Return the log's files that are there, oldest lines first."""
        rotated = [path for path in self.path.parent.glob(f"{self.path.name}.*") if path.suffix[1:].isdecimal()]
        return [*sorted(rotated, key=lambda path: int(path.suffix[1:])), *filter(Path.exists, [self.path])]

    def _append(self, fields: Mapping[str, Any], known: Head) -> Head:
        with _opened(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            size = os.fstat(file).st_size
            head, torn = self._head(file, size)
            if head.number < known.number or (head.number == known.number and head != known):
                raise OSError(
                    f"it ends before record {known.number}, which its anchor knows; verify it, and move both away"
                )
            line = msgspec.json.encode({"seq": head.number + 1, "prev": head.hash, **fields})
            if size == 0 or size + len(line) < self.max_bytes:
                _write(file, size, b"\n" * torn + line + b"\n")
                return Head(head.number + 1, hashlib.sha256(line).hexdigest())
        self.path.rename(self.path.with_name(f"{self.path.name}.{head.number}"))
        return self._append(fields, known)

    def _head(self, file: int, size: int) -> tuple[Head, bool]:
        """Return the last whole line's head, and whether a crash left half a line after it."""
        if size == 0:
            before = self.files()[:-1]
            return (_last(before[-1].read_bytes()) if before else Head()), False
        tail = os.pread(file, _TAIL, max(0, size - _TAIL))
        return _last(tail), not tail.endswith(b"\n")


def _last(text: bytes) -> Head:
    end = len(text)
    while end > 0:
        start = text.rfind(b"\n", 0, end) + 1
        if found := _read(text[start:end]):
            return found[1]
        end = start - 1
    raise OSError("it ends with no line of ours; verify it, and move it away")


def _write(file: int, size: int, text: bytes) -> None:
    """Append all of the text, or nothing."""
    try:
        whole = os.write(file, text) == len(text)
    except OSError:
        os.ftruncate(file, size)
        raise
    if not whole:
        os.ftruncate(file, size)
        raise OSError("there is no room for a whole line")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes, and other threads of this one, out of the log.

    The lock is a file of its own, as the log's is renamed.
    """
    with _opened(_lock(path), os.O_RDONLY | os.O_CREAT) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # also for a child that was forked meanwhile, which has the file too


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


@contextmanager
def _opened(path: Path, how: int) -> Iterator[int]:
    """Open a file that is this user's alone. Raises PermissionError if others may read or write it."""
    file = os.open(path, how | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.fstat(file).st_mode & 0o077:
            raise PermissionError(f"{path} is open to others; it must have mode 0600")
        yield file
    finally:
        os.close(file)


@dataclass(frozen=True)
class Fault:
    """What is wrong, and with which line of which file, counted from 1 there; 0 is what no line shows."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.reason}"


@dataclass
class Verdict:
    """What was found: how many records, the last one's head, and all that is wrong."""

    records: int = 0
    head: Head = field(default_factory=Head)
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Tell whether every line is there and as it was written."""
        return not self.faults


def verify(path: Path, anchor: Path | None = None, *, first: int = 1) -> Verdict:
    """Look through the log for lines that were changed, removed, added or cut off.

    Without an anchor, lines that are cut off the end, and a whole log that was
    forged, cannot be noticed. `first` is the number of the first line to expect,
    where files with earlier ones were put away. Others may go on writing. Raises
    OSError if the files cannot be read.
    """
    with ExitStack() as opened:
        with _locked(path) if _lock(path).exists() else nullcontext():  # to a copy nobody writes
            known = _read_anchor(anchor) if anchor else None
            files = [(opened.enter_context(each.open("rb")), each.stat().st_size) for each in Log(path).files()]
        verdict = Verdict(head=Head(first - 1, ""))
        for file, size in files:
            _look_through(file, size, verdict, known)
    if known and known.number > verdict.head.number:
        reason = f"the log ends with record {verdict.head.number}, and the anchor knows of {known.number}"
        verdict.faults.append(Fault(path.name, 0, reason))
    return verdict


def _look_through(file: IO[bytes], size: int, verdict: Verdict, known: Head | None) -> None:
    name, at = Path(file.name).name, 0
    while file.tell() < size:
        line, at = file.readline().rstrip(b"\n"), at + 1
        if (found := _read(line)) is None:
            verdict.faults.append(Fault(name, at, "is no record"))
            continue
        record, head = found
        reason = _reason(verdict.head, head, record.prev, known)
        if reason:
            verdict.faults.append(Fault(name, at, reason))
        verdict.records += 1
        verdict.head = head


def _reason(before: Head, head: Head, prev: str, known: Head | None) -> str:
    """Say what is wrong between two lines that follow each other, if anything is."""
    if head.number > before.number + 1:
        return f"records {before.number + 1} to {head.number - 1} are missing before it"
    if head.number <= before.number:
        return f"record {head.number} stands after record {before.number}"
    if before.hash and prev != before.hash:
        return f"the record before it, {before.number}, was changed"
    if known and head.number == known.number and head.hash != known.hash:
        return f"record {head.number} is not the one that was anchored"
    return ""


def _read_anchor(path: Path) -> Head:
    number, digest = path.read_text().split()
    return Head(int(number), digest)


def _anchored(path: Path | None) -> Head:
    """Return what the anchor knows; nothing if there is none yet."""
    try:
        return _read_anchor(path) if path and path.exists() else Head()
    except ValueError:
        raise OSError(f"its anchor {path} holds no head of a log") from None
