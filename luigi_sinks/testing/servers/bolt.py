"""Just enough of the Bolt protocol to ask a Neo4j server one query, as a user.

Neo4j's own driver is not needed to run a server, so it is not needed to await one.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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
            secure.makefile("rwb") as stream,
        ):
            return _query_succeeds(stream, login, database)
    except (OSError, ValueError):
        return False


def _query_succeeds(stream: BinaryIO, login: Login, database: str) -> bool:
    stream.write(MAGIC + VERSION + bytes(12))
    stream.flush()
    if _exactly(stream, 4) != VERSION:
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
    return all(_succeeds(stream, request) for request in requests)


def _succeeds(stream: BinaryIO, request: bytes) -> bool:
    """Send a request; its answer is any number of records and then success, or not."""
    stream.write(request)
    stream.flush()
    record = 0x71
    return next(tag for tag in _tags(stream) if tag != record) == SUCCESS


def _tags(stream: BinaryIO) -> Iterator[int]:
    while True:
        message = b""
        while not message or length:
            length = int.from_bytes(_exactly(stream, 2))
            message += _exactly(stream, length)
        yield message[1]


def _exactly(stream: BinaryIO, count: int) -> bytes:
    got = stream.read(count)
    if len(got) != count:
        message = "the server closed the connection"
        raise ValueError(message)
    return got


def _message(tag: int, *fields: bytes) -> bytes:
    body = bytes([0xB0 + len(fields), tag]) + b"".join(fields)
    return len(body).to_bytes(2) + body + bytes(2)


def _packed(value: str | Mapping[str, str]) -> bytes:
    """A short text, or a small map of them, in PackStream."""
    if isinstance(value, str):
        text = value.encode()
        size = len(text)
        return (bytes([0x80 + size]) if size < TINY else bytes([0xD0, size])) + text
    items = (_packed(key) + _packed(item) for key, item in value.items())
    return bytes([0xA0 + len(value)]) + b"".join(items)
