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

_NO_DATABASE = "Neo.ClientError.Database.DatabaseNotFound"
_OUT_OF_MEMORY = "Neo.TransientError.General.MemoryPoolOutOfMemoryError"
_TOO_OFTEN = "Neo.ClientError.Security.AuthenticationRateLimit"
_TO_BE_CHANGED = "Neo.ClientError.Security.CredentialsExpired"
_STALE_RIGHTS = "Neo.ClientError.Security.AuthorizationExpired"
_NO_PROVIDER = {"Neo.ClientError.Security.AuthProviderFailed", "Neo.ClientError.Security.AuthProviderTimeout"}
_NOT_CREATED = "Neo.DatabaseError.Schema."
_CLIENT_CERTIFICATE = re.compile("ALERT_.*(CERTIFICATE|UNKNOWN_CA)")
_NAME_DIFFERS = {62, 64}
"""OpenSSL's codes for a certificate of another host name, and of another address."""


@contextmanager
def explained(settings: Neo4jSettings) -> Iterator[None]:
    """Map the driver's errors to SinkErrors; pass on those that are about the query itself.

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
        raise
    except (DriverError, Neo4jError, OSError) as error:  # the driver lets some errors of a socket through
        raise _of_connection(error, settings) from error


def is_retryable(error: Exception) -> bool:
    """Tell whether the same call may succeed at once.

    That is so after a kept connection broke, after a lost lock, and where the server
    only wants to read this login's rights again.
    """
    cause = error.__cause__ if isinstance(error, driver.ServiceUnavailable) else error
    broke = isinstance(cause, OSError)
    stale = isinstance(error, ClientError) and error.code == _STALE_RIGHTS
    return broke or stale or isinstance(error, (driver.SessionExpired, driver.TransientError))


def _explain(error: ClientError, settings: Neo4jSettings) -> None:
    """Raise what an error means that is not about the query."""
    if error.code == _NO_DATABASE:
        raise BadSetting(
            f"{settings.address} has no database {settings.database!r}; correct database {SECTION}"
        ) from error
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
    if error.code in _NO_PROVIDER:
        raise Unavailable(f"{settings.address} cannot reach its identity provider: {error.message}") from error


def _of_connection(error: Exception, settings: Neo4jSettings) -> SinkError:
    root, address, code = _root(error), settings.address, getattr(error, "code", None) or ""
    if isinstance(root, ssl.SSLError) and (wrong := _of_tls(root, settings)):
        return BadSetting(f"{address}: {wrong} {SECTION}")
    if code.startswith(_NOT_CREATED):
        return BadSetting(
            f"{address}: a constraint or index cannot be created, as rows of another load or dataset are in the way: "
            f"{error}; use another label, or prune those rows"
        )
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
