"""Ends statements that take too long as a whole: the driver's time-outs are for one read, and a server may drip."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_TICK = 1.0
"""Seconds between two looks at the statements that run."""

_running: dict[object, tuple[float, Any]] = {}
"""Until when each statement may take, and its connection."""

_thread: threading.Thread | None = None


@contextmanager
def watched(connection: Any, seconds: float) -> Iterator[None]:
    """Shut the connection's socket down if the block takes longer; the driver then raises that it is lost."""
    statement = object()
    _running[statement] = time.monotonic() + seconds, connection
    _start()
    try:
        yield
    finally:
        _running.pop(statement, None)


def _start() -> None:
    global _thread  # noqa: PLW0603 - one for the process
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_watch, name="luigi_sinks statements of MariaDB", daemon=True)
        _thread.start()


def _watch() -> None:
    while True:
        time.sleep(_TICK)
        for statement, (until, connection) in list(_running.items()):
            if time.monotonic() >= until:
                with suppress(Exception):  # the statement, or its connection, has ended meanwhile
                    _running.pop(statement)
                    _shut_down(connection)


def _shut_down(connection: Any) -> None:
    # Detached at once: the driver's socket object would close the descriptor a second time when it goes.
    with socket.socket(fileno=os.dup(connection.socket.detach())) as copy:
        copy.shutdown(socket.SHUT_RDWR)


def _forget() -> None:
    global _thread  # noqa: PLW0603 - no thread survives a fork
    _thread = None
    _running.clear()


os.register_at_fork(after_in_child=_forget)
