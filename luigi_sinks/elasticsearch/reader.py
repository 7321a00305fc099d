"""Reads all documents of an index: from one point in time, or, of OpenSearch, of a sealed version by its name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.connection import CHANGE, Missing, ask
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import Unavailable
from luigi_sinks.version import Version

if TYPE_CHECKING:  # only one of the two products' clients has to be installed
    from elasticsearch import Elasticsearch

_PAGE = 2_000
_IDS, _INDICES = 5_000, 20
"""Ids, and indices, that are asked for at once."""
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


def shared_id(
    settings: ElasticsearchSettings, version: Version, others: Sequence[Version], field: str
) -> tuple[tuple[Any], Version] | None:
    """Return the id of one of a version's documents that another version has too, and that version."""
    at_once = 1 if settings.product == "opensearch" else _INDICES  # policies there refuse several in one path
    documents_of = documents(settings, names.index(version))
    while ids := [document[field] for document in islice(documents_of, _IDS)]:
        query = {"ids": {"values": [str(each) for each in ids]}}
        for first in range(0, len(others), at_once):
            among = ",".join(map(names.index, others[first : first + at_once]))
            answer = ask(settings, partial(_first, index=among, query=query), within=CHANGE)
            for hit in answer["hits"]["hits"]:
                # Documents of an index that was adopted may have no such field.
                return (hit["_source"].get(field, hit["_id"]),), names.version(hit["_index"])
    return None


def _first(es: Elasticsearch, *, index: str, query: Any) -> Any:
    return es.search(index=index, query=query, size=1, allow_partial_search_results=False)


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


def present(settings: ElasticsearchSettings, index: str, ids: Collection[str]) -> set[str]:
    """Return those of the ids that an index has documents of."""
    found, asked = set[str](), iter(ids)
    while some := list(islice(asked, _IDS)):
        documents = ask(settings, lambda es: es.mget(index=index, ids=some, source=False), within=CHANGE)["docs"]
        found |= {document["_id"] for document in documents if document.get("found")}
    return found
