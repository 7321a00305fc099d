"""The anchor of a log: a file elsewhere that keeps the log's head, so that who forges the log must change both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from luigi_sinks import private_files

_TEXT = re.compile(rb"([0-9]{20}) ([0-9a-f]{64})\n?")


@dataclass(frozen=True)
class Head:
    """The number and the hash of a line of the log; number 0 stands for no line."""

    number: int = 0
    hash: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.number:020d} {self.hash}"


class NoHead(OSError):
    """The anchor holds no head of a log."""


@dataclass(frozen=True)
class Anchor:
    """The open anchor, and the head that it keeps."""

    file: int
    known: Head

    def move(self, head: Head) -> None:
        """Keep another head."""
        os.pwrite(self.file, f"{head}\n".encode(), 0)


@contextmanager
def opened(path: Path) -> Iterator[Anchor]:
    """Open the anchor. Raises OSError if it is missing, not a file of this user alone, or holds no head."""
    try:
        with private_files.opened(path, os.O_RDWR) as file:
            yield Anchor(file, _parsed(path, os.pread(file, 1024, 0)))
    except FileNotFoundError:
        raise FileNotFoundError(missing(path)) from None


def read(path: Path) -> Head:
    """Return the head that an anchor keeps, also if another user owns it. Raises OSError as `opened` does."""
    try:
        return _parsed(path, private_files.read(path))
    except FileNotFoundError:
        raise FileNotFoundError(missing(path)) from None


def create(path: Path, head: Head) -> None:
    """Make an anchor. Raises FileExistsError if there is one, and other OSErrors."""
    try:
        with private_files.opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            os.write(file, f"{head}\n".encode())
    except FileExistsError:
        raise FileExistsError(f"the anchor {path} is there already; to begin again, move it away") from None


def missing(path: Path) -> str:
    """Return what is wrong where the anchor is missing."""
    return (
        f"its anchor {path} is missing, so nothing tells whether the log is whole; is its folder mounted? If there "
        "never was an anchor, run `luigi-sinks audit begin`"
    )


def _parsed(path: Path, text: bytes) -> Head:
    found = _TEXT.fullmatch(text)
    if found is None:
        raise NoHead(
            f"its anchor {path} does not hold the head of a log; run `luigi-sinks audit verify`, then move it away and "
            "run `luigi-sinks audit begin`"
        )
    return Head(int(found[1]), found[2].decode())
