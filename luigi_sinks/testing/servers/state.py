"""The folder that holds all there is of the servers: data, ports, secrets, certificates.

It belongs to the account that the servers run as, and is closed to everybody else.
"""

import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import platformdirs

from luigi_sinks.testing.servers import certificates, download
from luigi_sinks.testing.servers.account import Account, serving_account
from luigi_sinks.testing.servers.errors import StateUnusable
from luigi_sinks.testing.servers.lock import locked
from luigi_sinks.testing.servers.server import HOST, Place, Server

VARIABLE = "LUIGI_SINKS_SERVERS_STATE"
MARK = "state.json"
LOCK = "lock"
PORTS = range(10_000, 32_768)
"""Below the kernel's own: see net.ipv4.ip_local_port_range."""


@dataclass(frozen=True)
class State:
    """An open state folder."""

    root: Path
    account: Account

    @property
    def ca(self) -> Path:
        """The authority that clients trust."""
        return self.root / "ca.pem"

    @property
    def certificate(self) -> Path:
        """What all servers show."""
        return self.root / "server.pem"

    @property
    def key(self) -> Path:
        """The key of `certificate`."""
        return self.root / "server.key"

    def password_file(self, name: str) -> Path:
        """Name the file with the password of a server's user."""
        return self.root / f"{name}.password"

    def folder(self, name: str) -> Path:
        """Name a server's own folder."""
        return self.root / name

    def place(self, server: Server) -> Place:
        """Say where a server lives, once it has a port."""
        cache = download.cache_root()
        return Place(
            folder=self.folder(server.name),
            port=self.ports[server.name],
            password_file=self.password_file(server.name),
            ca=self.ca,
            certificate=self.certificate,
            key=self.key,
            account=self.account,
            home=download.home(server.download, cache) if server.download else cache,
            ports=self.ports,
        )

    def address(self, server: Server) -> str | None:
        """Say where a server listens, once it has a port."""
        port = self.ports.get(server.name)
        return f"{HOST}:{port}" if port else None

    @property
    def way(self) -> str | None:
        """`compose` or `processes`, as chosen at the first start; data is bound to it."""
        way = self._read().get("way")
        return str(way) if way else None

    @property
    def ports(self) -> dict[str, int]:
        """The port of every server that was ever started here."""
        ports = self._read().get("ports")
        return dict(ports) if isinstance(ports, dict) else {}

    def remember(self, **facts: object) -> None:
        """Keep a fact for the next command."""
        text = json.dumps({**self._read(), **facts}, indent=2)
        self.account.write(self.root / MARK, f"{text}\n")

    def _read(self) -> dict[str, object]:
        return dict(json.loads((self.root / MARK).read_text(encoding="utf-8")))


def root() -> Path:
    """Choose the folder that the environment names, the machine's for root, or the user's."""
    if named := os.environ.get(VARIABLE):
        return Path(named).absolute()
    if os.geteuid() == 0:
        # Root's home is closed to the account that the servers run as.
        return Path("/var/lib/luigi-sinks/servers")
    return platformdirs.user_state_path("luigi-sinks") / "servers"


def find() -> State | None:
    """Find the state folder, or None where nothing was ever started."""
    folder = root()
    if not (folder / MARK).exists():
        return None
    owner = (folder / MARK).stat()
    return State(folder, Account(owner.st_uid, owner.st_gid))


@contextmanager
def opened() -> Iterator[State]:
    """Make the state folder unless it is there, and keep other commands out of it.

    Raises StateUnusable when it holds something else, or lies where the account cannot go.
    """
    folder = root()
    _refuse_unless_ours(folder)
    known = find()
    account = known.account if known else serving_account()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _refuse_unless_reachable(folder, account)
    with locked(folder / LOCK):
        account.make_folder(folder).chmod(0o700)
        state = State(folder, account)
        if not (folder / MARK).exists():
            account.write(folder / MARK, "{}\n")
        if not state.ca.exists():
            certificates.issue(account, ca=state.ca, certificate=state.certificate, key=state.key)
        yield state


@contextmanager
def found() -> Iterator[State | None]:
    """Find the state folder and keep other commands out, or None where there is none."""
    if find() is None:
        yield None
        return
    with locked(root() / LOCK):
        yield find()


def purge(state: State) -> None:
    """Remove the folder with all data; the lock is held to the last."""
    # The mark goes after the rest: without it a half-removed folder would not be ours.
    for path in set(state.root.iterdir()) - {state.root / LOCK, state.root / MARK}:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    (state.root / MARK).unlink()
    (state.root / LOCK).unlink()
    # Whoever waited for the lock may have begun anew.
    with suppress(OSError):
        state.root.rmdir()


def make_passwords(state: State, names: Sequence[str]) -> None:
    """Give each server a password of its own, once."""
    for name in names:
        if not (file := state.password_file(name)).exists():
            state.account.write(file, secrets.token_hex(24))


def choose_ports(state: State, names: Sequence[str]) -> None:
    """Keep these servers' ports where nobody else has taken them; else choose free ones."""
    kept = state.ports
    taken = [name for name in names if not (name in kept and _free(kept[name]))]
    if taken:
        state.remember(ports={**kept, **dict(zip(taken, free_ports(len(taken)), strict=True))})


def free_ports(count: int) -> list[int]:
    """Find different ports of this machine that nobody listens on.

    They are none of those that the kernel gives to whoever connects: a program that asks
    whether a server answers yet could be given the server's own, and keep it from starting.
    """
    mixed = secrets.SystemRandom().sample(PORTS, len(PORTS))
    return list(islice(filter(_free, mixed), count))


def _free(port: int) -> bool:
    with socket.socket() as attempt:
        # As servers do: what still lingers of closed connections is in nobody's way.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError:
            return False
    return True


def _refuse_unless_ours(folder: Path) -> None:
    """Refuse a folder with something else in it, which a purge would remove."""
    found = [path.name for path in folder.iterdir()] if folder.exists() else []
    others = [name for name in found if name != LOCK and not name.startswith(f".{MARK}.")]
    if others and not (folder / MARK).exists():  # looked for last, as another command may be making the folder
        message = f"{folder} holds something else: name an empty or new folder in {VARIABLE}"
        raise StateUnusable(message)


def _refuse_unless_reachable(folder: Path, account: Account) -> None:
    if account.uid == os.geteuid():
        return
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            message = (
                f"{parent} is closed to the system user that the servers run as: name another folder in {VARIABLE}"
            )
            raise StateUnusable(message)
