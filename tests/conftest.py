"""Real servers for the tests, in luigi's configuration; a server that is missing fails them.

The servers are the suite's own, and go when it ends; what they hold is kept in memory where
there is plenty, as they sync it to a disk with every step that hundreds of tests take. To keep
servers up from run to run, name their folder in LUIGI_SINKS_SERVERS_STATE.
"""

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from luigi.configuration import get_config

from luigi_sinks.testing import servers
from tests.pages import departures, page  # noqa: F401 - fixtures

settings.register_profile("any machine", deadline=None)  # a busy one is not a failure
settings.load_profile("any machine")

STATE = "LUIGI_SINKS_SERVERS_STATE"
IN_MEMORY = Path("/dev/shm")
ROOM = 8 << 30
_ours = pytest.StashKey[str]()


def has_room(folder: Path) -> bool:
    """Whether the servers' files, some 2 GB, can be kept here, and MariaDB may load its plugin from here."""
    if not folder.is_dir():
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC


def pytest_configure(config: pytest.Config) -> None:
    """Name one folder of servers for all processes that run tests; whoever needs one first starts them."""
    if STATE not in os.environ:
        folder = tempfile.mkdtemp(prefix="luigi-sinks-tests-", dir=IN_MEMORY if has_room(IN_MEMORY) else None)
        config.stash[_ours] = os.environ[STATE] = folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers, and leave nothing of them, where the folder is ours."""
    folder = config.stash.get(_ours, None)
    if folder:
        servers.down(purge=True)
        shutil.rmtree(folder, ignore_errors=True)
        del os.environ[STATE]


@pytest.fixture(scope="session")
def servers_config(sink_servers) -> str:
    """Give the luigi.cfg that says how to reach the servers; it is in force from then on."""
    sink_servers(("mariadb", "elasticsearch", "neo4j"))
    written = servers.config()
    get_config().read_string(written)
    return written


@pytest.fixture
def luigi_config(servers_config: str, tmp_path: Path) -> Path:
    """Name a file with the same luigi.cfg, for other processes."""
    path = tmp_path / "luigi.cfg"
    path.write_text(servers_config)
    return path


@pytest.fixture
def store_down(servers_config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every store's section at a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    config = get_config()
    for store in ("mariadb", "elasticsearch", "neo4j"):
        monkeypatch.setitem(config[f"luigi_sinks.{store}"], "port", port)
        monkeypatch.setitem(config[f"luigi_sinks.{store}"], "patience", "1")
