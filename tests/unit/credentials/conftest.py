import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from luigi_sinks import audit, running
from luigi_sinks.credentials import Request, Token, TokenInfo
from luigi_sinks.credentials.cache import Timing
from luigi_sinks.credentials.provider import PROVIDER, Provider
from luigi_sinks.errors import CredentialError


@pytest.fixture(autouse=True)
def fresh_provider():
    """Start each test in the state of a new process without a running task."""
    PROVIDER.forget()
    audit.forget_settings()
    running.become(running.Running())
    yield
    PROVIDER.forget()
    audit.forget_settings()
    running.become(running.Running())


@pytest.fixture(autouse=True)
def leases(luigi_cfg, tmp_path):
    """Use a separate folder for the lease journal of each test."""
    luigi_cfg(f"[luigi_sinks.leases]\nfolder = {tmp_path}/leases\n")
    return tmp_path / "leases"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class CountingSource:
    """Returns `secret-1`, `secret-2` and so on; fails if `failing`, and waits for `gate`."""

    def __init__(self, lifetime=100.0, **info):
        self.info = {"lifetime": lifetime, **info}
        self.fetched = []
        self.failing = False
        self.gate = None

    def scope(self, request):
        return Request(host=request.host, user=request.user, audience=request.audience)

    def fetch(self, request):
        self.fetched.append(request)
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.failing:
            raise CredentialError("the issuer is down")
        return Token(f"secret-{len(self.fetched)}", TokenInfo(**self.info))


class LeasingSource(CountingSource):
    """Leases each secret; renewal fails if not `renewable`."""

    def __init__(self, lifetime=100.0, **info):
        super().__init__(lifetime, **info)
        self.renewed, self.revoked, self.renewable = [], [], True

    def fetch(self, request):
        token = super().fetch(request)
        return Token(token.reveal(), TokenInfo(lifetime=token.info.lifetime, lease=f"lease-{len(self.fetched)}"))

    def renew(self, token):
        if not self.renewable:
            raise CredentialError("the lease is at its end")
        self.renewed.append(token.info.lease)
        return token.renewed(token.info)

    def revoke(self, lease):
        if self.failing:
            raise CredentialError("the issuer is down")
        self.revoked.append(lease)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source():
    return CountingSource()


@pytest.fixture
def leasing():
    return LeasingSource()


@pytest.fixture
def provider_of(clock):
    """Return a function that creates a provider of one source, without jitter and with a fake clock."""
    return lambda source: Provider(lambda name, use: source, Timing(clock, lambda: 0.0))


@pytest.fixture
def together():
    """Return a function that makes a call in several threads, and returns the result or error of each."""

    def run(count, call):
        results = [None] * count

        def one(number):
            try:
                results[number] = call()
            except CredentialError as error:
                results[number] = error

        threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run


@pytest.fixture
def serving():
    """Return a function that starts an HTTP server with a handler, on a free port, until the end of the test."""
    servers = []

    def serve(handler, **attributes):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.address = f"http://127.0.0.1:{server.server_port}"
        for name, value in attributes.items():
            setattr(server, name, value)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class Eavesdropper(BaseHTTPRequestHandler):
    """Records the requests that it should forward, and refuses them."""

    def answer(self):
        self.server.heard.append(self.path)
        self.send_error(502)

    do_GET = do_POST = do_PUT = do_CONNECT = answer  # noqa: N815 - the server's names

    def log_message(self, *args):
        """Do not log requests."""


@pytest.fixture
def proxy(serving, monkeypatch):
    """Return the proxy that all proxy variables of the environment name, without exceptions for this machine."""
    server = serving(Eavesdropper, heard=[])
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, server.address)
    return server
