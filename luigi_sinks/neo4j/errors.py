"""Turns the driver's errors into those of this package: what is wrong, where, and what to do."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from neo4j import exceptions as driver
from neo4j.exceptions import AuthError, ClientError, ConfigurationError, DriverError, Neo4jError

from luigi_sinks.credentials import Refused
from luigi_sinks.errors import BadSetting, CredentialError, Forbidden, SinkError, Unavailable
from luigi_sinks.neo4j.settings import Neo4jSettings

SECTION = "in the section [luigi_sinks.neo4j]"

_TOO_LONG = "exceeded limit of"
_NO_DATABASE = "Neo.ClientError.Database.DatabaseNotFound"
_OUT_OF_MEMORY = "Neo.TransientError.General.MemoryPoolOutOfMemoryError"
_TOO_OFTEN = "Neo.ClientError.Security.AuthenticationRateLimit"
_TO_BE_CHANGED = "Neo.ClientError.Security.CredentialsExpired"
_STALE_RIGHTS = "Neo.ClientError.Security.AuthorizationExpired"
_NO_PROVIDER = {"Neo.ClientError.Security.AuthProviderFailed", "Neo.ClientError.Security.AuthProviderTimeout"}
_NOT_CREATED = "Neo.DatabaseError.Schema."
_LOCKS = "Neo.TransientError.Transaction."
_ENDED = "Neo.ClientError.Transaction."
_DELETED = "Neo.ClientError.Statement.EntityNotFound"
EXISTS = "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists"
_CLIENT_CERTIFICATE = re.compile("ALERT_.*(CERTIFICATE|UNKNOWN_CA)")
_NONSENSE = (ValueError, LookupError, TypeError, AttributeError, BufferError, OverflowError)
"""What the driver raises for bytes that are not Bolt."""
_NAME_DIFFERS = {62, 64}
"""OpenSSL's codes for a certificate of another host name, and of another address."""


