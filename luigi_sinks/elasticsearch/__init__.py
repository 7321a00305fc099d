"""Versioned loads into Elasticsearch: an index for each version, an alias for readers."""

from luigi_sinks.errors import NotInstalled

try:
    import elasticsearch as _client  # noqa: F401 - to say which extra brings it
except ImportError as missing:
    raise NotInstalled("elasticsearch", missing) from missing

from luigi_sinks.elasticsearch.schema import Schema
from luigi_sinks.elasticsearch.settings import Settings
from luigi_sinks.elasticsearch.sink import ElasticsearchSink
from luigi_sinks.elasticsearch.target import ElasticsearchTarget
from luigi_sinks.elasticsearch.task import CopyToIndex

__all__ = ["CopyToIndex", "ElasticsearchSink", "ElasticsearchTarget", "Schema", "Settings"]
