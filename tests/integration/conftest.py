"""Puts the local servers of all stores into luigi's configuration; fails where one is missing."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from luigi.configuration import get_config

from luigi_sinks.testing import servers


@pytest.fixture(scope="session", autouse=True)
def servers_config() -> Iterator[str]:
    """Give the luigi.cfg that says how to reach the servers; it is in force in every test."""
    servers.up()
    written = servers.config()
    config = get_config()
    before = set(config.sections())
    config.read_string(written)
    yield written
    for section in set(config.sections()) - before:
        config.remove_section(section)


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
