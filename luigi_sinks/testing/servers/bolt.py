"""Just enough of the Bolt protocol to ask a Neo4j server one query, and to say who asks.

Neo4j's own driver is not needed to run a server, so it is not needed to await one.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

MAGIC = bytes.fromhex("6060b017")
VERSION = bytes([0, 0, 4, 4])
HELLO, RUN, PULL = 0x01, 0x10, 0x3F
SUCCESS = 0x70
TINY = 16
LARGEST_CHUNK = 0xFFFF
QUERY = "RETURN 1"
EVERY_ROW = b"\xa1\x81n\xff"


@dataclass(frozen=True, repr=False)
class Login:
    """Who asks, by a password or by a token; not shown anywhere."""

    user: str
    secret: str
    scheme: Literal["basic", "bearer"] = "basic"


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
    who = {"scheme": login.scheme, "principal": login.user, "credentials": login.secret}
    requests = (
        message(HELLO, packed({"user_agent": "luigi_sinks/1", **who})),
        message(RUN, packed(QUERY), packed({}), packed({"db": database})),
        message(PULL, EVERY_ROW),
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


def message(tag: int, *fields: bytes) -> bytes:
    """Frame a message: its pieces, each with its size before it, and an empty one."""
    whole = bytes([0xB0 + len(fields), tag]) + b"".join(fields)
    pieces = (whole[at : at + LARGEST_CHUNK] for at in range(0, len(whole), LARGEST_CHUNK))
    return b"".join(len(piece).to_bytes(2) + piece for piece in pieces) + bytes(2)


def body(framed: bytes) -> bytes:
    """Undo `message`, up to the joined fields with the two bytes before them."""
    pieces, at = [], 0
    while size := int.from_bytes(framed[at : at + 2]):
        pieces.append(framed[at + 2 : at + 2 + size])
        at += 2 + size
    return b"".join(pieces)


def packed(value: Any) -> bytes:
    """Encode texts, and maps and lists of them, in PackStream."""
    match value:
        case None:
            return b"\xc0"
        case str():
            text = value.encode()
            return _sized(len(text), 0x80, 0xD0) + text
        case Mapping():
            items = (packed(key) + packed(item) for key, item in value.items())
            return _sized(len(value), 0xA0, 0xD8) + b"".join(items)
        case _:
            return _sized(len(value), 0x90, 0xD4) + b"".join(map(packed, value))


def unpacked(data: bytes) -> Any:
    """Decode what `packed` can encode. Raises ValueError for anything else."""
    value, end = _value(data, 0)
    if end != len(data):
        raise ValueError("there is more than one value")
    return value


def _sized(size: int, tiny: int, marker: int) -> bytes:
    """Encode a size together with what it is the size of."""
    if size < TINY:
        return bytes([tiny + size])
    width = next(width for width in (0, 1, 2) if size < 1 << (8 << width))
    return bytes([marker + width]) + size.to_bytes(1 << width)


def _value(data: bytes, at: int) -> tuple[Any, int]:
    """Decode the value that begins at an offset; return it with the offset of its end."""
    marker = data[at]
    if marker == 0xC0:  # noqa: PLR2004 - PackStream's own
        return None, at + 1
    kind, size, at = _size(data, at)
    if kind == "text":
        return data[at : at + size].decode(), at + size
    items = []
    for _ in range(2 * size if kind == "map" else size):
        item, at = _value(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2], strict=True)) if kind == "map" else items), at


def _size(data: bytes, at: int) -> tuple[str, int, int]:
    """Return what begins at an offset, its size, and the offset of its content."""
    kinds = {0x80: ("text", 0xD0), 0x90: ("list", 0xD4), 0xA0: ("map", 0xD8)}
    marker = data[at]
    for tiny, (kind, wide) in kinds.items():
        if tiny <= marker < tiny + TINY:
            return kind, marker - tiny, at + 1
        if wide <= marker <= wide + 2:
            end = at + 1 + (1 << marker - wide)
            return kind, int.from_bytes(data[at + 1 : end]), end
    raise ValueError(f"the marker {marker:#x} is not one of a login")
