"""Opens connections, keeps them for the next use, and says what the driver's errors mean."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from luigi_sinks import config
from luigi_sinks.credentials import Refused, Token, use
from luigi_sinks.errors import BadSetting, Forbidden, NotInstalled, SinkError, Unavailable

try:
    import mariadb
except ImportError as missing:
    raise NotInstalled("mariadb", missing) from missing

Result = TypeVar("Result")

# Error numbers of the server, https://mariadb.com/kb/en/mariadb-error-code-reference/
NO_SUCH_TABLE = 1146
_LOCKED = {1205, 1213}
_REFUSED = {1045, 1698}
_FORBIDDEN = {1044, 1142, 1143, 1227, 1370}
_NO_LOCAL_FILES = {1148, 4166}
_OUT_OF_SERVICE = {1021, 1040, 1114, 1203, 1226, 1290, 1317, 1836, 1969}
_ENDED = {1053, 1158, 1159, 1160, 1161, 1927}

_ATTEMPTS = 3
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 10, net_write_timeout = 3600",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
"""Our own whatever the server's defaults are; a slow reader of a version has an hour for each packet."""


@dataclass(frozen=True)
class Settings:
    """The section `[luigi_sinks.mariadb]`.

    TLS is on, verified by CA and host name, unless the host is a loopback address
    and no `tls_ca` is given; without `tls_ca` the system's CAs are trusted.
    """

    host: str
    database: str
    user: str
    credential: str
    port: int = 3306
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        if self.host.casefold() == "localhost":
            raise ValueError("host = localhost makes the driver use a socket file and ignore the port; write 127.0.0.1")

    def connect(self, token: Token) -> Any:
        """Open a connection; raises Refused if the server does not take the token."""
        try:
            return mariadb.connect(
                host=self.host,
                port=self.port,
                user=token.user or self.user,
                password=token.reveal(),
                connect_timeout=5,
                read_timeout=300,
                write_timeout=300,
                local_infile=True,
                autocommit=True,
                **self.tls,
            )
        except mariadb.Error as error:
            if error.errno in _REFUSED:
                raise Refused from error
            raise explained(self, error) from error

    @property
    def tls(self) -> dict[str, Any]:
        """What the driver is told about TLS."""
        if self.tls_ca is None and config.is_loopback(self.host):
            return {}
        if self.tls_ca is not None and not self.tls_ca.is_file():  # the driver would not name it
            raise BadSetting(f"tls_ca = {self.tls_ca} in the section [luigi_sinks.mariadb]: there is no such file")
        # Verification is also what keeps the driver from falling back to clear text.
        return {"ssl_verify_cert": True} | ({"ssl_ca": str(self.tls_ca)} if self.tls_ca else {})


_idle: dict[Settings, list[Any]] = {}
_opened: WeakSet[Any] = WeakSet()


def run(settings: Settings, work: Callable[[Any], Result]) -> Result:
    """Return `work(cursor)`, which must be safe to repeat.

    It is repeated when it lost a race for locks, and once when the connection was
    lost. Raises Unavailable if that does not help.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with _borrowed(settings) as connection, connection.cursor() as cursor:
                return work(cursor)
        except mariadb.Error as error:
            if _is_lost(error):
                _idle.pop(settings, None)
            if not (_is_lost(error) and attempt == 0) and not (error.errno in _LOCKED and attempt < _ATTEMPTS - 1):
                raise explained(settings, error) from error
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - it only keeps rivals apart
    raise AssertionError("every attempt returns or raises")


def transact(settings: Settings, work: Callable[[Any], Result]) -> Result:
    """Return `work(cursor)` of one transaction; raises what `run` raises."""

    def transaction(cursor: Any) -> Result:
        cursor.execute("START TRANSACTION")
        result = work(cursor)
        cursor.execute("COMMIT")
        return result

    return run(settings, transaction)


def rows(cursor: Any, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query within a transaction."""
    cursor.execute(query, values)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def stream(settings: Settings, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query as the server sends them; a reader that stops early ends the connection."""
    with _explaining(settings), _borrowed(settings) as connection:
        cursor = connection.cursor(buffered=False)  # its own close() would fetch all that is left
        cursor.execute(query)
        yield from cursor


def explained(settings: Settings, error: Any) -> SinkError:
    """Say what an error of the driver means for a user, and the way out."""
    place = f"MariaDB at {settings.host}:{settings.port}"
    if error.errno in _NO_LOCAL_FILES:
        return BadSetting(f"{place} takes no rows from clients ({error}); start it with local_infile = ON")
    if error.errno in _FORBIDDEN:
        return Forbidden(f"{place}: user {settings.user!r} lacks a right: {error}")
    if error.errno in _LOCKED:
        return Unavailable(f"{place}: another transaction holds locks for too long ({error}); run this again")
    if _is_lost(error) or error.errno in _OUT_OF_SERVICE:
        return Unavailable(f"{place} does not answer ({error}); does it run, and is its section in luigi.cfg right?")
    return SinkError(f"{place}: {error}")


def is_refusal(error: Any) -> bool:
    """Tell whether the server understood a statement and said no to what it asks for."""
    return not _is_lost(error) and error.errno not in _LOCKED | _OUT_OF_SERVICE | _FORBIDDEN


@contextmanager
def _explaining(settings: Settings) -> Iterator[None]:
    try:
        yield
    except mariadb.Error as error:
        raise explained(settings, error) from error


@contextmanager
def _borrowed(settings: Settings) -> Iterator[Any]:
    """Lend a connection that nobody else uses; keep it only if all went well."""
    connection = _kept(settings) or _open(settings)
    try:
        yield connection
    except BaseException:
        connection.close()  # which rolls back
        raise
    _idle.setdefault(settings, []).append(connection)


def _kept(settings: Settings) -> Any:
    try:
        return _idle[settings].pop()
    except LookupError:
        return None


def _open(settings: Settings) -> Any:
    connection = use(settings.credential, settings.connect, host=settings.host, port=settings.port, user=settings.user)
    _opened.add(connection)
    with _explaining(settings), connection.cursor() as cursor:
        for statement in _SESSION:
            cursor.execute(statement)
    return connection


def _is_lost(error: Any) -> bool:
    """Tell whether the connection ended; the client's own errors are numbered from 2000 on."""
    is_clients = 2000 <= (error.errno or 0) < 3000  # noqa: PLR2004
    return isinstance(error, mariadb.InterfaceError) or is_clients or error.errno in _ENDED


def _forget_inherited() -> None:
    """Cut a forked child off its parent's connections: closing one would end it for the parent too."""
    null = os.open(os.devnull, os.O_RDWR)
    for connection in _opened:
        with suppress(mariadb.Error):  # it is closed already; to ask would send a ping
            os.dup2(null, connection.socket.detach())
    os.close(null)
    _opened.clear()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_inherited)
