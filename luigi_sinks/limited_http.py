"""Connections of urllib3 that keep the limits of `limit`, for all that sends requests through urllib3.

A library's time-out is for one read: a server that sends a byte a second keeps it waiting for ever, in a status
line, a header, the size of a chunk, or with `100 Continue`. A response that is compressed, although nobody asked
for that, is refused: it may be a small one that grows.
"""

from __future__ import annotations

import http.client
import io
from typing import Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from luigi_sinks import limit

_AT_ONCE = 1 << 16
"""Bytes that are sent, and at most received, between two looks at the clock."""


class _Reader(io.RawIOBase):
    """Reads from a socket while the limit of the running block allows it."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._raw = socket.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if (allowed := limit.current()) is None:
            return self._raw.readinto(buffer)
        self._socket.settimeout(allowed.left())
        count = self._raw.readinto(buffer)
        allowed.received += count
        if allowed.received > allowed.size:
            allowed.left()  # raises
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """What a response sees of a socket."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket), _AT_ONCE)


class _Response(http.client.HTTPResponse):
    """Reads from a limited socket, and accepts no encoding of the content."""

    def __init__(self, socket: Any, *args: Any, **options: Any) -> None:
        super().__init__(_Socket(socket), *args, **options)  # type: ignore[arg-type]  # it only makes a file of it

    def begin(self) -> None:
        super().begin()
        if (encoding := self.headers.get("content-encoding", "identity").casefold()) != "identity":
            raise http.client.HTTPException(f"the response is compressed ({encoding[:20]}), which nobody asked for")


class Limited(HTTPConnection):
    """Connects, sends and receives while the limit of the running block allows it."""

    response_class = _Response

    def connect(self) -> None:
        """Connect, at most as long as the limit allows."""
        if (allowed := limit.current()) is not None:
            self.timeout = min(float(self.timeout or limit.UNLIMITED), allowed.left())
        super().connect()

    def send(self, data: Any) -> None:
        """Send, at most as long as the limit allows: a TLS socket would begin again with each record."""
        allowed = limit.current()
        for at in range(0, len(data), _AT_ONCE):
            if allowed is not None and self.sock is not None:
                self.sock.settimeout(allowed.left())
            super().send(memoryview(data)[at : at + _AT_ONCE])


class LimitedTls(Limited, HTTPSConnection):
    """The same over TLS."""


class LimitedPool(HTTPConnectionPool):
    """A pool of limited connections."""

    ConnectionCls = Limited


class LimitedTlsPool(HTTPSConnectionPool):
    """A pool of limited connections over TLS."""

    ConnectionCls = LimitedTls


POOLS: Final = {"http": LimitedPool, "https": LimitedTlsPool}
"""The pools for a manager's `pool_classes_by_scheme`."""
