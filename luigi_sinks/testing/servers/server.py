"""What every server module says of its server, and where a server lives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.versions import Download

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Place:
    """Where one server lives: its folder, address, files of secrets and downloaded home."""

    folder: Path
    port: int
    password_file: Path
    ca: Path
    certificate: Path
    key: Path
    account: Account
    home: Path

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @property
    def pid_file(self) -> Path:
        """Which process was started; not there after `down`."""
        return self.folder / "server.pid"

    @property
    def password(self) -> str:
        """The secret itself, for requests and for what a server keeps of it."""
        return self.password_file.read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class Server:
    """A kind of server, as its module describes it.

    `missing` lists sentences on what must be installed; `prepare` makes what is not made
    yet and writes the configuration, before every start, and `prepare_container` makes what
    a container mounts instead; `answers` sends a real request
    as the user, and is False for as long as the server is not ready.
    """

    name: str
    user: str
    database: str | None
    download: Download | None
    patience: float
    missing: Callable[[], Sequence[str]]
    prepare: Callable[[Place], None]
    prepare_container: Callable[[Place], None]
    command: Callable[[Place], Command]
    answers: Callable[[Place], bool]
