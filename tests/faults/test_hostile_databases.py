"""MariaDB's and Neo4j's connections against servers that are slow, silent, garbage, or that quote what they were sent.

The servers speak just enough of each protocol to be given the password or the token. All are asked at once, in
threads; a test looks at one result.
"""

import base64
import contextlib
import logging
import random
import secrets
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from luigi_sinks import CredentialError, audit, config
from luigi_sinks.errors import SinkError
from luigi_sinks.mariadb import MariaDBSettings
from luigi_sinks.mariadb import connection as in_mariadb
from luigi_sinks.neo4j import Neo4jSettings
from luigi_sinks.neo4j import connection as in_neo4j
from luigi_sinks.redaction import MARK
from luigi_sinks.testing.servers.bolt import message, packed
from tests.secret_search import found, shown

SECONDS = 1.0
"""The time-outs that are set."""

LATEST = 40.0
"""Seconds after which the error must be there, on a machine with many things to do."""


def exactly(peer, count):
    got = b""
    while len(got) < count:
        if not (piece := peer.recv(count - len(got))):
            raise ConnectionError
        got += piece
    return got


def drip(peer, content):
    for byte in content:
        peer.sendall(bytes([byte]))
        time.sleep(0.2)


def quoted(sent):
    """Return what was sent, as a message quotes it."""
    return f"you sent {sent} {base64.b64encode(b'x' + sent.encode()).decode()} {sent.encode().hex()} {sent[:30]}..."


# MariaDB


def packet(number, content):
    return struct.pack("<I", len(content))[:3] + bytes([number]) + content


GREETING = packet(
    0,
    b"\x0a10.11.6-MariaDB\0\1\0\0\0abcdefgh\0\xff\xf7\x21\2\0\xbf\0\x15"
    + bytes(10)
    + b"ijklmnopqrst\0mysql_native_password\0",
)
CLEAR = packet(2, b"\xfemysql_clear_password\0")
"""Asks for the password in clear text, which the client sends over loopback."""


def receive(peer):
    """Return the number and the content of a packet."""
    head = exactly(peer, 4)
    return head[3], exactly(peer, int.from_bytes(head[:3], "little"))


def failure(number, code, text):
    return packet(number + 1, b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode())


def asks(peer):
    """Log the client in as far as its password, and return the password."""
    peer.sendall(GREETING)
    receive(peer)
    peer.sendall(CLEAR)
    number, content = receive(peer)
    return number, content.rstrip(b"\0").decode()


def refuses(code):
    def answer(peer):
        number, password = asks(peer)
        peer.sendall(failure(number, code, quoted(password)))

    return answer


def fails_later(code):
    def answer(peer):
        number, password = asks(peer)
        peer.sendall(packet(number + 1, b"\0\0\0\2\0\0\0"))
        while True:
            number, _ = receive(peer)
            peer.sendall(failure(number, code, quoted(password)))

    return answer


def answers_statements_slowly(peer):
    number, _ = asks(peer)
    peer.sendall(packet(number + 1, b"\0\0\0\2\0\0\0"))
    number, _ = receive(peer)
    drip(peer, packet(number + 1, b"\xff" + bytes(1000)))


def greets_slowly(peer):
    drip(peer, GREETING)


def answers_slowly(peer):
    peer.sendall(GREETING)
    receive(peer)
    drip(peer, packet(2, b"\xff" + bytes(1000)))


def hears_nothing(peer):
    peer.sendall(GREETING)
    time.sleep(LATEST)


# Neo4j

HELLO, LOGON, SUCCESS, FAILURE = 0x01, 0x6A, 0x70, 0x7F
WELL = message(SUCCESS, packed({"server": "Neo4j/5.26.0", "connection_id": "bolt-1"}))


def messages(peer):
    while True:
        whole = b""
        while size := int.from_bytes(exactly(peer, 2)):
            whole += exactly(peer, size)
        if whole:
            yield whole


def bolt(code, *, later=False):
    """Refuse the login, or what comes after it."""

    def answer(peer):
        exactly(peer, 20)
        peer.sendall(bytes([0, 0, 4, 5]))
        sent = ""
        for each in messages(peer):
            sent += each.decode("latin-1") if each[1] == LOGON else ""
            if (each[1] not in {HELLO, LOGON}) if later else each[1] == LOGON:
                peer.sendall(message(FAILURE, packed({"code": code, "message": quoted(sent)})))
            else:
                peer.sendall(WELL)

    return answer


