"""How calls reach the cluster, whichever product it is."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from luigi_sinks.closing import when_closed
from luigi_sinks.elasticsearch.errors import Clash, Missing, Rejected, TimedOut, TooLarge
from luigi_sinks.elasticsearch.pool import CHANGE, LOOK
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Unavailable

if TYPE_CHECKING:  # only one of the two products' clients has to be installed
    from elasticsearch import Elasticsearch

__all__ = ["CHANGE", "LOOK", "Clash", "Missing", "Rejected", "TooLarge", "administer", "ask", "pause"]

T = TypeVar("T")

_TRIES = 4


class Client(Protocol):
    """Makes calls as Elasticsearch's client takes them; `elastic` and `opensearch` each have one."""

    def answer(self, call: Callable[[Elasticsearch], T], within: float) -> T:
        """Return the answer to one attempt at a call; raises what `errors` makes of any other."""

    def close(self) -> None:
        """Close its connections."""


def ask(
    settings: ElasticsearchSettings, call: Callable[[Elasticsearch], T], *, within: float = LOOK, tries: int = _TRIES
) -> T:
    """Return the answer to a call that may be repeated.

    `within` is the share of `request_timeout` to wait for an answer. While the cluster is busy or
    the connection breaks, the call is repeated, for about a second. Raises Unavailable
    if no answer comes, Rejected if the cluster refuses the call, Forbidden if a
    privilege is missing, and CredentialError if the cluster accepts no token.
    """
    client = _client(settings)
    for attempt in range(tries):
        try:
            return client.answer(call, within)
        except Unavailable as error:
            if isinstance(error, TimedOut) or attempt == tries - 1:
                raise
        pause(attempt)
    raise AssertionError("the last attempt returns or raises")


def administer(settings: ElasticsearchSettings, call: Callable[[Elasticsearch], T]) -> T:
    """Return the answer to a call that creates, changes or deletes an index, made as the publisher."""
    return ask(settings.publisher, call, within=CHANGE)


def pause(attempt: int) -> None:
    """Wait before the next attempt: twice as long each time, up to 5 s, spread so that clients do not meet."""
    time.sleep(min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret hangs on it


_clients: dict[ElasticsearchSettings, Client] = {}
_inherited: list[dict[ElasticsearchSettings, Client]] = []
"""A child's copies of its parent's clients: never used, nor closed, which would end the parent's connections."""


def _client(settings: ElasticsearchSettings) -> Client:
    """Return this process's client for the cluster."""
    found = _clients.get(settings)
    return found if found is not None else _clients.setdefault(settings, _open(settings))


def _close() -> None:
    while _clients:
        _clients.popitem()[1].close()


when_closed(_close)


def _forget_inherited() -> None:
    _inherited.append(_clients.copy())
    _clients.clear()


os.register_at_fork(after_in_child=_forget_inherited)


def _open(settings: ElasticsearchSettings) -> Client:
    """Return a client of the product; only that product's client library is imported."""
    if settings.product == "opensearch":
        from luigi_sinks.elasticsearch import opensearch  # noqa: PLC0415

        return opensearch.Client(settings)
    from luigi_sinks.elasticsearch import elastic  # noqa: PLC0415

    return elastic.Client(settings)
