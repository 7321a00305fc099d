"""What every server module says of its server, and where a server lives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.needs import Need
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
    ports: Mapping[str, int] = field(default_factory=dict)

    def beside(self, name: str) -> "Place":
        """Say where another server of this state folder lives, started or not."""
        root = self.folder.parent
        return replace(self, folder=root / name, port=self.ports[name], password_file=root / f"{name}.password")

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
class Login:
    """What luigi.cfg says of a store that is logged in to by tokens.

    `connection` goes before what the section of the store says otherwise;
    `credential` is the section of the credential.
    """

    connection: Mapping[str, str]
    credential: Mapping[str, str]


def nothing(_: Place) -> Mapping[str, str]:
    """Say nothing."""
    return {}


@dataclass(frozen=True)
class Server:
    """A kind of server, as its module describes it.

    `missing` lists what must be installed; `prepare` makes what is not made
    yet and writes the configuration, before every start, and `prepare_container` makes what
    a container mounts instead; `answers` sends a real request
    as the user, and is False for as long as the server is not ready. `login`, which stores
    have, says how to do without the password, and `variables` what else a program's
    environment must hold.
    """

    name: str
    user: str
    database: str | None
    download: Download | None
    patience: float
    missing: Callable[[], Sequence[Need]]
    prepare: Callable[[Place], None]
    prepare_container: Callable[[Place], None]
    command: Callable[[Place], Command]
    answers: Callable[[Place], bool]
    login: Callable[[Place], Login] | None = None
    variables: Callable[[Place], Mapping[str, str]] = nothing
