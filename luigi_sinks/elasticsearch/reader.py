"""Reads all documents of an index: from one point in time, or, of OpenSearch, of a sealed version by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from luigi_sinks.elasticsearch.connection import CHANGE, Missing, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Unavailable

_PAGE = 2_000
_KEEP_ALIVE = "1h"
"""How long the cluster keeps the point in time from one page to the next, since a consumer may be slow."""


def documents(settings: ElasticsearchSettings, index: str) -> Iterator[Any]:
    """Yield the documents; raises Missing if there is no such index, Unavailable if the cluster gave up in between."""
    point = ask(settings, lambda es: es.open_point_in_time(index=index, keep_alive=_KEEP_ALIVE))["id"]
    after = None
    try:
        while hits := _page(settings, index, point, after):
            yield from (hit["_source"] for hit in hits)
            after = hits[-1]["sort"]
    finally:
        with suppress(Missing):
            ask(settings, lambda es: es.close_point_in_time(id=point))


def _page(settings: ElasticsearchSettings, index: str, point: str, after: Any) -> list[Any]:
    try:
        answer = ask(
            settings,
            lambda es: es.search(
                pit={"id": point, "keep_alive": _KEEP_ALIVE},
                size=_PAGE,
                sort=["_shard_doc"],
                search_after=after,
                track_total_hits=False,
                allow_partial_search_results=False,
            ),
            within=CHANGE,
        )
    except Missing as missing:
        raise Unavailable(
            f"{index}: the cluster no longer keeps the point in time that is read, because the reader paused for more "
            "than an hour, a node left, or the version was deleted; read it again from the start"
        ) from missing
    hits: list[Any] = answer["hits"]["hits"]
    return hits
