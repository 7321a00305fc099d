"""The connections to the cluster: each request says who asks, and each handshake is verified.

They sign requests below the client library, so that it never holds a token, and
can neither log one nor keep it in an error.
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
from luigi_sinks.errors import BadSetting

LOOK, CHANGE = 10.0, 60.0
"""Seconds to wait for the answer to a look, and to a call that moves data or the cluster's state."""

CONNECTIONS = 16

_CONNECT = 5.0


def open_pool(settings: ElasticsearchSettings) -> urllib3.HTTPConnectionPool:
    """Make the connections of one client."""
    return _TlsPool(settings) if settings.is_encrypted else _Pool(settings)


class _Pool(urllib3.HTTPConnectionPool):
    """Signs each request by itself.

    So a token that was replaced is picked up by all connections, and one that the
    server refuses is fetched again and the request replayed, once.
    """

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
        timeout: float = LOOK,
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and read its answer; `timeout` is how long to wait for it, in seconds."""
        options["timeout"] = urllib3.Timeout(connect=_CONNECT, read=timeout)
        url = url.replace("+", "%20")  # a signed space must be written so, and any may
        headers = {**(headers or {}), **self._settings.more_headers, "x-opaque-id": running.current().correlation}
        send = super().urlopen

        def perform(token: Token) -> urllib3.BaseHTTPResponse:
            identity = _identity(self._settings, token, method, url, headers, body)
            return _let_in(self._settings, token, send(method, url, body, {**headers, **identity}, **options))

        return _use(self._settings, perform)


class _TlsConnection(urllib3.connection.HTTPSConnection):
    """Connects with the certificates that the files hold by then, also when it connects anew."""

    def __init__(self, *args: Any, settings: ElasticsearchSettings, **options: Any) -> None:
        super().__init__(*args, server_hostname=settings.tls_server_name or None, **options)
        self._settings = settings

    def connect(self) -> None:
        """Shake hands, which verifies who is there."""
        self.ssl_context = _tls(self._settings)
        super().connect()


class _TlsPool(_Pool, urllib3.HTTPSConnectionPool):
    """Does by TLS what `_Pool` does."""

    ConnectionCls = _TlsConnection

    def __init__(self, settings: ElasticsearchSettings) -> None:
        super().__init__(settings)
        self.conn_kw["settings"] = settings


def _use(
    settings: ElasticsearchSettings, perform: Callable[[Token], urllib3.BaseHTTPResponse]
) -> urllib3.BaseHTTPResponse:
    return credentials.use(
        settings.credential,
        perform,
        host=settings.host,
        port=settings.port,
        user=settings.user,
        audience=settings.audience,
        owner=settings.owner,
    )


def _identity(
    settings: ElasticsearchSettings, token: Token, method: str, url: str, headers: Mapping[str, str], body: Any
) -> Mapping[str, str]:
    """Return the headers that say who asks, in the words that the kind of token takes."""
    if token.scheme == "none":
        return {}
    if token.scheme == "signature":
        return signing.headers(settings, token, method, url, headers, body)
    if not settings.token_header.casefold().endswith("authorization"):
        return {settings.token_header: token.reveal()}
    return {settings.token_header: _SCHEMES[token.scheme](settings, token)}


def _basic(settings: ElasticsearchSettings, token: Token) -> str:
    user = token.user or settings.user
    if not user:
        raise BadSetting(
            f"the section of {settings.where} in luigi.cfg says no user, and credential "
            f"{settings.credential!r} is a password; add user = NAME, or publish_user for a publish_credential"
        )
    return "Basic " + base64.b64encode(f"{user}:{token.reveal()}".encode()).decode()


_SCHEMES: dict[str, Callable[[ElasticsearchSettings, Token], str]] = {
    "password": _basic,
    "bearer": lambda _, token: f"Bearer {token.reveal()}",
    "api_key": lambda _, token: f"ApiKey {token.reveal()}",
}


def _let_in(
    settings: ElasticsearchSettings, token: Token, answer: urllib3.BaseHTTPResponse
) -> urllib3.BaseHTTPResponse:
    """Return the answer. Raises Refused if the server did not take the token."""
    if refusal := _refusal(settings, token, answer):
        raise Refused(refusal)
    logins.note(settings.address, settings.credential, token)
    return answer


def _refusal(settings: ElasticsearchSettings, token: Token, answer: urllib3.BaseHTTPResponse) -> str:
    """Say what the server has against the token; nothing if it let us in."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return _not_let_in(settings, token, answer.headers.get("www-authenticate", ""))
    if answer.status == HTTPStatus.FORBIDDEN and token.scheme == "signature" and (said := signing.refusal(answer.data)):
        return f"{settings.where}: {said}"
    return ""


def _not_let_in(settings: ElasticsearchSettings, token: Token, challenge: str) -> str:
    if token.scheme == "none":
        return f"{settings.where} lets nobody in without a token, and a proxied credential has none"
    name = token.user or settings.user or token.info.principal
    reason = f"{settings.where} does not let {repr(name) if name else 'the bearer of this token'} in"
    if said := _DESCRIPTION.search(challenge):
        return f"{reason}: {said[1]}"
    if token.scheme != "bearer" or not token.info.issuer:
        return reason
    asked = f"tokens of {token.info.issuer!r} for {token.info.audience!r}"
    return f"{reason}; its realm, or the proxy before it, must take {asked}"


_DESCRIPTION = re.compile(r'error_description="([^"]+)"')
"""Why a token is not taken, as RFC 6750 has it told, also by proxies."""


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
