# ruff: noqa: S603, S607 - the commands are ours, and no shell reads them
"""The system account that servers run as, and that their files belong to.

Ourselves, unless we are root: Elasticsearch refuses root, and the others need not be
trusted with it, so then all of them run as one system user made for the purpose.
"""

import logging
import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from luigi_sinks.testing.servers.errors import StartFailed

log = logging.getLogger(__name__)

SYSTEM_USER = "luigi-sinks"


@dataclass(frozen=True)
class Account:
    """A user by number; what it makes belongs to it and is closed to all others."""

    uid: int
    gid: int

    def make_folder(self, path: Path) -> Path:
        """Make a folder of mode 0700, unless it is there."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(path, self.uid, self.gid)
        return path

    def write(self, path: Path, text: str) -> None:
        """Write a file of mode 0600, whole or not at all."""
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chown(beside, self.uid, self.gid)
        Path(beside).rename(path)

    def run(self, *argv: str | Path, stdin: str = "") -> None:
        """Run a command to its end as this account; its output is in the error if it fails."""
        done = subprocess.run(
            argv,
            user=self.uid,
            group=self.gid,
            extra_groups=[] if os.geteuid() == 0 else None,
            cwd="/",
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"{argv[0]} failed ({done.returncode}):\n{done.stdout[-2000:]}"
            raise StartFailed(message)


def ourselves() -> Account:
    """Who runs this program."""
    return Account(os.geteuid(), os.getegid())


def serving_account() -> Account:
    """Ourselves, or for root the system user, which is made when it is missing."""
    if os.geteuid() != 0:
        return ourselves()
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _make_system_user()
    return Account(entry.pw_uid, entry.pw_gid)


def _make_system_user() -> pwd.struct_passwd:
    log.info("running as root: adding the system user %s, which the servers run as", SYSTEM_USER)
    options = ("--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin")
    subprocess.run(["useradd", *options, SYSTEM_USER], check=True)
    return pwd.getpwnam(SYSTEM_USER)
