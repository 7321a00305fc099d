"""Opens the driver, with TLS, keeps it for the process, and calls it with the current token, each time for so long.

The server ends each transaction when its time is over, whatever became of the client. The
client ends its call then too: the driver waits as long as a server says that it is alive.
"""

from __future__ import annotations

import atexit
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import neo4j
from neo4j.exceptions import DriverError, Neo4jError

from luigi_sinks import redaction, running
from luigi_sinks.closing import when_closed
from luigi_sinks.credentials import Refused, Token, logins, use
from luigi_sinks.errors import BadSetting, CredentialError
from luigi_sinks.neo4j import errors
from luigi_sinks.neo4j.settings import Neo4jSettings

Result = TypeVar("Result")

Run = Callable[..., list[dict[str, Any]]]
"""Runs a query with parameters by name, and returns its rows: alone, or within a transaction."""

_FETCH = 2_000
_KEPT_IDLE = 1.0
"""Seconds that a kept connection may be idle before the driver checks that it is alive."""


def open_driver(settings: Neo4jSettings) -> neo4j.Driver:
    """Return a driver, which connects on use, each time with the current token.

    The driver detects a server that has stopped by a check before it reuses a connection
    and, within a call, after two missed keep-alives, which Neo4j sends each minute
    (`server.bolt.connection_keep_alive`) however long a query takes.
    """
    return neo4j.GraphDatabase.driver(
        settings.address,
        ssl_context=_tls_context(settings) if settings.is_encrypted else None,
        connection_timeout=settings.connect_timeout,
        connection_acquisition_timeout=settings.connect_timeout,
        liveness_check_timeout=_KEPT_IDLE,
        notifications_min_severity="OFF",
    )


def preflight(settings: Neo4jSettings) -> None:
    """Log in, and run a query that reads nothing.

    Raises Unavailable, Forbidden, CredentialError, or BadSetting for a setting or a database that is wrong.
    """
    query(settings, "RETURN 1")


def query(settings: Neo4jSettings, cypher: str, /, **parameters: Any) -> list[dict[str, Any]]:
    """Run a query that may be run twice, in a transaction of its own; return its rows.

    Raises Unavailable if it does not end within `request_timeout`.
    """
    return _queried(settings, Limit.request(settings), cypher, parameters)


def long_query(settings: Neo4jSettings, cypher: str, /, **parameters: Any) -> list[dict[str, Any]]:
    """Run a query as `query` does that counts, deletes or indexes a whole version, within `step_timeout`."""
    return _queried(settings, Limit.step(settings), cypher, parameters)


def transact(settings: Neo4jSettings, work: Callable[..., Result], *args: Any, version: str) -> Result:
    """Return the result of `work(tx, *args)` in one transaction, which writes rows of a version.

    It runs once more if it is unknown whether the transaction was committed, so it
    must be safe to repeat. The transaction carries the version's id, by which it is
    found and ended. Raises Unavailable if it does not end within `request_timeout`.
    """
    limit = Limit.request(settings)

    def once(session: neo4j.Session) -> Result:
        with session.begin_transaction(metadata=_metadata(version), timeout=limit.seconds) as tx:
            result = work(tx, *args)
            tx.commit()
            return result

    return _used(settings, limit, once)


def alone(settings: Neo4jSettings) -> Run:
    """Return what runs each query in a transaction of its own."""
    return partial(query, settings)


def slowly(settings: Neo4jSettings) -> Run:
    """Return what runs each query as `long_query` does."""
    return partial(long_query, settings)


def within(tx: neo4j.Transaction) -> Run:
    """Return what runs queries within a transaction."""
    return lambda cypher, **parameters: tx.run(cypher, parameters).data()


def stream(settings: Neo4jSettings, cypher: str, /, **parameters: Any) -> Iterator[list[Any]]:
    """Yield the first column of a query's rows, a few thousand at a time, all within `step_timeout`.

    Raises CredentialError if the server stops accepting the token before the last row.
    """
    session, result = _use(settings, lambda token: _begun(settings, token, cypher, parameters))
    with session:
        while rows := _fetched(settings, session, result):
            yield [row[0] for row in rows]


