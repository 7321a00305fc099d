"""OpenSearch's client. A module of its own because it takes the calls of Elasticsearch's client.

The two differ in where they want the arguments, and in how an index is read to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from luigi_sinks import redaction
from luigi_sinks.elasticsearch import answers, errors
from luigi_sinks.elasticsearch.pool import open_pool
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.errors import CredentialError, NotInstalled, SinkError

try:
    import opensearchpy
    from opensearchpy.serializer import Serializer
except ImportError as missing:
    raise NotInstalled("opensearch", missing) from missing

if TYPE_CHECKING:  # users of OpenSearch need not install it
    from elasticsearch import Elasticsearch

T = TypeVar("T")

_WHOLE = ("document", "operations")
"""Arguments that are a call's body."""

_FIELDS = (
    *("_meta", "actions", "aggs", "aliases", "ids", "mappings", "query", "search_after", "settings", "size", "sort"),
)
"""Arguments that are fields of it; the others go into the URL."""


class Client:
    """Makes calls by OpenSearch's own client."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._client = opensearchpy.OpenSearch(
            [settings.url],
            connection_class=_connection_class(settings),
            serializer=_Json(),
            max_retries=0,
        )

    @redaction.shielded()
    def answer(self, call: Callable[[Elasticsearch], T], within: float) -> T:
        """Return the answer to one attempt at a call; raises what `errors` makes of any other."""
        try:
            return call(cast("Elasticsearch", _Calls(self._settings, self._client, within)))
        except opensearchpy.ConnectionError as error:
            if isinstance(error.info, (CredentialError, SinkError)):
                raise error.info from None
            raise self._failure(error) from error
        except (opensearchpy.SerializationError, RecursionError) as error:  # the client decodes errors by itself
            raise errors.no_response(self._settings, "the answer is not JSON, so it is not OpenSearch's") from error
        except opensearchpy.TransportError as error:
            raise errors.from_response(self._settings, int(error.status_code), error.info or error.error) from error

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def _failure(self, error: opensearchpy.ConnectionError) -> SinkError:
        reason = str(error.error)
        if isinstance(error, opensearchpy.SSLError):
            return errors.from_tls(self._settings, reason)
        if isinstance(error, opensearchpy.ConnectionTimeout):
            return errors.from_timeout(self._settings, reason)
        return errors.no_response(self._settings, reason)


class _Namespace:
    """Calls whose arguments are put where OpenSearch's client wants them."""

    def __init__(self, settings: ElasticsearchSettings, calls: Any, within: float, place: str = "") -> None:
        self._settings = settings
        self._calls = calls
        self._within = within
        self._place = place

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **given: self._asked(name, given)

    def _asked(self, name: str, given: Mapping[str, Any]) -> Any:
        seconds = self._within * self._settings.request_timeout
        answer = getattr(self._calls, name)(**_placed(given), request_timeout=seconds)
        return answers.checked(self._settings, f"{self._place}{name}", given, answer)


class _Calls(_Namespace):
    """Has the part of Elasticsearch's client that the store uses."""

    def __init__(self, settings: ElasticsearchSettings, client: opensearchpy.OpenSearch, within: float) -> None:
        super().__init__(settings, client, within)
        self.indices = _Namespace(settings, client.indices, within, "indices.")
        self.cluster = _Namespace(settings, client.cluster, within, "cluster.")

    def open_point_in_time(self, *, index: str, keep_alive: str) -> dict[str, str]:
        """Return an id that names the index, and tells how many shards there are: they are read one after another.

        No point in time is opened: one is searched by `POST /_search`, which names no index, so that an access policy
        that allows it allows to read all others. A sealed version does not change anyway.
        """
        del keep_alive
        return {"id": f"{self.count(index=index)['_shards']['total']} {index}"}

    def close_point_in_time(self, *, id: str) -> None:  # noqa: A002 - Elasticsearch's name for it
        """Do nothing: the cluster keeps nothing for a reader."""

    def search(self, **given: Any) -> Any:
        search = super().__getattr__("search")
        return self._page(search, **given) if "pit" in given else search(**given)

    def _page(self, search: Callable[..., Any], *, pit: Any, search_after: Any, sort: Any, **given: Any) -> Any:  # noqa: ARG002
        """Return the next page of the first shard that has one: sequence numbers are unique in a shard only."""
        shards, index = pit["id"].split()
        first, after = search_after or (0, None)
        for shard in range(first, int(shards)):
            of_shard = {"index": index, "preference": f"_shards:{shard}", "sort": ["_seq_no"], "search_after": after}
            answer = search(**of_shard, **given)
            for hit in answer["hits"]["hits"]:
                hit["sort"] = (shard, hit["sort"])
            if answer["hits"]["hits"]:
                break
            after = None
        return answer


def _placed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put arguments where OpenSearch's client wants them."""
    present = {name: value for name, value in given.items() if value is not None}
    if "meta" in present:
        present["_meta"] = present.pop("meta")
    fields = {name: present.pop(name) for name in _FIELDS if name in present}
    whole = next((present.pop(name) for name in _WHOLE if name in present), fields)
    if "source" in present:
        present["_source"] = present.pop("source")
    return {**present, "body": whole} if whole else present


class _Json(Serializer):
    """Reads and writes JSON; does not parse the items of a bulk answer without errors."""

    mimetype = "application/json"

    def dumps(self, data: Any) -> Any:
        return data if isinstance(data, (bytes, str)) else msgspec.json.encode(data).decode()

    def loads(self, s: str) -> Any:
        try:
            return {"errors": False} if s.startswith('{"errors":false,') else msgspec.json.decode(s)
        except (msgspec.DecodeError, RecursionError) as error:
            raise opensearchpy.SerializationError(str(error)) from None


def _connection_class(settings: ElasticsearchSettings) -> type[opensearchpy.Urllib3HttpConnection]:
    """Return a class of connections that are those of `pool`."""

    class Connection(opensearchpy.Urllib3HttpConnection):
        def _create_urllib3_pool(self) -> None:
            self.pool = open_pool(settings)

        def log_request_fail(self, *args: Any, **kwargs: Any) -> None:
            """Log nothing: what failed is raised, and a 404 is often no failure."""

    return Connection
