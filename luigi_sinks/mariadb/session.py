"""Opens one session: logs in, takes the owner's role, marks each statement; `connection` keeps sessions for reuse."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import mariadb

from luigi_sinks import audit, owners
from luigi_sinks.credentials import Refused, Token, use
from luigi_sinks.credentials.audit_entries import token_entry
from luigi_sinks.credentials.logins import login_of
from luigi_sinks.errors import BadSetting, Forbidden, SinkError, Unavailable
from luigi_sinks.login import Login
from luigi_sinks.mariadb.driver import Cursor, connect
from luigi_sinks.mariadb.errors import NO_SUCH_ROLE, explained, refuses_login
from luigi_sinks.mariadb.names import quoted
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.mariadb.values import bindable
from luigi_sinks.mariadb.watchdog import watched
from luigi_sinks.running import Running, current

_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 10, net_write_timeout = 3600",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
"""Set on every server, whatever its defaults; a slow reader of a version has an hour for each packet."""

_WHEN_ASKED = 2
"""Connector/C sends a file during LOAD DATA LOCAL only: with True, a server may ask for any file at any statement."""

_UNSAFE = re.compile(r"[^\w.,:=@+-]", re.ASCII)
_LONGEST = 100


_logins: WeakKeyDictionary[Any, Login] = WeakKeyDictionary()
"""The login of each connection."""

_allowed: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
"""The seconds that a statement may take on each connection."""


class CommentingCursor(Cursor):  # type: ignore[misc]  # the driver has no types
    """Appends a comment to each statement, which joins the server's own logs with the audit log."""

    def execute(self, statement: str, data: Sequence[Any] = (), buffered: bool | None = None) -> None:
        """Execute one statement. It may take twice the statement_timeout as a whole, then its connection is lost."""
        with watched(self.connection, _allowed[self.connection]):
            super().execute(f"{statement} {_comment(current())}", list(map(bindable, data)), buffered)


def open_session(settings: MariaDBSettings) -> Any:
    """Return a new connection with the session's settings.

    Raises CredentialError if there is no token that the server accepts, Forbidden if
    the user lacks the owner's role, and what `explained` returns.
    """
    connection = use(
        settings.credential,
        partial(_log_in, settings),
        host=settings.host,
        port=settings.port,
        user=settings.user,
        owner=settings.owner,
    )
    try:
        _set_up(settings, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def login_of_session(connection: Any) -> Login:
    """Return the login of a connection."""
    return _logins[connection]


def _log_in(settings: MariaDBSettings, token: Token) -> Any:
    start = time.monotonic()
    try:
        connection = connect(
            host=settings.host,
            port=settings.port,
            user=token.user or settings.user,
            connect_timeout=math.ceil(settings.connect_timeout),
            read_timeout=math.ceil(settings.statement_timeout),
            write_timeout=math.ceil(settings.statement_timeout),
            local_infile=_WHEN_ASKED,
            autocommit=True,
            **_proof(settings, token),
            **settings.tls,
        )
    except TimeoutError as error:  # of the driver as a whole, whose own time-outs are for one read
        raise Unavailable(
            f"MariaDB at {settings.address}: {error}, twice its connect_timeout; check that it runs, and host and port"
        ) from None
    except mariadb.Error as error:
        if refuses_login(error):
            raise Refused from SinkError(_not_let_in(settings, token, error))
        waited = time.monotonic() - start
        raise explained(settings, error, timeout="connect_timeout", waited=waited) from error
    audit.record(token_entry("connection", settings.credential, token, server=settings.address))
    _allowed[connection] = 2 * settings.statement_timeout
    login = login_of(token)
    _logins[connection] = replace(login, principal=login.principal or settings.user)
    return connection


def _proof(settings: MariaDBSettings, token: Token) -> dict[str, str]:
    match token.scheme:
        case "password":
            return {"password": token.reveal()}
        case "none":
            return {}
        case _:
            raise BadSetting(
                f"credential {settings.credential!r} gives a token of the kind {token.scheme!r}, and MariaDB "
                "takes passwords only: set source = rds_iam, vault, secrets_manager, file or proxied"
            )


def _not_let_in(settings: MariaDBSettings, token: Token, error: Any) -> str:
    place, user = f"MariaDB at {settings.address}", token.user or settings.user
    if not settings.is_encrypted:
        return (
            f"{place} does not let {user!r} in over clear text, which loopback addresses use without tls_ca. If the "
            "server requires TLS, add tls_ca = FILE to its section in luigi.cfg; otherwise check the credential"
        )
    shown = f" The token is good for {token.info.audience}." if token.info.audience else ""
    return f"{place} does not let {user!r} in: {error}.{shown}"


def _set_up(settings: MariaDBSettings, connection: Any) -> None:
    idle, patience = math.ceil(settings.max_connection_age), math.ceil(settings.transaction_timeout)
    limits = f"SET SESSION wait_timeout = {idle}, idle_transaction_timeout = {patience}, net_read_timeout = {patience}"
    with connection.cursor(CommentingCursor) as cursor:
        try:
            for statement in (*_SESSION, limits):
                cursor.execute(statement)
            _take_role(settings, cursor)
        except mariadb.Error as error:
            raise explained(settings, error) from error


def _take_role(settings: MariaDBSettings, cursor: Any) -> None:
    role = owners.find(settings.owner).roles.get("mariadb")
    if not role:
        return
    try:
        cursor.execute(f"SET ROLE {quoted(role)}")
    except mariadb.Error as error:
        if error.errno != NO_SUCH_ROLE:
            raise
        raise Forbidden(
            f"[luigi_sinks.owner.{settings.owner}] in luigi.cfg says mariadb_role = {role}, and MariaDB at "
            f"{settings.address} does not give that role to {settings.user!r}; `luigi-sinks grants` prints what does"
        ) from error


@lru_cache(maxsize=1)
def _comment(task: Running) -> str:
    """Name the task and the correlation id, without anything that could end the comment: users choose task ids."""
    said = {"correlation": task.correlation, "task": _UNSAFE.sub("_", task.task_id)[:_LONGEST]}
    return f"/* luigi_sinks {' '.join(f'{name}={value}' for name, value in said.items() if value)} */"
