"""An append-only log for many processes, as a hash chain: no line is lost, and every change is detected.

Each line is a JSON object with its sequence number and the SHA-256 of the line before it.
A user who can write the file could forge the whole chain. To detect this, the head (number
and hash of the last line) can be kept in a second file elsewhere, the anchor. It moves only
if the line that it knows is in the log, and all later lines follow from it.

A file that reaches its maximum size is renamed to NAME.NUMBER, with the number of its last
line. This package never removes these files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from luigi_sinks import private_files
from luigi_sinks.audit import anchor as anchors
from luigi_sinks.audit.anchor import Head

_TAIL = 1 << 16
"""The last line must begin within this many bytes from the end of the file."""


class _Record(msgspec.Struct):
    """The fields of a line that form the chain; a line has further fields."""

    seq: int
    prev: str


def _read(line: bytes) -> tuple[_Record, Head] | None:
    """Return the record in a line and its head, or None if the line is not a record."""
    try:
        record = msgspec.json.decode(line, type=_Record)
    except msgspec.DecodeError:
        return None
    return record, Head(record.seq, hashlib.sha256(line).hexdigest())


@dataclass(frozen=True)
class Log:
    """The log file, its maximum size in bytes, and the anchor file that keeps its head, if any."""

    path: Path
    max_bytes: int = 64 << 20
    anchor: Path | None = None

    def append(self, fields: Mapping[str, Any]) -> None:
        """Append one line to the chain.

        Raises OSError if the whole line cannot be written, if the anchor is missing, or if the
        log does not hold the line that the anchor knows: a further line would hide this.
        """
        with _locked(self.path):
            if self.anchor is None:
                self._append(fields, None)
                return
            with anchors.opened(self.anchor) as anchor:
                anchor.move(self._append(fields, anchor.known))

    def files(self) -> list[Path]:
        """Return the existing files of the log, oldest lines first."""
        rotated = [path for path in self.path.parent.glob(f"{self.path.name}.*") if path.suffix[1:].isdecimal()]
        return [*sorted(rotated, key=lambda path: int(path.suffix[1:])), *filter(Path.exists, [self.path])]

    def lines(self) -> Iterator[bytes]:
        """Yield all lines, oldest first."""
        for path in self.files():
            with private_files.opened_to_read(path) as file:
                yield from _lines(file, os.fstat(file).st_size)

    def _append(self, fields: Mapping[str, Any], known: Head | None) -> Head:
        with private_files.opened(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            size = os.fstat(file).st_size
            head, torn = self._head(file, size)
            if known is not None and known != head:
                self._require(known, head)
            line = msgspec.json.encode({"seq": head.number + 1, "prev": head.hash, **fields})
            if size == 0 or size + len(line) < self.max_bytes:
                _write(file, size, b"\n" * torn + line + b"\n")
                return Head(head.number + 1, hashlib.sha256(line).hexdigest())
        self._rotate(head.number)
        return self._append(fields, known)

    def _rotate(self, number: int) -> None:
        full = self.path.with_name(f"{self.path.name}.{number}")
        if full.exists():
            raise FileExistsError(f"{full} is there already, and is not overwritten; verify the log, then move it away")
        self.path.rename(full)

    def _require(self, known: Head, head: Head) -> None:
        """Raise OSError unless the log holds the line that the anchor knows, and each later one follows from it."""
        if not _follow(known, self.lines()):
            short = f"it ends before record {known.number}, which its anchor knows"
            other = f"record {known.number} or a later one is not what its anchor vouches for"
            raise OSError(
                f"{short if head.number < known.number else other}; run `luigi-sinks audit verify`, then move log and "
                "anchor away and run `luigi-sinks audit begin`"
            )

    def _head(self, file: int, size: int) -> tuple[Head, bool]:
        """Return the head of the last complete line, and whether an incomplete line follows, left by a crash."""
        if size == 0:
            before = self.files()[:-1]
            return (_last(private_files.read(before[-1])) if before else Head()), False
        tail = os.pread(file, _TAIL, max(0, size - _TAIL))
        return _last(tail), not tail.endswith(b"\n")


def _lines(file: int, size: int) -> Iterator[bytes]:
    """Yield the lines in the first bytes of an open file."""
    with os.fdopen(os.dup(file), "rb") as content:
        while content.tell() < size:
            yield content.readline().rstrip(b"\n")


def _follow(known: Head, lines: Iterable[bytes]) -> bool:
    """Return whether one of the lines is the known one, and each record after it follows from the one before."""
    last = None if known.number else known
    for record, head in filter(None, map(_read, lines)):
        follows = last is not None and (record.seq, record.prev) == (last.number + 1, last.hash)
        if last is not None and not follows:
            return False
        if follows or head == known:
            last = head
    return last is not None


def _last(text: bytes) -> Head:
    end = len(text)
    while end > 0:
        start = text.rfind(b"\n", 0, end) + 1
        if found := _read(text[start:end]):
            return found[1]
        end = start - 1
    raise OSError("it does not end with a record; verify it, then move it away")


def _write(file: int, size: int, text: bytes) -> None:
    """Append the whole text, or nothing. Raises OSError."""
    try:
        whole = os.write(file, text) == len(text)
    except OSError:
        os.ftruncate(file, size)
        raise
    if not whole:
        os.ftruncate(file, size)
        raise OSError("there is no space for a whole line; free disk space")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the log against other processes and threads.

    The lock is a separate file, because the log file is renamed.
    """
    with private_files.opened(_lock(path), os.O_RDONLY | os.O_CREAT) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(
                file, fcntl.LOCK_UN
            )  # a child that was forked meanwhile has the file open too, and would keep the lock


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which line of which file. Lines count from 1; 0 is a fault that no single line shows."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.reason}"


