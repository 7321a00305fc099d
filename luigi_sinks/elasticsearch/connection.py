"""How calls reach the cluster, who they say we are, and what their failures mean."""

from __future__ import annotations

import base64
import os
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import urllib3
from elastic_transport import ConnectionTimeout, HttpHeaders, JsonSerializer, TlsError, TransportError, Urllib3HttpNode
from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, Elasticsearch

from luigi_sinks import config, credentials
from luigi_sinks.credentials import Refused, Token
from luigi_sinks.errors import BadSetting, SinkError, Unavailable

T = TypeVar("T")

LOOK, CHANGE = 10.0, 60.0
"""Seconds to wait for the answer to a look, and to a call that moves data or the cluster's state."""

_CONNECT = 5.0
_BUSY = {429, 502, 503, 504}
_TRIES = 4
_CONNECTIONS = 16


@dataclass(frozen=True)
class Settings:
    """The section `[luigi_sinks.elasticsearch]`.

    TLS is on unless the host is this machine's loopback and no `tls_ca` is given;
    without `tls_ca` the system's authorities are trusted. `credential` names the
    section that says where the user's password comes from.
    """

    host: str
    user: str
    credential: str
    port: int = 9200
    tls_ca: Path | None = None

    @property
    def url(self) -> str:
        """Where the cluster answers."""
        scheme = "http" if self.tls_ca is None and config.is_loopback(self.host) else "https"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Rejected(SinkError):
    """The server answered that the call cannot be done."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        self.status = status
        self.kind = kind
        self.reason = reason
        super().__init__(status, kind, reason)

    def __str__(self) -> str:
        return f"Elasticsearch refuses ({self.status} {self.kind}): {self.reason}"


class Missing(Rejected):
    """There is no such index, alias or document."""


class Clash(Rejected):
    """The document exists already, or has changed meanwhile."""


class TooLarge(Rejected):
    """The request is larger than the server takes."""


def ask(settings: Settings, call: Callable[[Elasticsearch], T], *, within: float = LOOK, tries: int = _TRIES) -> T:
    """Return the answer to a call that does no harm when it is repeated.

    It is tried again, for about a second, while the cluster is busy or a
    connection breaks; a kept one may have died. Raises Unavailable when no answer
    comes, Rejected when the answer is no.
    """
    client = _client(settings).options(request_timeout=within)
    for attempt in range(tries):
        try:
            return call(client)
        except (TransportError, ApiError) as error:
            failure = _failure(settings, error)
            if not isinstance(failure, Unavailable) or isinstance(error, ConnectionTimeout) or attempt == tries - 1:
                raise failure from error
        pause(attempt)
    raise AssertionError("the last attempt returns or raises")


def pause(attempt: int) -> None:
    """Wait before the next attempt: twice as long each time, up to 5 s, spread so that clients do not meet."""
    time.sleep(min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret hangs on it


_KINDS: dict[int, type[Rejected]] = {
    HTTPStatus.NOT_FOUND: Missing,
    HTTPStatus.CONFLICT: Clash,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
}

_clients: dict[Settings, Elasticsearch] = {}
_inherited: list[dict[Settings, Elasticsearch]] = []
"""A child's copies of its parent's clients: never used, and never closed, which the parent would feel."""


def _client(settings: Settings) -> Elasticsearch:
    """Return this process's client for the cluster."""
    found = _clients.get(settings)
    return found if found is not None else _clients.setdefault(settings, _open(settings))


def _forget_inherited() -> None:
    _inherited.append(_clients.copy())
    _clients.clear()


os.register_at_fork(after_in_child=_forget_inherited)


def _open(settings: Settings) -> Elasticsearch:
    return Elasticsearch(
        settings.url,
        ssl_context=_tls(settings) if settings.url.startswith("https:") else None,
        node_class=_node_class(settings),
        serializer=_Json(),
        connections_per_node=_CONNECTIONS,
        max_retries=0,
    )


class _Json(JsonSerializer):
    """Reads and writes JSON. Of a bulk answer without errors it reads no more than that."""

    def json_dumps(self, data: Any) -> bytes:
        return msgspec.json.encode(data)

    def json_loads(self, data: bytes) -> Any:
        return {"errors": False} if data.startswith(b'{"errors":false,') else msgspec.json.decode(data)


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.tls_ca)
    except OSError as error:
        raise BadSetting(f"tls_ca = {settings.tls_ca} in luigi.cfg: {error}") from None


def _node_class(settings: Settings) -> type[Urllib3HttpNode]:
    """Make the class of the client's connections: it signs each request by itself.

    So a credential that was replaced is picked up by all of them, and one that the
    server refuses is fetched again and the request replayed, once.
    """

    class Node(Urllib3HttpNode):
        def perform_request(
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: HttpHeaders | None = None,
            request_timeout: Any = DEFAULT,
        ) -> Any:
            timeout = urllib3.Timeout(connect=_CONNECT, read=LOOK if request_timeout is DEFAULT else request_timeout)

            def perform(token: Token) -> Any:
                signed = HttpHeaders({**(headers or {}), "authorization": _basic(token.user or settings.user, token)})
                answer = super(Node, self).perform_request(method, target, body, signed, timeout)  # type: ignore[arg-type]  # urllib3 takes it as it is
                if answer.meta.status == HTTPStatus.UNAUTHORIZED:
                    raise Refused(f"Elasticsearch at {settings.host}:{settings.port} does not let {settings.user!r} in")
                return answer

            return credentials.use(
                settings.credential, perform, host=settings.host, port=settings.port, user=settings.user
            )

    return Node


def _basic(user: str, token: Token) -> str:
    return "Basic " + base64.b64encode(f"{user}:{token.reveal()}".encode()).decode()


def _failure(settings: Settings, error: TransportError | ApiError) -> SinkError:
    where = f"Elasticsearch at {settings.host}:{settings.port}"
    if isinstance(error, TlsError):
        return Unavailable(f"{where}: {error.message}; tls_ca in luigi.cfg must name the authority of its certificate")
    if isinstance(error, TransportError):
        return Unavailable(f"{where} does not answer: {error.message}; see if it runs, and host and port in luigi.cfg")
    rejected = _rejected(error)
    if rejected.status in _BUSY:
        return Unavailable(f"{where} is busy or not ready: {rejected.status} {rejected.reason}; try again later")
    if rejected.kind == "security_exception":
        return BadSetting(f"{where}: the user lacks a privilege: {rejected.reason}")
    return rejected


def _rejected(error: ApiError) -> Rejected:
    detail = error.body.get("error") if isinstance(error.body, dict) else None
    kind, reason = (detail.get("type"), detail.get("reason")) if isinstance(detail, dict) else ("", detail)
    rejected = _KINDS.get(error.status_code, Rejected)
    return rejected(error.status_code, str(kind), str(reason or error.body or error.message))
