"""Sends events to an OpenLineage endpoint by its client's HTTP transport, with our tokens and our limits.

Neither the client's environment variables nor its YAML files are read: only its transport
is used, which has neither, and its session does without the proxies and passwords that
the environment names.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

from luigi_sinks import config, credentials, redaction, unseen
from luigi_sinks.credentials import Refused, Token
from luigi_sinks.errors import BadSetting, Forbidden, NotInstalled, SinkError, Unavailable
from luigi_sinks.limit import Limit, within

try:
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.transport.http import HttpConfig, HttpTransport, TokenProvider
    from requests import RequestException, Response, Session
    from requests.adapters import HTTPAdapter

    from luigi_sinks.limited_http import POOLS
except ImportError as missing:
    raise NotInstalled("openlineage", missing) from missing

TIMEOUT = 5.0
"""Seconds for one event, until the last byte of the answer."""

PATH = "api/v1/lineage"
"""Where an endpoint takes events, unless `openlineage_url` has a path of its own."""

_LARGEST = 1 << 20
_QUOTED = 200
_BUSY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_WRONG_EVENT = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}


class Unacceptable(SinkError):
    """The endpoint does not accept this event, however often it is sent."""


@dataclass(frozen=True)
class _Address:
    """What `openlineage_url` names."""

    url: str
    path: str
    host: str
    port: int


class Endpoint:
    """An OpenLineage endpoint; use it in a `with` block, which closes its connections.

    - `url`: its address, such as `https://marquez.internal`; without a path, events go to `api/v1/lineage`.
    - `credential`: the NAME of a section `[luigi_sinks.credential.NAME]`; empty for an
      endpoint that asks for no token.

    Raises BadSetting for a URL that cannot be one, or that would send events unencrypted.

    Example:
        >>> with Endpoint("https://marquez.internal") as endpoint:
        ...     endpoint.url
        'https://marquez.internal/api/v1/lineage'

    """

    def __init__(self, url: str, credential: str = "") -> None:
        self._address = _parsed(url)
        self._credential = credential
        self._login = _Login()
        self._transport = HttpTransport(
            HttpConfig(
                url=self._address.url,
                endpoint=self._address.path,
                timeout=TIMEOUT,
                auth=self._login,
                session=_session(),
                adapter=_Adapter(),
            )
        )

    @property
    def url(self) -> str:
        """Where events are sent."""
        return f"{self._address.url}/{self._address.path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @redaction.shielded()
    def send(self, event: RunEvent) -> None:
        """Send an event, once.

        Raises Unavailable if the endpoint does not take it now, Unacceptable if it never
        will, CredentialError or Forbidden for the login, and BadSetting for the address.
        """
        if not self._credential:
            self._attempt(event, None)
            return
        credentials.use(
            self._credential,
            lambda token: self._attempt(event, token),
            host=self._address.host,
            port=self._address.port,
        )

    def _attempt(self, event: RunEvent, token: Token | None) -> None:
        self._login.token = token
        with within("the timeout of an event", TIMEOUT, _LARGEST) as limit:
            try:
                self._transport.emit(event)
            except RequestException as error:
                raise self._failure(error, limit) from None  # it keeps the headers
            finally:
                self._login.token = None

    def _failure(self, error: RequestException, limit: Limit) -> Exception:
        """Return our error for a response that refuses the event, or for no response."""
        answer = error.response
        if answer is None:
            reason = limit.exceeded or f"does not answer ({type(error).__name__})"
            return Unavailable(f"OpenLineage at {self.url} {reason}; check openlineage_url, and whether it runs")
        status, said = answer.status_code, f"OpenLineage at {self.url} says {_said(answer)}"
        if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unavailable(said)
        if status == HTTPStatus.UNAUTHORIZED:
            return Refused(said) if self._credential else Forbidden(f"{said}; set openlineage_credential")
        if status == HTTPStatus.FORBIDDEN:
            return Forbidden(f"{said}; allow this login to write lineage there")
        if status in _WRONG_EVENT:
            return Unacceptable(said)
        return BadSetting(f"{said}; correct openlineage_url")


def _parsed(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80}.get(parts.scheme, 443)
    except ValueError as error:
        raise BadSetting(f"openlineage_url = {url} is not a URL ({error}); correct it") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise BadSetting("openlineage_url must be https://HOST, and name no user; correct it")
    if parts.query or parts.fragment:
        raise BadSetting(f"openlineage_url = {url} must end with its path, without ? and #; correct it")
    if parts.scheme == "http" and not config.is_loopback(parts.hostname):
        raise BadSetting(f"openlineage_url = {url} would send lineage and tokens unencrypted; use https://")
    return _Address(f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or PATH, parts.hostname, port)


class _Login(TokenProvider):
    """Gives the client the token of the event that is being sent."""

    def __init__(self) -> None:
        self.token: Token | None = None

    def get_bearer(self) -> str | None:
        """Return the header that authenticates the request."""
        token = self.token
        if token is None or token.scheme == "none":
            return None
        if token.scheme == "signature":
            raise BadSetting("openlineage_credential signs requests, which no OpenLineage endpoint takes; name another")
        if token.scheme == "password" and token.user:
            return "Basic " + base64.b64encode(f"{token.user}:{token.reveal()}".encode()).decode()
        return f"Bearer {token.reveal()}"


def _session() -> Session:
    session = Session()
    session.trust_env = False  # a password from .netrc would replace the token
    session.max_redirects = 0
    return session


class _Adapter(HTTPAdapter):
    """Sends by connections that keep the limits of `limit`, and trusts the system's authorities; tries once."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=ssl.create_default_context())
        pools: dict[str, Any] = {**POOLS}
        self.poolmanager.pool_classes_by_scheme = pools

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002 - the library's signature
        """Leave the certificates to the context, instead of those that the library brings."""
        conn.cert_reqs = "CERT_REQUIRED"


def _said(answer: Response) -> str:
    text = unseen.escaped(" ".join(answer.text.split())[:_QUOTED])
    return f"{answer.status_code} {answer.reason}" + (f": {text}" if text else "")
