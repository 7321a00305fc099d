"""All tests in this folder need the real servers."""

import configparser
import shutil
import tempfile

import pytest

from luigi_sinks import config
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import state

PATIENCE = 250


@pytest.fixture(scope="session", autouse=True)
def _servers(servers_config):
    """Start the servers, and configure Luigi for them."""


@pytest.fixture
def own_server(monkeypatch):
    """Return a function that starts a server of this test alone, and configures luigi_sinks for it."""
    folder = tempfile.mkdtemp(prefix="luigi-sinks-restarts-")
    monkeypatch.setenv(state.VARIABLE, folder)

    def start(name):
        servers.up([name])
        written = configparser.ConfigParser(interpolation=None)
        written.read_string(servers.config())
        sections = {section: dict(written[section]) for section in written.sections()}
        sections[f"luigi_sinks.{name}"]["patience"] = str(PATIENCE)
        config.use(sections)
        PROVIDER.forget()  # credentials of the same names, which are those of the suite's servers

    yield start
    config.use(None)
    PROVIDER.forget()
    servers.down(purge=True)
    shutil.rmtree(folder, ignore_errors=True)
