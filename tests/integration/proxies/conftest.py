"""Proxies that want to know who asks: Debian's Apache with mod_auth_openidc, and its stunnel.

Each is a process of the test's own, on ports that were free, with certificates made
for it; the services that the packages bring are not touched.
"""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from luigi.configuration import get_config

from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.testing.servers import process
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.process import Command, Process

@dataclass
class Proxy:
    """One program of a proxy, which runs as the servers do and can read what they can."""

    account: Account
    folder: Path
    argv: Sequence[str | Path]
    ports: dict[str, int]
    running: Process | None = field(default=None, repr=False)

    def start(self):
        command = Command(tuple(self.argv), {"PATH": os.defpath})
        self.running = process.start(command, self.account, folder=self.folder, log=self.log)
        deadline = time.monotonic() + 20
        while not all(map(is_listening, self.ports.values())):
            if not self.running.alive or time.monotonic() > deadline:
                pytest.fail(f"{self.argv[0]} did not start; its log:\n{self.said()}")
            time.sleep(0.02)
        return self

    def stop(self):
        if self.running:
            self.running.stop(patience=5)

    def restart(self):
        """End it, and all connections with it, and start it again."""
        self.stop()
        self.start()

    @property
    def log(self):
        return self.folder / "log"

    def said(self):
        return self.log.read_text()


def is_listening(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files that may be replaced."""

    certificate: Path
    key: Path

    def write(self, issued):
        """Put another certificate in the files, as a rotation does."""
        for path, text in (
            (self.certificate, b"".join(blob.bytes() for blob in issued.cert_chain_pems)),
            (self.key, issued.private_key_pem.bytes()),
        ):
            beside = path.with_suffix(".new")
            beside.write_bytes(text)
            beside.rename(path)


@dataclass(frozen=True)
class Workshop:
    """A folder that proxies can read, and makes them; they end with it."""

    folder: Path
    account: Account
    servers_ca: Path
    opened: ExitStack

    def write(self, name, text):
        self.account.write(self.folder / name, text)
        return self.folder / name

    def write_pair(self, name, issued):
        """Write a certificate and its key where a proxy reads them."""
        chain = "".join(blob.bytes().decode() for blob in issued.cert_chain_pems)
        return self.write(f"{name}.pem", chain), self.write(f"{name}.key", issued.private_key_pem.bytes().decode())

    def need(self, path, package):
        """Return a file that a package brings; the tests need it, so that without it they fail."""
        if not Path(path).exists():
            pytest.fail(f"there is no {path}, which these tests need: apt-get install --no-install-recommends {package}")
        return path

    def run(self, *argv, **ports):
        """Start a program that listens on these ports."""
        proxy = Proxy(self.account, self.folder, argv, ports)
        self.opened.callback(proxy.stop)
        return proxy.start()


@pytest.fixture
def workshop():
    state = states.find()
    with ExitStack() as opened:
        folder = Path(tempfile.mkdtemp(prefix="luigi-sinks-proxy-"))
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        state.account.make_folder(folder)
        yield Workshop(folder, state.account, state.ca, opened)


@pytest.fixture(scope="session")
def authority():
    """Who vouches for the proxies; no server of the tests has a certificate of it."""
    return trustme.CA(organization_name="luigi_sinks test proxies")


@pytest.fixture(scope="session")
def members():
    """Who vouches for the clients that proxies let pass."""
    return trustme.CA(organization_name="luigi_sinks test clients")


@pytest.fixture
def proxy_ca(authority, tmp_path):
    """The file that a user names as tls_ca."""
    authority.cert_pem.write_to_path(tmp_path / "proxy-ca.pem")
    return tmp_path / "proxy-ca.pem"


@pytest.fixture
def member(members, tmp_path):
    """The certificate of a client that proxies let pass."""
    pair = Pair(tmp_path / "client.pem", tmp_path / "client.key")
    pair.write(members.issue_cert("loader.internal"))
    return pair


@pytest.fixture
def configure():
    """Return a function that adds sections to luigi.cfg until the test ends."""
    config, added = get_config(), []

    def write(name, **settings):
        section = f"luigi_sinks.{name}"
        config.remove_section(section)
        config.read_dict({section: {key: str(value) for key, value in settings.items()}})
        added.append(section)

    PROVIDER.forget()
    yield write
    for section in added:
        config.remove_section(section)
    PROVIDER.forget()
