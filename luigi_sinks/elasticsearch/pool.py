"""The connections to the cluster: authenticates each request, verifies each handshake.

A module of its own because tokens are added below the client libraries, so that these
never hold one, and can neither log it nor keep it in an error.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3

from luigi_sinks import credentials, running
from luigi_sinks.credentials import Refused, Token, logins
from luigi_sinks.elasticsearch import signing
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import BadSetting, CredentialError
from luigi_sinks.limit import within
from luigi_sinks.limited_http import Limited, LimitedTls

LOOK, CHANGE = 1 / 3, 1.0
"""The share of `request_timeout` to wait for a look, and for a call that moves data or the cluster's state."""

CONNECTIONS = 16

_LARGEST = 1 << 30
"""Bytes of the largest response; a page of rows that each have 200 kB takes less than half of it."""


def open_pool(settings: ElasticsearchSettings) -> urllib3.HTTPConnectionPool:
    """Return the connections of one client."""
    return _TlsPool(settings) if settings.is_encrypted else _Pool(settings)


class _Pool(urllib3.HTTPConnectionPool):
    """Authenticates each request by itself.

    So all connections use a new token as soon as there is one, and a request whose
    token the server refuses is sent once more, with a new one.
    """

    ConnectionCls: type[urllib3.connection.HTTPConnection] = Limited

    def __init__(self, settings: ElasticsearchSettings, **options: Any) -> None:
        super().__init__(settings.host, settings.port, maxsize=CONNECTIONS, block=True, **options)
        self._settings = settings

    def urlopen(  # type: ignore[override]  # the rest is passed on as it is
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and return the answer; `timeout` is how long to wait for it, in seconds."""
        settings, send = self._settings, super().urlopen
        seconds = timeout or LOOK * settings.request_timeout
        options["timeout"] = urllib3.Timeout(connect=settings.connect_timeout, read=seconds)
        url = url.replace("+", "%20")  # a signed space must be written so, and any may
        headers = {**(headers or {}), **settings.more_headers, "x-opaque-id": running.current().correlation}

        def attempt(token: Token) -> urllib3.BaseHTTPResponse:
            identity = _identity(settings, token, method, url, headers, body)
            with within("request_timeout", seconds, _LARGEST):
                answer = send(method, url, body, {**headers, **identity}, **options)
            _refuse_too_long(settings, token, answer)
            if refusal := _refusal(settings, token, answer):
                raise Refused(refusal)
            logins.note(settings, token)
            return answer

        who = {"user": settings.user, "audience": settings.audience, "owner": settings.owner}
        return credentials.use(settings.credential, attempt, host=settings.host, port=settings.port, **who)


class _TlsConnection(LimitedTls):
    """Reads the certificates from their files whenever it connects."""

    def __init__(self, *args: Any, settings: ElasticsearchSettings, **options: Any) -> None:
        super().__init__(*args, server_hostname=settings.tls_server_name or None, **options)
        self._settings = settings

    def connect(self) -> None:
        """Connect, and verify the server's certificate."""
        self.ssl_context = _tls(self._settings)
        super().connect()


class _TlsPool(_Pool, urllib3.HTTPSConnectionPool):
    """Authenticates each request by itself, over TLS."""

    ConnectionCls = _TlsConnection

    def __init__(self, settings: ElasticsearchSettings) -> None:
        super().__init__(settings)
        self.conn_kw["settings"] = settings


def _identity(
    settings: ElasticsearchSettings, token: Token, method: str, url: str, headers: Mapping[str, str], body: Any
) -> Mapping[str, str]:
    """Return the headers that authenticate a request, in the form of the token's scheme."""
    if token.scheme == "none":
        return {}
    if token.scheme == "signature":
        return signing.headers(settings, token, method, url, headers, body)
    return {**_header(settings, token), **({"connection": "close"} if len(token.reveal()) > _LONGER else {})}


def _header(settings: ElasticsearchSettings, token: Token) -> Mapping[str, str]:
    if not settings.token_header.casefold().endswith("authorization"):
        return {settings.token_header: _visible(settings, token)}
    return {settings.token_header: _SCHEMES[token.scheme](settings, token)}


def _visible(settings: ElasticsearchSettings, token: Token) -> str:
    """Return a token that stands in a header of its own as it is."""
    secret = token.reveal()
    if not secret.isascii():
        raise CredentialError(
            f"{settings.where}: the {token.scheme} of credential {settings.credential!r} is not ASCII, and no header "
            f"{settings.token_header!r} can have it; set token_header = authorization, or choose another secret"
        )
    return secret


def _basic(settings: ElasticsearchSettings, token: Token) -> str:
    user = token.user or settings.user
    if not user:
        raise BadSetting(
            f"the section of {settings.where} in luigi.cfg has no user, and credential {settings.credential!r} is a "
            "password; add user = NAME, or publish_user for a publish_credential"
        )
    return "Basic " + base64.b64encode(f"{user}:{token.reveal()}".encode()).decode()


_SCHEMES: dict[str, Callable[[ElasticsearchSettings, Token], str]] = {
    "password": _basic,
    "bearer": lambda _, token: f"Bearer {token.reveal()}",
    "api_key": lambda _, token: f"ApiKey {token.reveal()}",
}


def _refusal(settings: ElasticsearchSettings, token: Token, answer: urllib3.BaseHTTPResponse) -> str:
    """Return why the server refuses the token; nothing if it accepts it."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _not_let_in(settings, token, answer.headers.get("www-authenticate", ""))
    if answer.status == HTTPStatus.FORBIDDEN and token.scheme == "signature" and (said := signing.refusal(answer.data)):
        return f"{settings.where}: {said}"
    return ""


def _refuse_too_long(settings: ElasticsearchSettings, token: Token, answer: urllib3.BaseHTTPResponse) -> None:
    """Raise BadSetting if the server, or a proxy before it, does not take a header as long as the token."""
    size = len(token.reveal())
    if answer.status in _TOO_LONG and size > _LONG and b"header" in answer.data.lower():
        raise BadSetting(
            f"{settings.where}: the token of credential {settings.credential!r} has {size:,} bytes, more than the "
            "server, or a proxy before it, takes in a header; have it issued with fewer groups or claims, or allow "
            "longer headers there (http.max_header_size)"
        )


def _not_let_in(settings: ElasticsearchSettings, token: Token, challenge: str) -> str:
    if token.scheme == "none":
        return f"{settings.where} requires a token, and a proxied credential has none; name another credential"
    name = token.user or settings.user or token.info.principal
    reason = f"{settings.where} does not let {repr(name) if name else 'the bearer of this token'} in"
    if said := _DESCRIPTION.search(challenge):
        return f"{reason}: {said[1]}"
    if token.scheme != "bearer" or not token.info.issuer:
        return reason
    asked = f"tokens of {token.info.issuer!r} for {token.info.audience!r}"
    return f"{reason}; configure its realm, or the proxy before it, to accept {asked}"


_TOO_LONG = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE}
_LONG = 4_000
"""No server takes less than this in a header, in bytes."""

_LONGER = 8_000
"""Bytes; Elasticsearch reads nothing more from a connection by which a header came that it takes for too long."""

_DESCRIPTION = re.compile(r'error_description="([^"]+)"')
"""Why a token is refused, in the words of RFC 6750, which proxies use too."""


def _tls(settings: ElasticsearchSettings) -> ssl.SSLContext:
    files = (settings.tls_ca, settings.tls_certificate, settings.tls_key)
    return _context(*files, tuple(map(_changed_at, files)))


@lru_cache(maxsize=32)
def _context(ca: Path | None, certificate: Path | None, key: Path | None, _changed: object) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise BadSetting(f"tls_ca = {ca} in luigi.cfg: {error}") from None
    if certificate:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            raise BadSetting(f"tls_certificate = {certificate} and tls_key = {key} in luigi.cfg: {error}") from None
    return context


def _changed_at(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path else 0
    except OSError:
        return 0
