"""Opens files that are what they seem: regular files, and where it matters of this user alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_KINDS = {
    stat.S_ISLNK: "a symbolic link",
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


@contextmanager
def opened(path: Path, how: int) -> Iterator[int]:
    """Open a file that only this user can access; one that is made gets mode 0600. Gives its descriptor.

    Raises PermissionError if it is not a regular file, belongs to another user, has a
    second name or can be accessed by others, and other OSErrors as `os.open` does.
    """
    with suppress(FileNotFoundError):
        _refuse_other_kinds(path, path.lstat())  # before it is opened: that alone can block, or act on a device
    file = os.open(path, how | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        _refuse_shared(path, os.fstat(file))
        yield file
    finally:
        os.close(file)


@contextmanager
def opened_to_read(path: Path) -> Iterator[int]:
    """Open a regular file, of whichever user, to read it. Raises PermissionError for any other kind, and OSError."""
    _refuse_other_kinds(path, path.stat())
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _refuse_other_kinds(path, os.fstat(file))
        yield file
    finally:
        os.close(file)


def read(path: Path) -> bytes:
    """Return the content of a regular file, of whichever user. Raises as `opened_to_read` does."""
    with opened_to_read(path) as file, os.fdopen(os.dup(file), "rb") as content:
        return content.read()


def make_folder(path: Path) -> None:
    """Make a folder that only this user can access, with mode 0700, if it is missing.

    Raises PermissionError if it is a link, belongs to another user or can be accessed by others, and OSError.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path} must be a folder with mode 0700 that belongs to this user")


def _refuse_other_kinds(path: Path, found: os.stat_result) -> None:
    for is_kind, kind in _KINDS.items():
        if is_kind(found.st_mode):
            raise PermissionError(f"{path} is {kind}; name a regular file")


def _refuse_shared(path: Path, found: os.stat_result) -> None:
    _refuse_other_kinds(path, found)
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to uid {found.st_uid}, not to this user; name a file of its own")
    if found.st_nlink > 1:
        raise PermissionError(f"{path} has a second name, a hard link; remove that, or name another file")
    if found.st_mode & 0o077:
        raise PermissionError(f"{path} is accessible to other users; set its mode to 0600")