@dataclass
class Verdict:
    """The result of `verify`: the number of records, the head of the last one, and all faults."""

    records: int = 0
    head: Head = field(default_factory=Head)
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Return whether every line is present and unchanged."""
        return not self.faults


def verify(path: Path, anchor: Path | None = None, *, first: int = 1) -> Verdict:
    """Return what is wrong with the log: lines that were changed, removed, added or truncated.

    - `path`: the log file; its rotated files are verified too.
    - `anchor`: the anchor file. Without it, lines removed from the end and a log forged as a
      whole are not detected.
    - `first`: the number of the first line to expect, if older files were archived. Default: 1.

    Other processes may write meanwhile. Raises OSError if a file cannot be read.
    """
    with ExitStack() as opened:
        with _locked(path) if _lock(path).exists() else nullcontext():  # a copy has no lock, and no writers
            known, faults = _known(anchor)
            files = _opened(Log(path), opened)
        verdict = _verdict(files, first, known)
    if known and known.number > verdict.head.number:
        reason = f"the log ends with record {verdict.head.number}, but the anchor knows {known.number}"
        verdict.faults.append(Fault(path.name, 0, reason))
    verdict.faults += faults
    return verdict


def begin(path: Path, anchor: Path, *, first: int = 1) -> Verdict:
    """Make the anchor of a log as the log is now, if that has no faults; return the verdict on it.

    - `path`, `first`: as for `verify`. The log need not exist yet.
    - `anchor`: the file to make.

    Raises OSError if there is an anchor already, or a file cannot be read or written.
    """
    with _locked(path), ExitStack() as opened:
        verdict = _verdict(_opened(Log(path), opened), first, None)
        if verdict.is_good:
            anchors.create(anchor, verdict.head if verdict.records else Head())
    return verdict


def _opened(log: Log, stack: ExitStack) -> list[tuple[str, int, int]]:
    """Open the log's files; return the name, descriptor and size of each."""
    files = [(path.name, stack.enter_context(private_files.opened_to_read(path))) for path in log.files()]
    return [(name, file, os.fstat(file).st_size) for name, file in files]


def _verdict(files: Iterable[tuple[str, int, int]], first: int, known: Head | None) -> Verdict:
    verdict = Verdict(head=Head() if first == 1 else Head(first - 1, ""))
    for name, file, size in files:
        _verify_file(name, file, size, verdict, known)
    return verdict


def _known(anchor: Path | None) -> tuple[Head | None, list[Fault]]:
    """Return the head in the anchor, or the fault that it is missing or holds none."""
    try:
        return (anchors.read(anchor) if anchor else None), []
    except (FileNotFoundError, anchors.NoHead) as fault:
        return None, [Fault(anchor.name if anchor else "", 0, str(fault))]


def _verify_file(name: str, file: int, size: int, verdict: Verdict, known: Head | None) -> None:
    for at, line in enumerate(_lines(file, size), 1):
        if (found := _read(line)) is None:
            verdict.faults.append(Fault(name, at, "is not a record"))
            continue
        record, head = found
        reason = _reason(verdict.head, head, record.prev, known)
        if reason:
            verdict.faults.append(Fault(name, at, reason))
        verdict.records += 1
        verdict.head = head


def _reason(before: Head, head: Head, prev: str, known: Head | None) -> str:
    """Return what is wrong with a line after the line before it, or an empty string."""
    if head.number > before.number + 1:
        return f"records {before.number + 1} to {head.number - 1} are missing before this line"
    if head.number <= before.number:
        return f"record {head.number} comes after record {before.number}"
    if before.hash and prev != before.hash:
        return f"the previous record, {before.number}, was changed"
    if known and head.number == known.number and head.hash != known.hash:
        return f"record {head.number} differs from the one in the anchor"
    return ""