@dataclass(frozen=True)
class Limit:
    """How long a call may take, and the setting that says so."""

    setting: str
    seconds: float

    @classmethod
    def request(cls, settings: Neo4jSettings) -> Limit:
        """Return the limit of one transaction."""
        return cls("request_timeout", settings.request_timeout)

    @classmethod
    def step(cls, settings: Neo4jSettings) -> Limit:
        """Return the limit of what is done to a whole version."""
        return cls("step_timeout", settings.step_timeout)

    def query(self, cypher: str) -> neo4j.Query:
        """Return a query that the server ends, too."""
        return neo4j.Query(cypher, metadata=_metadata(), timeout=self.seconds)

    @contextmanager
    def on(self, session: neo4j.Session, settings: Neo4jSettings) -> Iterator[threading.Event]:
        """Raise Unavailable for a call that takes longer, whose connection is closed; yield what tells that."""
        is_late, has_ended = threading.Event(), threading.Event()
        cutter = threading.Thread(target=self._cut, args=(session, is_late, has_ended), daemon=True)
        with suppress(RuntimeError):  # from Python 3.12 on, a program that ends starts no thread
            cutter.start()
        try:
            yield is_late
        except Exception as error:
            if is_late.is_set():
                raise errors.late(settings, self.setting, self.seconds) from error
            raise
        finally:
            has_ended.set()

    def _cut(self, session: neo4j.Session, is_late: threading.Event, has_ended: threading.Event) -> None:
        wait: float = self.seconds
        while not has_ended.wait(wait):
            is_late.set()
            wait = 0.2  # the session may be about to take another connection
            with suppress(Exception):
                cast(Any, session)._connection.socket.close()  # noqa: SLF001 - the driver offers nothing of the kind


@redaction.shielded()
def _fetched(settings: Neo4jSettings, session: neo4j.Session, result: neo4j.Result) -> list[neo4j.Record]:
    try:
        with errors.explained(settings), Limit.request(settings).on(session, settings):
            return result.fetch(_FETCH)
    except Refused as refusal:
        raise CredentialError(
            f"{settings.address} accepts the token of credential {settings.credential!r} no longer "
            f"({refusal.__cause__}); read the rows again"
        ) from refusal.__cause__


def _metadata(version: str = "") -> dict[str, Any]:
    """Return what the server shows of a transaction in its list and log; it joins them to the audit log."""
    said = {"luigi_sinks": version, "correlation": running.current().correlation, "task": running.current().task_id}
    return {key: value for key, value in said.items() if value}


def _queried(settings: Neo4jSettings, limit: Limit, cypher: str, parameters: Any) -> list[dict[str, Any]]:
    return _used(settings, limit, lambda session: session.run(limit.query(cypher), parameters).data())


def _used(settings: Neo4jSettings, limit: Limit, call: Callable[[neo4j.Session], Result]) -> Result:
    """Call with a session; once more if a kept connection turns out to be dead, or a lock was lost."""

    def connect(token: Token) -> Result:
        session = _session(settings, token)
        with errors.explained(settings), limit.on(session, settings) as is_late, session:
            try:
                result = call(session)
            except (DriverError, Neo4jError, OSError) as error:
                if is_late.is_set() or not errors.is_retryable(error):
                    raise
                result = call(session)
            logins.note(settings, token)
            return result

    return _use(settings, connect)


def _use(settings: Neo4jSettings, connect: Callable[[Token], Result]) -> Result:
    return use(
        settings.credential,
        connect,
        host=settings.host,
        port=settings.port,
        user=settings.user,
        audience=settings.audience,
        owner=settings.owner,
    )


