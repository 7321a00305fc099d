"""Opens the driver, keeps it for the process, and says what its errors mean."""

from __future__ import annotations

import atexit
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from luigi_sinks import config
from luigi_sinks.credentials import Refused, Token, use
from luigi_sinks.errors import BadSetting, NotInstalled, Unavailable

try:
    import neo4j
    from neo4j.exceptions import (
        AuthError,
        ClientError,
        ConfigurationError,
        DriverError,
        Forbidden,
        Neo4jError,
        ServiceUnavailable,
        SessionExpired,
        TransientError,
    )
except ImportError as missing:
    raise NotInstalled("neo4j", missing) from missing

Result = TypeVar("Result")

_FETCH = 2_000
_NO_DATABASE = "Neo.ClientError.Database.DatabaseNotFound"
_OUT_OF_MEMORY = "Neo.TransientError.General.MemoryPoolOutOfMemoryError"


@dataclass(frozen=True)
class Settings:
    """The section `[luigi_sinks.neo4j]`.

    TLS is on, verified by CA and host name, unless the host is a loopback address
    and no `tls_ca` is given; without `tls_ca` the system's CAs are trusted.
    `scheme = neo4j` finds the leader of a cluster. `rows_per_transaction` bounds
    the server's memory: about 3.5 kB for each row of ten properties.
    """

    host: str
    user: str
    credential: str
    port: int = 7687
    database: str = "neo4j"
    tls_ca: Path | None = None
    scheme: Literal["bolt", "neo4j"] = "bolt"
    rows_per_transaction: int = 10_000

    def __post_init__(self) -> None:
        if self.rows_per_transaction < 1:
            raise ValueError(f"rows_per_transaction = {self.rows_per_transaction} must be at least 1")

    @property
    def address(self) -> str:
        """Where the server is, for the driver and for messages."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def open(self) -> neo4j.Driver:
        """Make a driver, which connects when it is used, each time with the token of that time."""
        return neo4j.GraphDatabase.driver(
            self.address,
            connection_timeout=5,
            connection_acquisition_timeout=6,
            notifications_min_severity="OFF",
            **self.tls(),
        )

    def tls(self) -> Mapping[str, Any]:
        """Say how the driver has to encrypt."""
        if self.tls_ca is None and config.is_loopback(self.host):
            return {"encrypted": False}
        trusted = neo4j.TrustCustomCAs(str(self.tls_ca)) if self.tls_ca else neo4j.TrustSystemCAs()
        return {"encrypted": True, "trusted_certificates": trusted}


def query(settings: Settings, cypher: str, **parameters: Any) -> list[dict[str, Any]]:
    """Run a query that may be run twice, in a transaction of its own or in those it makes; return its rows."""
    return _used(settings, lambda session: session.run(cypher, parameters).data())


def transact(settings: Settings, work: Callable[[neo4j.Transaction], Result], *, version: str = "") -> Result:
    """Run work in one transaction; once more if it is unknown whether that was committed, so it must bear it.

    The transaction carries the version's id, by which it can be found and ended.
    Raises Unavailable if the server does not answer.
    """

    def once(session: neo4j.Session) -> Result:
        with session.begin_transaction(metadata={"luigi_sinks": version}) as tx:
            result = work(tx)
            tx.commit()
            return result

    return _used(settings, once)


def stream(settings: Settings, cypher: str, **parameters: Any) -> Iterator[list[Any]]:
    """Yield the first column of a query's rows, a few thousand at a time."""
    session, result = _use(settings, lambda token: _begun(settings, token, cypher, parameters))
    with session, _explained(settings):
        while rows := result.fetch(_FETCH):
            yield [row[0] for row in rows]


def _used(settings: Settings, call: Callable[[neo4j.Session], Result]) -> Result:
    """Call with a session; once more if a kept connection turns out to be dead, or a lock was lost."""

    def connect(token: Token) -> Result:
        with _refusal(), _explained(settings), _session(settings, token) as session:
            try:
                return call(session)
            except (DriverError, Neo4jError) as error:
                if not _passes(error):
                    raise
                return call(session)

    return _use(settings, connect)


def _use(settings: Settings, connect: Callable[[Token], Result]) -> Result:
    return use(settings.credential, connect, host=settings.host, port=settings.port, user=settings.user)


def _passes(error: Exception) -> bool:
    """Tell whether the same call may go well at once: a connection broke that stood before, or a lock was lost."""
    broke = isinstance(error, ServiceUnavailable) and isinstance(error.__cause__, OSError)
    return broke or isinstance(error, (SessionExpired, TransientError))


def _begun(settings: Settings, token: Token, cypher: str, parameters: Any) -> tuple[neo4j.Session, neo4j.Result]:
    session = _session(settings, token)
    try:
        with _refusal(), _explained(settings):
            return session, session.run(cypher, parameters)
    except BaseException:
        session.close()
        raise


def _session(settings: Settings, token: Token) -> neo4j.Session:
    """Open a session of its own identity: a token that was replaced needs no new driver."""
    return _driver(settings).session(
        database=settings.database,
        auth=neo4j.basic_auth(token.user or settings.user, token.reveal()),
        fetch_size=_FETCH,
    )


@contextmanager
def _refusal() -> Iterator[None]:
    try:
        yield
    except AuthError as error:
        raise Refused from error


@contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    """Turn what the driver raises into what the caller can act on; leave alone what speaks of the query."""
    try:
        yield
    except Forbidden as error:
        raise BadSetting(f"{settings.address}: {settings.user} lacks a right: {error.message}") from error
    except ConfigurationError as error:
        raise BadSetting(f"{settings.address}: {error}") from error
    except ClientError as error:
        if error.code == _NO_DATABASE:
            raise BadSetting(f"{settings.address} has no database {settings.database!r}") from error
        raise
    except (DriverError, Neo4jError) as error:
        if isinstance(_root(error), ssl.SSLCertVerificationError):
            raise BadSetting(f"{settings.address}: {_root(error)}; tls_ca = {settings.tls_ca} is wrong") from error
        raise Unavailable(f"{settings.address}: {_way_out(error)}") from error

    except OSError as error:  # the driver has errors of its own for the network; this is the CA's file
        raise BadSetting(f"tls_ca = {settings.tls_ca} in the section [luigi_sinks.neo4j]: {error}") from error


def _root(error: BaseException) -> BaseException:
    return _root(error.__cause__) if error.__cause__ else error


def _way_out(error: Exception) -> str:
    section = "in the section [luigi_sinks.neo4j]"
    if getattr(error, "code", "") == _OUT_OF_MEMORY:
        return f"{error}; set rows_per_transaction {section} lower, or give the server more memory"
    return f"{error}; see that the server runs, and that host, port and tls_ca {section} are right"


_drivers: dict[Settings, neo4j.Driver] = {}
_inherited: list[object] = []
_lock = threading.Lock()


def _driver(settings: Settings) -> neo4j.Driver:
    """Return the process's driver for these settings: making one for each look would cost a handshake."""
    with _lock:
        if settings not in _drivers:
            _drivers[settings] = settings.open()
        return _drivers[settings]


def _forget() -> None:
    """Leave a parent's drivers to the parent: closing one here would say goodbye on its connections."""
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    _lock = threading.Lock()
    _inherited.append(dict(_drivers))
    _drivers.clear()


@atexit.register
def _close() -> None:
    for driver in _drivers.values():
        driver.close()


os.register_at_fork(after_in_child=_forget)
