"""Reads all documents of an index, from one point in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from luigi_sinks.elasticsearch.connection import CHANGE, ask
from luigi_sinks.elasticsearch.settings import Settings

_PAGE = 2_000
_KEEP_ALIVE = "5m"


def documents(settings: Settings, index: str) -> Iterator[Any]:
    """Yield the documents; raises Missing if there is no such index."""
    point = ask(settings, lambda es: es.open_point_in_time(index=index, keep_alive=_KEEP_ALIVE))["id"]
    after = None
    try:
        while hits := _page(settings, point, after):
            yield from (hit["_source"] for hit in hits)
            after = hits[-1]["sort"]
    finally:
        ask(settings, lambda es: es.close_point_in_time(id=point))


def _page(settings: Settings, point: str, after: Any) -> list[Any]:
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
    hits: list[Any] = answer["hits"]["hits"]
    return hits