def _begun(settings: Neo4jSettings, token: Token, cypher: str, parameters: Any) -> tuple[neo4j.Session, neo4j.Result]:
    with errors.explained(settings):
        session = _session(settings, token)
        try:
            with Limit.request(settings).on(session, settings):
                result = session.run(Limit.step(settings).query(cypher), parameters)
        except BaseException:
            session.close()
            raise
    logins.note(settings, token)
    return session, result


def _session(settings: Neo4jSettings, token: Token) -> neo4j.Session:
    """Open a session with this token: a token that was replaced needs no new driver, and the driver keeps none.

    The driver's own auth manager would not do: it is not asked again when the server
    refuses a new connection, nor within an explicit transaction.
    """
    return _driver(settings).session(database=settings.database, auth=_auth(settings, token), fetch_size=_FETCH)


def _auth(settings: Neo4jSettings, token: Token) -> neo4j.Auth:
    """Return the driver's form of a token."""
    match token.scheme:
        case "password":
            return neo4j.basic_auth(_user(settings, token), token.reveal())
        case "bearer":
            return neo4j.bearer_auth(token.reveal())
        case "none":
            return neo4j.Auth("none", "", "")
        case _:
            raise BadSetting(
                f"credential {settings.credential!r} gives a token of the kind {token.scheme!r}, which Neo4j does not "
                "take; name a credential that is a password, a bearer token, or proxied"
            )


def _user(settings: Neo4jSettings, token: Token) -> str:
    user = token.user or settings.user
    if not user:
        raise BadSetting(
            f"the section of Neo4j at {settings.address} in luigi.cfg has no user, and credential "
            f"{settings.credential!r} is a password; add user = NAME"
        )
    return user


def _tls_context(settings: Neo4jSettings) -> ssl.SSLContext:
    """Trust the CA of `tls_ca`, or those of the system. Raises BadSetting for a file that cannot be used."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # it verifies the certificate and its host name
    context.settings = settings
    try:
        context.load_verify_locations(settings.tls_ca) if settings.tls_ca else context.load_default_certs()
    except OSError as error:
        raise BadSetting(f"tls_ca = {settings.tls_ca} {errors.SECTION}: {error}") from error
    try:
        context.load_own()
    except OSError as error:
        files = f"tls_certificate = {settings.tls_certificate} and tls_key = {settings.tls_key}"
        raise BadSetting(f"{files} {errors.SECTION}: {error}") from error
    return context


class _Context(ssl.SSLContext):
    """Wraps each socket of the driver, which has no setting for a server whose name differs from its host."""

    settings: Neo4jSettings

    def load_own(self) -> None:
        """Read the client's certificate, as it is now."""
        if self.settings.tls_certificate:
            self.load_cert_chain(self.settings.tls_certificate, self.settings.tls_key)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Shake hands with a certificate that may have been rotated since."""
        self.load_own()
        name = self.settings.tls_server_name or options.get("server_hostname")
        return super().wrap_socket(*args, **{**options, "server_hostname": name})


_drivers: dict[Neo4jSettings, neo4j.Driver] = {}
_inherited: list[object] = []
_lock = threading.Lock()


def _driver(settings: Neo4jSettings) -> neo4j.Driver:
    """Return the process's driver for these settings: a new one for each call would cost a handshake."""
    with _lock:
        if settings not in _drivers:
            _drivers[settings] = open_driver(settings)
        return _drivers[settings]


def close(settings: Neo4jSettings) -> None:
    """Close this process's driver for these settings, if there is one; the next call opens another."""
    with _lock:
        driver = _drivers.pop(settings, None)
    if driver is not None:
        driver.close()


def _forget() -> None:
    """Forget the parent's drivers in a forked child: closing one here would end the parent's connections."""
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    _lock = threading.Lock()
    _inherited.append(dict(_drivers))
    _drivers.clear()


@atexit.register
def _close() -> None:
    for settings in list(_drivers):
        close(settings)


when_closed(_close)
os.register_at_fork(after_in_child=_forget)
