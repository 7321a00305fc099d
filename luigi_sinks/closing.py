"""Closes what this process keeps open to stores, for programs that cannot wait for its end."""

from __future__ import annotations

from collections.abc import Callable

_closers: list[Callable[[], None]] = []


def close() -> None:
    """Close every driver and connection that this process keeps open, to whichever store; the next call opens another.

    Nothing of this package may run in other threads meanwhile. A process that just ends
    needs no such call: one that leaves by `os._exit`, or stays for other work, does.

    Example:
        >>> import luigi_sinks
        >>> luigi_sinks.close()

    """
    failures: list[Exception] = []
    for closer in _closers:
        try:
            closer()
        except Exception as error:  # noqa: BLE001 - the others are closed first
            failures.append(error)
    for failure in failures:
        raise failure


def when_closed(closer: Callable[[], None]) -> None:
    """Have a store's function called whenever `close` is: it closes what that store keeps open."""
    _closers.append(closer)
