"""Which revision of which file a task is: read from the `.git` of its checkout, without a process."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def facts(module: str) -> dict[str, str]:
    """Return what `Start` says of a module's code: its commit, source and digest."""
    commit, source = revision(module)
    return {"commit": commit, "source": source, "digest": digest(module)}


@lru_cache(maxsize=1024)
def revision(module: str) -> tuple[str, str]:
    """Return the commit of the checkout that holds a module, and the path of its file from there; empty if unknown.

    It is read once, as a module is. Without a checkout, the path is whole.
    """
    path = _file(module)
    if path is None:
        return "", ""
    root = _root(path.parent)
    return (_commit(root), str(path.relative_to(root))) if root else ("", str(path))


@lru_cache(maxsize=1024)
def digest(module: str) -> str:
    """Return the start of the SHA-256 of a module's file, which tells an edit without a commit; empty if unknown.

    It is read once, as a module is.
    """
    path = _file(module)
    try:
        return sha256(path.read_bytes()).hexdigest()[:16] if path else ""
    except OSError:
        return ""


def _file(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).absolute() if file else None


@lru_cache(maxsize=1024)
def _root(folder: Path) -> Path | None:
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


@lru_cache(maxsize=64)
def _commit(root: Path) -> str:
    """Return the commit that is checked out, empty if it cannot be read."""
    try:
        folder = _git_folder(root / ".git")
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        found = _of_reference(folder, head.removeprefix("ref: ")) if head.startswith("ref: ") else head
    except (OSError, UnicodeDecodeError):
        return ""
    return found if _COMMIT.fullmatch(found) else ""


def _git_folder(path: Path) -> Path:
    """Return the folder; in a worktree or a submodule, `.git` is a file that names it."""
    if path.is_dir():
        return path
    return path.parent / path.read_text(encoding="utf-8").strip().removeprefix("gitdir: ")


def _of_reference(folder: Path, name: str) -> str:
    """Return the commit of a branch: in a file of its own, or packed with others; worktrees share these."""
    shared = folder / "commondir"
    common = folder / shared.read_text(encoding="utf-8").strip() if shared.exists() else folder
    for each in (folder, common):
        if (each / name).is_file():
            return (each / name).read_text(encoding="ascii").strip()
    for line in (common / "packed-refs").read_text(encoding="utf-8").splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name:
            return commit
    return ""
