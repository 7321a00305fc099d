"""A server that is none, or wants to keep a loader waiting: an error of ours, within the deadline that ran out."""

import contextlib
import itertools
import random
import socket
import struct
import threading
import time
from dataclasses import replace

import pytest

from luigi_sinks import BadSetting, SinkError, Unavailable, config
from luigi_sinks.neo4j import Neo4jCatalog, Neo4jSettings, connection

CONNECT, REQUEST = 1, 2
LONG_AFTER = 30


def message(body):
    """Return a Bolt message of one chunk."""
    return struct.pack(">H", len(body)) + body + b"\0\0"


SUCCESS = message(b"\xb1\x70\xa0")
HELLO = message(b"\xb1\x70\xa2\x86server\x8cNeo4j/5.26.0\x8dconnection_id\x86bolt-1")
FIELDS = message(b"\xb1\x70\xa1\x86fields\x91\x81a")


class Server:
    """Does with each connection what it is told, until the client goes."""

    def __init__(self, behave):
        self.behave = behave
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        with client, contextlib.suppress(OSError):
            self.behave(client)


@pytest.fixture
def settings(tmp_path):
    """Return a function that gives the settings of a hostile server."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o600)
    config.use({"luigi_sinks": {"credential": {"ours": {"source": "file", "path": str(tmp_path / "secret")}}}})
    servers = []

    def start(behave):
        servers.append(Server(behave))
        port = servers[-1].listener.getsockname()[1]
        limits = {"connect_timeout": CONNECT, "request_timeout": REQUEST, "step_timeout": REQUEST}
        return Neo4jSettings("127.0.0.1", "ours", user="u", port=port, **limits)

    yield start
    for server in servers:
        server.listener.close()
    config.use(None)


def greet(client):
    client.recv(20)
    client.sendall(b"\0\0\4\5")  # Bolt 5.4


def log_in(client):
    greet(client)
    client.recv(65_536)
    client.sendall(HELLO + SUCCESS)
    client.recv(65_536)


def silent(client):
    while client.recv(65_536):
        pass


def silent_after(greeting):
    def behave(client):
        greeting(client)
        silent(client)

    return behave


def sending(*pieces, every=0.0, after=log_in):
    """Send the pieces, and the last one again and again."""

    def behave(client):
        after(client)
        for piece in itertools.chain(pieces, itertools.repeat(pieces[-1])):
            client.sendall(piece)
            time.sleep(every)

    return behave


@pytest.mark.parametrize("behave", [silent, silent_after(greet)])
def test_a_server_that_lets_nobody_in_is_unavailable_within_connect_timeout(settings, behave):
    started = time.monotonic()
    with pytest.raises(Unavailable, match=f"no connection within connect_timeout = {CONNECT:g} seconds; check that"):
        connection.preflight(settings(behave))
    assert CONNECT <= time.monotonic() - started < LONG_AFTER


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(silent_after(log_in), id="nothing"),
        pytest.param(sending(b"\0\0", every=0.2), id="keep-alives"),
        pytest.param(sending(b"\xff\xff", b"a", every=0.2), id="a byte now and then"),
        pytest.param(sending(b"\xff\xff" + b"a" * 65_535), id="a message without an end"),
        pytest.param(sending(FIELDS, message(b"\xb1\x71\x91\x01") * 1_000), id="rows without an end"),
    ],
)
def test_an_answer_that_does_not_end_is_cut_at_request_timeout(settings, behave):
    started = time.monotonic()
    with pytest.raises(Unavailable, match=f"did not end a call within request_timeout = {REQUEST:g} seconds"):
        connection.preflight(settings(behave))
    assert REQUEST <= time.monotonic() - started < LONG_AFTER


def test_a_stream_and_a_transaction_and_a_step_have_their_limits_too(settings):
    hung = settings(silent_after(log_in))
    for call, limit in (
        (lambda: next(connection.stream(hung, "RETURN 1")), "request_timeout"),
        (lambda: connection.transact(hung, lambda tx: tx.run("RETURN 1").consume(), version="v"), "request_timeout"),
        (lambda: connection.long_query(hung, "RETURN 1"), "step_timeout"),
        (lambda: Neo4jCatalog(hung, "flights").head("_all"), "request_timeout"),
    ):
        with pytest.raises(Unavailable, match=f"did not end a call within {limit}"):
            call()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\0", b"\0\0\0\0", b"\0\0\x63\x63", b"\x15\x03\x01\x00\x02\x02\x46"],
)
def test_a_server_that_speaks_another_protocol_is_named(settings, answer):
    def behave(client):
        client.recv(20)
        client.sendall(answer)

    with pytest.raises((Unavailable, BadSetting), match=r"bolt://127.0.0.1:\d+: "):
        connection.preflight(settings(behave))


@pytest.mark.parametrize("seed", range(20))
def test_bytes_that_are_not_bolt_are_an_error_of_ours(settings, seed):
    noise = random.Random(seed)
    kinds = (b"\xb1\x70", b"\xb1\x71", b"\xb1\x7f", b"")
    small = bytes(byte for byte in noise.randbytes(400) if byte not in b"\xd2\xd6\xda")  # sizes of four bytes

    def behave(client):
        log_in(client)
        client.sendall(b"".join(message(noise.choice(kinds) + small[i : i + 40]) for i in range(0, len(small), 40)))

    with pytest.raises(SinkError):
        connection.preflight(replace(settings(behave)))


@pytest.mark.parametrize("setting", ["connect_timeout", "request_timeout", "step_timeout", "lease"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_each_limit_is_a_time(setting, seconds):
    with pytest.raises(ValueError, match=f"{setting} must be more than 0 seconds"):
        Neo4jSettings("db", "c", **{setting: seconds})