CODES = (
    "ClientError.Security.Unauthorized",
    "ClientError.Security.Forbidden",
    "ClientError.Security.TokenExpired",
    "ClientError.Security.AuthProviderFailed",
    "DatabaseError.General.UnknownError",
)

OF_ALL = {
    "closed": lambda peer: None,
    "garbage": lambda peer: peer.sendall(random.Random(7).randbytes(5000)),
    "a web server": lambda peer: peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "silent": lambda peer: time.sleep(LATEST),
}
ATTACKS = {
    **{("mariadb", name): attack for name, attack in OF_ALL.items()},
    **{("mariadb", f"refuses with {code}"): refuses(code) for code in (1045, 1044, 1040, 1064, 3159)},
    **{("mariadb", f"fails later with {code}"): fails_later(code) for code in (1045, 1064, 1205, 1927)},
    ("mariadb", "answers statements slowly"): answers_statements_slowly,
    ("mariadb", "greets slowly"): greets_slowly,
    ("mariadb", "answers slowly"): answers_slowly,
    ("mariadb", "hears nothing"): hears_nothing,
    **{("neo4j", name): attack for name, attack in OF_ALL.items() if name != "silent"},
    **{("neo4j", f"refuses with {code}"): bolt(f"Neo.{code}") for code in CODES},
    **{("neo4j", f"fails later with {code}"): bolt(f"Neo.{code}", later=True) for code in CODES},
}


def serve(attack):
    """Start a server that attacks each connection, and return its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(peer):
        with peer, contextlib.suppress(OSError):
            attack(peer)

    def accept():
        while True:
            threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def log_in(store, port):
    if store == "neo4j":
        in_neo4j.preflight(Neo4jSettings("127.0.0.1", "token", port=port))
    else:
        settings = MariaDBSettings(
            "127.0.0.1", "db", "loader", "password", port, connect_timeout=SECONDS, statement_timeout=SECONDS
        )
        in_mariadb.run(settings, lambda cursor: cursor.execute("SELECT 1"))


def attempt(*arguments):
    started = time.monotonic()
    try:
        log_in(*arguments)
    except Exception as error:  # noqa: BLE001 - which one is what the tests look at
        return time.monotonic() - started, error
    return time.monotonic() - started, None


@dataclass
class Attacked:
    results: dict
    secrets: list
    said: bytes


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    kept = {"password": secrets.token_urlsafe(40), "token": secrets.token_urlsafe(60)}
    sections = {}
    for name, secret in kept.items():
        (folder / name).write_text(secret)
        holds = "bearer" if name == "token" else "password"
        sections[name] = {"source": "file", "path": str(folder / name), "holds": holds}
    log, root = logging.FileHandler(folder / "log"), logging.getLogger()
    config.use({"luigi_sinks": {"credential": sections, "audit": {"path": str(folder / "audit")}}})
    audit.forget_settings()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        with ThreadPoolExecutor(16) as threads:
            started = {key: threads.submit(attempt, key[0], serve(attack)) for key, attack in ATTACKS.items()}
            results = {key: result.result() for key, result in started.items()}
    finally:
        root.removeHandler(log)
        root.setLevel(level)
        config.use(None)
        audit.forget_settings()
    return Attacked(results, list(kept.values()), (folder / "log").read_bytes() + (folder / "audit").read_bytes())


@pytest.mark.parametrize("case", ATTACKS, ids=" ".join)
def test_an_attack_ends_in_an_error_of_ours_in_time_without_a_secret(attacked, case):
    seconds, error = attacked.results[case]
    assert isinstance(error, (CredentialError, SinkError)), repr(error)
    assert seconds < LATEST
    text = "\n".join(shown(error)).encode()
    assert [found(secret, text) for secret in attacked.secrets] == [set(), set()]


@pytest.mark.parametrize("case", ["refuses with 1064", "fails later with 1064"])
def test_the_servers_words_are_shown_without_what_they_quote(attacked, case):
    assert f"you sent {MARK}" in str(attacked.results["mariadb", case][1])


def test_no_log_contains_a_secret(attacked):
    assert [found(secret, attacked.said) for secret in attacked.secrets] == [set(), set()]
    assert b"LOGON" in attacked.said, "the driver of Neo4j logged at DEBUG"
    assert MARK.encode() in attacked.said


def test_the_search_finds_what_the_servers_quoted(attacked):
    said = quoted(attacked.secrets[0]).encode()
    assert found(attacked.secrets[0], said) >= {"raw", "base64", "hex"}