class QueryRefused(SinkError):
    """The server refused a query for what it says; `code` is the server's own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def explained(settings: Neo4jSettings) -> Iterator[None]:
    """Map the driver's errors to SinkErrors; one that is about the query itself is a QueryRefused.

    Raises Refused for a token that is not, or no longer, valid: another one may be.
    """
    try:
        yield
    except AuthError as error:
        raise Refused from error
    except driver.Forbidden as error:
        raise Forbidden(
            f"{settings.address}: the login of credential {settings.credential!r} lacks a right: {error.message}; "
            "`luigi-sinks grants` prints what a task needs"
        ) from error
    except ConfigurationError as error:
        raise BadSetting(f"{settings.address}: {error}") from error
    except ClientError as error:
        _explain(error, settings)
        raise QueryRefused(f"{settings.address} refused a query: {error.message}", str(error.code)) from error
    except (DriverError, Neo4jError, OSError) as error:  # the driver lets some errors of a socket through
        raise _of_connection(error, settings) from error
    except SinkError:  # some are ValueErrors, too
        raise
    except _NONSENSE as error:
        raise Unavailable(
            f"{settings.address} sent what no Neo4j sends: {error!r}; check host and port {SECTION}"
        ) from error


def late(settings: Neo4jSettings, setting: str, seconds: float) -> Unavailable:
    """Return the error of a call that took longer than a setting allows."""
    return Unavailable(
        f"{settings.address} did not end a call within {setting} = {seconds:g} seconds; run again when it is well, or "
        f"set {setting} {SECTION} higher"
    )


def is_retryable(error: Exception) -> bool:
    """Tell whether the same call may succeed at once.

    That is so after a kept connection broke, after a lost lock, where another transaction
    deletes the same rows, and where the server only wants to read this login's rights again.
    """
    cause = error.__cause__ if isinstance(error, driver.ServiceUnavailable) else error
    broke = isinstance(cause, OSError) and not _is_late(error)
    passing = isinstance(error, ClientError) and error.code in {_STALE_RIGHTS, _DELETED}
    lost = isinstance(error, (driver.SessionExpired, driver.TransientError)) and not _is_late(error)
    return broke or passing or lost


def _is_late(error: BaseException) -> bool:
    """Tell whether no connection was made in time; the driver has no class for it in all its releases."""
    connecting = "Couldn't connect" in str(error) or "DeadlineExceeded" in repr(error.__cause__)
    return "obtain a connection" in str(error) or (connecting and isinstance(_root(error), TimeoutError))


def _explain(error: ClientError, settings: Neo4jSettings) -> None:
    """Raise what an error means that is not about the query."""
    if error.code == _NO_DATABASE:
        raise BadSetting(
            f"{settings.address} has no database {settings.database!r}; correct database {SECTION}"
        ) from error
    _explain_login(error, settings)
    if error.code in _NO_PROVIDER:
        raise Unavailable(f"{settings.address} cannot reach its identity provider: {error.message}") from error
    if "TimedOut" in str(error.code):
        raise Unavailable(
            f"{settings.address} ended a transaction, as its time was over: {error.message}; run again, or set "
            f"request_timeout, or step_timeout for whole versions, {SECTION} higher"
        ) from error
    if str(error.code).startswith(_ENDED) or error.code in {_DELETED, _STALE_RIGHTS}:
        raise Unavailable(
            f"{settings.address} ended a transaction, as another load took over, or an administrator did: "
            f"{error.message}; run again"
        ) from error
    if error.code is None:  # the driver of before release 6 has no class of its own for a full pool
        raise _of_connection(error, settings) from error


def _explain_login(error: ClientError, settings: Neo4jSettings) -> None:
    """Raise what an error means that is about the credential."""
    if error.code == _TOO_OFTEN:
        raise CredentialError(
            f"{settings.address} refuses all logins of credential {settings.credential!r} for some seconds, as several "
            "attempts failed; correct the credential, and run again when dbms.security.auth_lock_time is over"
        ) from error
    if error.code == _TO_BE_CHANGED:
        raise CredentialError(
            f"{settings.address} wants the password of {settings.user!r} changed before its first use: "
            f"ALTER CURRENT USER SET PASSWORD, and credential {settings.credential!r} with it"
        ) from error
    if _TOO_LONG in str(error.message):  # only a login is limited so
        raise BadSetting(
            f"{settings.address}: the token of credential {settings.credential!r} is longer than Neo4j takes at a "
            f"login ({error.message}); have it issued with fewer groups or claims"
        ) from error


def _of_connection(error: Exception, settings: Neo4jSettings) -> SinkError:
    root, address, code = _root(error), settings.address, getattr(error, "code", None) or ""
    if _is_late(error):
        return Unavailable(
            f"{address}: no connection within connect_timeout = {settings.connect_timeout:g} seconds; check that the "
            f"server runs, and that host, port and tls_ca {SECTION} are right"
        )
    if isinstance(root, ssl.SSLError) and (wrong := _of_tls(root, settings)):
        return BadSetting(f"{address}: {wrong} {SECTION}")
    if code.startswith(_NOT_CREATED):
        return BadSetting(
            f"{address}: a constraint or index cannot be created, as rows of another load or dataset are in the way: "
            f"{error}; use another label, or prune those rows"
        )
    if code.startswith(_LOCKS):
        return Unavailable(f"{address}: {error}; run again when the other transaction has ended")
    if code == _OUT_OF_MEMORY:
        return Unavailable(f"{address}: {error}; set rows_per_transaction {SECTION} lower, or give it more memory")
    return Unavailable(
        f"{address}: {error}; check that the server runs, that host, port and tls_ca {SECTION} are right, "
        "and tls_certificate if the server wants one"
    )


def _of_tls(error: ssl.SSLError, settings: Neo4jSettings) -> str:
    """Say what to correct if no handshake can succeed; empty if one was only cut short."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _NAME_DIFFERS:
            return f"{error.verify_message}; set tls_server_name to the name in its certificate"
        return f"{error.verify_message}; it did not issue the server's certificate: tls_ca = {settings.tls_ca} is wrong"
    if _CLIENT_CERTIFICATE.search(str(error.reason)):
        return (
            f"{error.reason}; the server refuses the client certificate: tls_certificate = {settings.tls_certificate} "
            "is wrong"
        )
    if "WRONG_VERSION" in str(error.reason):
        return (
            "the server does not support TLS, and credentials are never sent unencrypted; enable TLS, or correct port"
        )
    return ""


def _root(error: BaseException) -> BaseException:
    return _root(error.__cause__) if error.__cause__ else error
