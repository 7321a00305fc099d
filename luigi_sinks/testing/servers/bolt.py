"""Just enough of the Bolt protocol to ask a Neo4j server one query, as a user.

Neo4j's own driver is not needed to run a server, so it is not needed to await one.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MAGIC = bytes.fromhex("6060b017")
VERSION = bytes([0, 0, 4, 4])
HELLO, RUN, PULL = 0x01, 0x10, 0x3F
SUCCESS = 0x70
TINY = 16
QUERY = "RETURN 1"
EVERY_ROW = b"\xa1\x81n\xff"


@dataclass(frozen=True, repr=False)
class Login:
    """Who asks; not shown anywhere."""

    user: str
    password: str


def answers(address: tuple[str, int], ca: Path, login: Login, database: str) -> bool:
    """Whether a query on this database succeeds, over TLS that `ca` vouches for."""
    context = ssl.create_default_context(cafile=ca)
    try:
        with (
            socket.create_connection(address, timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as secure,
        ):
            return _query_succeeds(secure, login, database)
    except OSError:
        return False


def _query_succeeds(peer: ssl.SSLSocket, login: Login, database: str) -> bool:
    peer.sendall(MAGIC + VERSION + bytes(12))
    if _exactly(peer, 4) != VERSION:
        return False
    greeting = _packed(
        {
            "user_agent": "luigi_sinks/1",
            "scheme": "basic",
            "principal": login.user,
            "credentials": login.password,
        }
    )
    requests = (
        _message(HELLO, greeting),
        _message(RUN, _packed(QUERY), _packed({}), _packed({"db": database})),
        _message(PULL, EVERY_ROW),
    )
    return all(_succeeds(peer, request) for request in requests)


def _succeeds(peer: ssl.SSLSocket, request: bytes) -> bool:
    """Send a request; its answer is any number of records and then success, or not."""
    peer.sendall(request)
    record = 0x71
    return next(tag for tag in _tags(peer) if tag != record) == SUCCESS


def _tags(peer: ssl.SSLSocket) -> Iterator[int]:
    while True:
        message = b"".join(iter(lambda: _chunk(peer), b""))
        if message:
            yield message[1]


def _chunk(peer: ssl.SSLSocket) -> bytes:
    """Read a piece of a message; an empty one ends it."""
    return _exactly(peer, int.from_bytes(_exactly(peer, 2)))


def _exactly(peer: ssl.SSLSocket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = peer.recv(count - len(got))
        if not piece:
            raise ConnectionError("the server closed the connection")
        got += piece
    return got


def _message(tag: int, *fields: bytes) -> bytes:
    body = bytes([0xB0 + len(fields), tag]) + b"".join(fields)
    return len(body).to_bytes(2) + body + bytes(2)


def _packed(value: str | Mapping[str, str]) -> bytes:
    """Encode a short text, or a small map of them, in PackStream."""
    if isinstance(value, str):
        text = value.encode()
        size = len(text)
        return (bytes([0x80 + size]) if size < TINY else bytes([0xD0, size])) + text
    items = (_packed(key) + _packed(item) for key, item in value.items())
    return bytes([0xA0 + len(value)]) + b"".join(items)
