"""Versioned loads into Elasticsearch or OpenSearch: an index for each version, an alias for readers."""

from importlib.util import find_spec

from luigi_sinks.errors import NotInstalled

if not (find_spec("elasticsearch") or find_spec("opensearchpy")):  # which of them it takes, a connection says
    raise NotInstalled("elasticsearch", "there is no client of Elasticsearch here, nor of OpenSearch ([opensearch])")

from luigi_sinks.elasticsearch.schema import Schema
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.elasticsearch.sink import ElasticsearchSink
from luigi_sinks.elasticsearch.target import ElasticsearchTarget
from luigi_sinks.elasticsearch.task import CopyToIndex

__all__ = ["CopyToIndex", "ElasticsearchSettings", "ElasticsearchSink", "ElasticsearchTarget", "Schema"]
