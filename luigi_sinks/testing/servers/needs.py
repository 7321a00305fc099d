# ruff: noqa: S603, S607 - the commands are ours, and no shell reads them
"""What servers need to be installed on this machine, and how apt installs it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from luigi_sinks.testing.servers.errors import NotReady

WITHOUT = "or run the demonstration without servers: make demo SINKS=memory"


@dataclass(frozen=True)
class Need:
    """Something that is missing, one of Debian's `packages` that has it, and another way to get it."""

    what: str
    packages: tuple[str, ...]
    otherwise: str = ""

    @property
    def package(self) -> str | None:
        """The first of the packages that apt knows."""
        return next(filter(_is_known, self.packages), None)

    def __str__(self) -> str:
        by_apt = f"apt-get install {self.package}" if self.package else ""
        ways = ", or ".join(filter(None, (by_apt, self.otherwise)))
        return f"{self.what}: {ways or f'Debian has it in the package {self.packages[0]}'}"


def refuse(needs: Sequence[Need]) -> None:
    """Raise NotReady with all that is needed, unless it is nothing."""
    if needs:
        raise NotReady("\n".join(["the servers need:", *dict.fromkeys(map(str, needs)), WITHOUT]))


def install(needs: Sequence[Need]) -> None:
    """Install what is needed, as far as apt has it. Raises NotReady when apt fails."""
    if not needs or not shutil.which("apt-get"):
        return
    _apt_get("update")
    if packages := sorted({need.package for need in needs if need.package}):
        _apt_get("install", "--no-install-recommends", *packages)


def _apt_get(*words: str) -> None:
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    argv = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", *words]
    try:
        subprocess.run(argv, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotReady(f"{' '.join(argv)} failed: {error}; {WITHOUT}") from error


def _is_known(package: str) -> bool:
    if not shutil.which("apt-cache"):
        return False
    return subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode == 0
