"""An append-only log for many processes, as a hash chain: no line is lost, and every change is detected.

Each line is a JSON object with its sequence number and the SHA-256 of the line before it.
A user who can write the file could forge the whole chain. To detect this, the head (number
and hash of the last line) can be kept in a second file elsewhere, the anchor.

A file that reaches its maximum size is renamed to NAME.NUMBER, with the number of its last
line. This package never removes these files.
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
"""The last line must begin within this many bytes from the end of the file."""


@dataclass(frozen=True)
class Head:
    """The number and the hash of a line."""

    number: int = 0
    hash: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.number:020d} {self.hash}"


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

        Raises OSError if the whole line cannot be written, or if lines are missing that the
        anchor knows: a further line would hide this.
        """
        with _locked(self.path):
            last = self._append(fields, _anchored(self.anchor))
            if self.anchor:
                with _opened(self.anchor, os.O_WRONLY | os.O_CREAT) as file:
                    os.pwrite(file, f"{last}\n".encode(), 0)

    def files(self) -> list[Path]:
        """Return the existing files of the log, oldest lines first."""
        rotated = [path for path in self.path.parent.glob(f"{self.path.name}.*") if path.suffix[1:].isdecimal()]
        return [*sorted(rotated, key=lambda path: int(path.suffix[1:])), *filter(Path.exists, [self.path])]

    def _append(self, fields: Mapping[str, Any], known: Head) -> Head:
        with _opened(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            size = os.fstat(file).st_size
            head, torn = self._head(file, size)
            if head.number < known.number or (head.number == known.number and head != known):
                raise OSError(
                    f"it ends before record {known.number}, which its anchor knows; verify both, then move them away"
                )
            line = msgspec.json.encode({"seq": head.number + 1, "prev": head.hash, **fields})
            if size == 0 or size + len(line) < self.max_bytes:
                _write(file, size, b"\n" * torn + line + b"\n")
                return Head(head.number + 1, hashlib.sha256(line).hexdigest())
        self.path.rename(self.path.with_name(f"{self.path.name}.{head.number}"))
        return self._append(fields, known)

    def _head(self, file: int, size: int) -> tuple[Head, bool]:
        """Return the head of the last complete line, and whether an incomplete line follows, left by a crash."""
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
    with _opened(_lock(path), os.O_RDONLY | os.O_CREAT) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(
                file, fcntl.LOCK_UN
            )  # a child that was forked meanwhile has the file open too, and would keep the lock


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


@contextmanager
def _opened(path: Path, how: int) -> Iterator[int]:
    """Open a file that only this user can access. Raises PermissionError if others can read or write it."""
    file = os.open(path, how | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.fstat(file).st_mode & 0o077:
            raise PermissionError(f"{path} is accessible to other users; set its mode to 0600")
        yield file
    finally:
        os.close(file)


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
            known = _read_anchor(anchor) if anchor else None
            files = [(opened.enter_context(each.open("rb")), each.stat().st_size) for each in Log(path).files()]
        verdict = Verdict(head=Head(first - 1, ""))
        for file, size in files:
            _verify_file(file, size, verdict, known)
    if known and known.number > verdict.head.number:
        reason = f"the log ends with record {verdict.head.number}, but the anchor knows {known.number}"
        verdict.faults.append(Fault(path.name, 0, reason))
    return verdict


def _verify_file(file: IO[bytes], size: int, verdict: Verdict, known: Head | None) -> None:
    name, at = Path(file.name).name, 0
    while file.tell() < size:
        line, at = file.readline().rstrip(b"\n"), at + 1
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


def _read_anchor(path: Path) -> Head:
    number, digest = path.read_text().split()
    return Head(int(number), digest)


def _anchored(path: Path | None) -> Head:
    """Return the head in the anchor, or an empty head if there is no anchor yet."""
    try:
        return _read_anchor(path) if path and path.exists() else Head()
    except ValueError:
        raise OSError(f"its anchor {path} does not contain the head of a log; move it away") from None
