"""Runs work on connections, and keeps these for reuse up to `max_connection_age`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import mariadb

from luigi_sinks import redaction
from luigi_sinks.closing import when_closed
from luigi_sinks.credentials import logins
from luigi_sinks.errors import Unavailable
from luigi_sinks.mariadb import driver
from luigi_sinks.mariadb.errors import LOCKED, explained, is_lost
from luigi_sinks.mariadb.session import CommentingCursor, login_of_session, open_session
from luigi_sinks.mariadb.settings import MariaDBSettings

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

_ATTEMPTS = 3
_ROWS_AT_ONCE = 100

_idle: dict[MariaDBSettings, list[Any]] = {}
_opened: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
"""When each connection was opened, by the monotonic clock."""
_numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""The server's number of each, which a closed one does not tell."""


def run(
    settings: MariaDBSettings,
    work: Callable[Concatenate[Any, Arguments], Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Return `work(cursor, ...)`, which must be safe to repeat.

    It is repeated when it lost a race for locks, and once when the connection was
    lost. Raises Unavailable if that does not help.
    """
    for attempt in range(_ATTEMPTS):
        start = time.monotonic()
        try:
            with (
                redaction.shielded(),
                _returned(settings, _taken(settings)) as connection,
                connection.cursor(CommentingCursor) as cursor,
            ):
                return work(cursor, *args, **kwargs)
        except mariadb.Error as error:
            if is_lost(error):
                _idle.pop(settings, None)
            if not (is_lost(error) and attempt == 0) and not (error.errno in LOCKED and attempt < _ATTEMPTS - 1):
                waited = time.monotonic() - start
                raise explained(settings, error, timeout="statement_timeout", waited=waited) from error
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - it only keeps competitors apart
    raise AssertionError("every attempt returns or raises")


def transact(
    settings: MariaDBSettings,
    work: Callable[Concatenate[Any, Arguments], Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Return `work(cursor, ...)` of one transaction; raises what `run` raises."""

    def transaction(cursor: Any) -> Result:
        cursor.execute("START TRANSACTION")
        result = work(cursor, *args, **kwargs)
        cursor.execute("COMMIT")
        return result

    return run(settings, transaction)


def own_sessions() -> set[int]:
    """Return the server's numbers of the sessions that this process opened."""
    return set(_numbers.values())


def rows(cursor: Any, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query within a transaction."""
    cursor.execute(query, values)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def stream(settings: MariaDBSettings, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query as the server sends them; a reader that stops early ends the connection.

    Raises Unavailable if the server stops before the last one.
    """
    with _explaining(settings):
        cursor = _asked(settings, query)
        with _returned(settings, cursor.connection) as connection:
            count = 0
            while found := cursor.fetchmany(_ROWS_AT_ONCE):
                yield from found
                count += len(found)
            driver.warn_of_kept_rows(count)
            _refuse_half_an_answer(settings, connection)


def _refuse_half_an_answer(settings: MariaDBSettings, connection: Any) -> None:
    """Raise Unavailable if the server reports an error: the driver takes an error between two rows for the end."""
    with connection.cursor(CommentingCursor) as cursor:
        for _, number, reason in rows(cursor, "SHOW ERRORS"):
            raise Unavailable(
                f"MariaDB at {settings.address} stopped sending rows ({number}: {reason}); read them again"
            )


def _asked(settings: MariaDBSettings, query: str) -> Any:
    """Return a cursor before the first row of its answer; a kept connection that died is replaced once."""
    for attempt in range(2):
        # Not buffered, and never closed: that would fetch all that is left.
        cursor = _taken(settings).cursor(CommentingCursor, buffered=False)
        try:
            cursor.execute(query)
        except mariadb.Error as error:
            cursor.connection.close()
            if attempt or not is_lost(error):
                raise
            _idle.pop(settings, None)
        else:
            return cursor
    raise AssertionError("every attempt returns or raises")


@contextmanager
def _explaining(settings: MariaDBSettings) -> Iterator[None]:
    try:
        with redaction.shielded():
            yield
    except mariadb.Error as error:
        raise explained(settings, error) from error


@contextmanager
def _returned(settings: MariaDBSettings, connection: Any) -> Iterator[Any]:
    """Give a connection to one user at a time; keep it only if the block ends without an error."""
    try:
        yield connection
    except BaseException:
        connection.close()  # which rolls back
        raise
    _idle.setdefault(settings, []).append(connection)


def _taken(settings: MariaDBSettings) -> Any:
    """Return a connection, and note its login: a kept one may be older than the last token."""
    connection = _young(settings)
    logins.used(settings, login_of_session(connection))
    return connection


def _young(settings: MariaDBSettings) -> Any:
    """Return a kept connection, or a new one; closes those that are too old."""
    while (kept := _kept(settings)) is not None:
        if time.monotonic() - _opened[kept] < settings.max_connection_age:
            return kept
        kept.close()
    connection = open_session(settings)
    _opened[connection] = time.monotonic()
    _numbers[connection] = connection.connection_id
    return connection


def _kept(settings: MariaDBSettings) -> Any:
    try:
        return _idle[settings].pop()
    except LookupError:
        return None


def _close() -> None:
    """Close the kept connections; one that is in use is closed, or kept, by its user."""
    for connections in _idle.values():
        while connections:
            connections.pop().close()


when_closed(_close)


def _forget_inherited() -> None:
    """Detach a forked child from its parent's connections: closing one would close it for the parent too."""
    null = os.open(os.devnull, os.O_RDWR)
    for connection in _opened:
        with suppress(mariadb.Error):  # it is closed already; to ask would send a ping
            os.dup2(null, connection.socket.detach())
    os.close(null)
    _opened.clear()
    _numbers.clear()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_inherited)
