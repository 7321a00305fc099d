"""How calls reach the cluster, and what their failures mean."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from elastic_transport import ConnectionTimeout, JsonSerializer, NodeConfig, TlsError, TransportError, Urllib3HttpNode
from elasticsearch import ApiError, Elasticsearch

from luigi_sinks.elasticsearch.pool import CHANGE, LOOK, open_pool
from luigi_sinks.elasticsearch.settings import Settings
from luigi_sinks.errors import BadSetting, CredentialError, Forbidden, SinkError, Unavailable

__all__ = ["CHANGE", "LOOK", "Clash", "Missing", "Rejected", "TooLarge", "ask", "pause"]

T = TypeVar("T")

_BUSY = {429, 502, 503, 504}
_TRIES = 4


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
    comes, Rejected when the answer is no, Forbidden when that is for want of a
    privilege, and CredentialError when there is no token that the cluster takes.
    """
    client = _client(settings).options(request_timeout=within)
    for attempt in range(tries):
        try:
            return call(client)
        except (TransportError, ApiError) as error:
            if isinstance(error.__cause__, CredentialError):
                raise error.__cause__ from None
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
    return Elasticsearch(settings.url, node_class=_node_class(settings), serializer=_Json(), max_retries=0)


class _Json(JsonSerializer):
    """Reads and writes JSON. Of a bulk answer without errors it reads no more than that."""

    def json_dumps(self, data: Any) -> bytes:
        return msgspec.json.encode(data)

    def json_loads(self, data: bytes) -> Any:
        return {"errors": False} if data.startswith(b'{"errors":false,') else msgspec.json.decode(data)


def _node_class(settings: Settings) -> type[Urllib3HttpNode]:
    """Make the class of the client's connections, which are ours."""

    class Node(Urllib3HttpNode):
        def __init__(self, config: NodeConfig) -> None:
            super().__init__(config)
            self.pool = open_pool(settings)

    return Node


def _failure(settings: Settings, error: TransportError | ApiError) -> SinkError:
    where = f"Elasticsearch at {settings.address}"
    if isinstance(error, TlsError):
        return _tls_failure(where, error)
    if isinstance(error, TransportError):
        return Unavailable(f"{where} does not answer: {error.message}; see if it runs, and host and port in luigi.cfg")
    rejected = _rejected(error)
    if rejected.status in _BUSY:
        return Unavailable(f"{where} is busy or not ready: {rejected.status} {rejected.reason}; try again later")
    if rejected.kind == "security_exception":
        return Forbidden(f"{where}: {rejected.reason}. `luigi-sinks grants` prints the role that this takes")
    return rejected


def _tls_failure(where: str, error: TlsError) -> SinkError:
    reason = str(error.message)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return BadSetting(
            f"{where}: {reason}; tls_ca in luigi.cfg must name the authority of its certificate, and host, or "
            "tls_server_name, the name in it"
        )
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER_FAILURE" in reason:
        return BadSetting(f"{where} speaks no TLS, and a token is shown to nobody in clear text; turn TLS on there")
    return Unavailable(f"{where}: the TLS connection failed: {reason}; see tls_ca and tls_certificate in luigi.cfg")


def _rejected(error: ApiError) -> Rejected:
    detail = error.body.get("error") if isinstance(error.body, dict) else None
    kind, reason = (detail.get("type"), detail.get("reason")) if isinstance(detail, dict) else ("", detail)
    rejected = _KINDS.get(error.status_code, Rejected)
    return rejected(error.status_code, str(kind), str(reason or error.body or error.message))
