"""Elasticsearch's client. A module of its own because the store takes two products."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from luigi_sinks import redaction
from luigi_sinks.elasticsearch import answers, errors
from luigi_sinks.elasticsearch.pool import CHANGE, LOOK, open_pool
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import CredentialError, NotInstalled, SinkError

try:
    from elastic_transport import (
        ConnectionTimeout,
        HttpHeaders,
        JsonSerializer,
        NodeConfig,
        TlsError,
        TransportError,
        Urllib3HttpNode,
    )
    from elasticsearch import ApiError, Elasticsearch
except ImportError as missing:
    raise NotInstalled("elasticsearch", missing) from missing

T = TypeVar("T")


class Client:
    """Makes calls by Elasticsearch's own client."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        node_class = _node_class(settings)
        self._client = client = Elasticsearch(settings.url, node_class=node_class, serializer=_Json(), max_retries=0)
        longest = settings.request_timeout
        self._by_timeout = {
            within: cast("Elasticsearch", answers.Calls(settings, client.options(request_timeout=within * longest)))
            for within in (LOOK, CHANGE)
        }

    @redaction.shielded()
    def answer(self, call: Callable[[Elasticsearch], T], within: float) -> T:
        """Return the answer to one attempt at a call; raises what `errors` makes of any other."""
        try:
            return call(self._by_timeout[within])
        except ApiError as error:
            raise errors.from_response(self._settings, error.status_code, error.body) from None  # it keeps the headers
        except TransportError as error:
            cause = error.__cause__
            if not isinstance(cause, (CredentialError, SinkError)):
                raise self._failure(error) from error
        raise cause  # out here, or each of the two errors would be the other's cause

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def _failure(self, error: TransportError) -> SinkError:
        reason = str(error.message)
        if isinstance(error, TlsError):
            return errors.from_tls(self._settings, reason)
        if isinstance(error, ConnectionTimeout):
            return errors.from_timeout(self._settings, reason)
        return errors.no_response(self._settings, reason)


class _Json(JsonSerializer):
    """Reads and writes JSON; does not parse the items of a bulk answer without errors."""

    def json_dumps(self, data: Any) -> bytes:
        return msgspec.json.encode(data)

    def json_loads(self, data: bytes) -> Any:
        try:
            return {"errors": False} if data.startswith(b'{"errors":false,') else msgspec.json.decode(data)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


_API = re.compile(r"compatible-with=\d+")
"""What a client asks for is the API of its own version. Servers of 8 know that of 8 only, those of 9 both."""


def _node_class(settings: ElasticsearchSettings) -> type[Urllib3HttpNode]:
    """Return a class of nodes that use the connections of `pool`."""

    class Node(Urllib3HttpNode):
        def __init__(self, config: NodeConfig) -> None:
            super().__init__(config)
            self.pool = open_pool(settings)

        def perform_request(  # type: ignore[override]  # the rest is passed on as it is
            self, method: str, target: str, body: Any, headers: HttpHeaders, **options: Any
        ) -> Any:
            asked = {name: _API.sub("compatible-with=8", value) for name, value in headers.items()}
            return super().perform_request(method, target, body, HttpHeaders(asked), **options)

    return Node
