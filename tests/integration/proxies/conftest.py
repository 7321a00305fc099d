"""Proxies that want to know who asks: Debian's Apache with mod_auth_openidc, and its stunnel.

Each is a process of the test's own, on ports that were free, with certificates made
for it; the services that the packages bring are not touched.
"""

import os
import shutil
import signal
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
from luigi_sinks.testing.servers.account import Account, ourselves
from luigi_sinks.testing.servers.process import Command, Process


@dataclass
class Proxy:
    """One program of a proxy, which runs as the servers do and can read what they can."""

    account: Account
    settings: Path
    log: Path
    argv: Sequence[str | Path]
    ports: dict[str, int]
    running: Process | None = field(default=None, repr=False)

    def start(self):
        command = Command(tuple(self.argv), {"PATH": os.defpath})
        self.running = process.start(command, self.account, folder=self.log.parent, log=self.log)
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

    def change(self, old, new):
        """Change its configuration, and start it again."""
        text = self.settings.read_text()
        assert old in text
        self.account.write(self.settings, text.replace(old, new))
        self.restart()

    def reload(self):
        """Have a stunnel read its configuration and certificates again."""
        before = self.said().count(CONFIGURED)
        os.kill(self.running.pid, signal.SIGHUP)
        deadline = time.monotonic() + 20
        while self.said().count(CONFIGURED) == before:
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

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
        self._put(b"".join(blob.bytes() for blob in issued.cert_chain_pems), issued.private_key_pem.bytes())

    def copy(self, other):
        self._put(other.certificate.read_bytes(), other.key.read_bytes())

    def _put(self, certificate, key):
        for path, content in ((self.certificate, certificate), (self.key, key)):
            beside = path.with_suffix(".new")
            beside.write_bytes(content)
            beside.rename(path)


CONFIGURED = "Configuration successful"
"""What stunnel says when it has read its configuration."""

STUNNEL = """\
foreground = yes
pid =
debug = info
TIMEOUTclose = 0
"""


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
            pytest.fail(
                f"there is no {path}, which these tests need: apt-get install --no-install-recommends {package}"
            )
        return path

    def run(self, *argv, settings, ports):
        """Start a program that listens on these ports."""
        log = self.write(f"{settings.stem}.log", "")  # it may open it once more by itself
        proxy = Proxy(self.account, settings, log, argv, ports)
        self.opened.callback(proxy.stop)
        return proxy.start()

    def stunnel(self, name, ports, **services):
        """Start a stunnel with these services, each on its port."""
        lines = [STUNNEL]
        for service, settings in services.items():
            given = {"accept": f"127.0.0.1:{ports[service]}", **settings}
            lines += [f"[{service}]", *(f"{key} = {value}" for key, value in given.items())]
        file = self.write(f"{name}.conf", "\n".join(lines) + "\n")
        return self.run(self.need("/usr/bin/stunnel4", "stunnel4"), file, settings=file, ports=ports)


@pytest.fixture
def workshop():
    state = states.find()
    with ExitStack() as opened:
        folder = Path(tempfile.mkdtemp(prefix="luigi-sinks-proxy-"))
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        state.account.make_folder(folder)
        yield Workshop(folder, state.account, state.ca, opened)


@pytest.fixture
def home(tmp_path):
    """What is run on the user's own machine, as the user."""
    with ExitStack() as opened:
        yield Workshop(tmp_path, ourselves(), states.find().ca, opened)


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
def rotate(workshop, tmp_path):
    """Return a function that has another authority vouch for a client from now on; it returns the old certificate."""

    def rotated(pair):
        old = Pair(tmp_path / "old.pem", tmp_path / "old.key")
        old.copy(pair)
        others = trustme.CA(organization_name="luigi_sinks test clients, from now on")
        pair.write(others.issue_cert("loader.internal"))
        workshop.write("members.pem", others.cert_pem.bytes().decode())
        return old

    return rotated


@pytest.fixture
def stranger(tmp_path):
    """The certificate of a client that another authority vouches for."""
    pair = Pair(tmp_path / "stranger.pem", tmp_path / "stranger.key")
    pair.write(trustme.CA(organization_name="somebody else").issue_cert("loader.internal"))
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
