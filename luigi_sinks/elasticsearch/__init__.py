"""Versioned loads into Elasticsearch or OpenSearch: an index for each version, an alias for readers.

The modules that other stores do not have:

- `heads`: the pointer is a set of aliases, which move in one call.
- `elastic`, `opensearch`: each product has its own client library, of which one is enough.
- `pool`: tokens are added below these client libraries.
- `signing`: Amazon OpenSearch Service takes signed requests.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from luigi_sinks import lazy
from luigi_sinks.errors import NotInstalled

if not (find_spec("elasticsearch") or find_spec("opensearchpy")):  # the settings of a connection choose one
    raise NotInstalled("elasticsearch", "neither Elasticsearch's nor OpenSearch's client ([opensearch]) is installed")

if TYPE_CHECKING:
    from luigi_sinks.elasticsearch.catalog import ElasticsearchCatalog
    from luigi_sinks.elasticsearch.marker import Marker
    from luigi_sinks.elasticsearch.schema import Schema
    from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
    from luigi_sinks.elasticsearch.sink import ElasticsearchSink
    from luigi_sinks.elasticsearch.target import ElasticsearchTarget
    from luigi_sinks.elasticsearch.task import CopyToIndex

__all__ = [
    "CopyToIndex",
    "ElasticsearchCatalog",
    "ElasticsearchSettings",
    "ElasticsearchSink",
    "ElasticsearchTarget",
    "Marker",
    "Schema",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "CopyToIndex": "task",
        "ElasticsearchCatalog": "catalog",
        "ElasticsearchSettings": "settings",
        "ElasticsearchSink": "sink",
        "ElasticsearchTarget": "target",
        "Marker": "marker",
        "Schema": "schema",
    },
)
