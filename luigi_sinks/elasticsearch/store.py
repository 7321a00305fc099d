"""The descriptor by which the core and the command line find Elasticsearch."""

from __future__ import annotations

from luigi_sinks.elasticsearch.adoption import ExistingIndex
from luigi_sinks.elasticsearch.catalog import ElasticsearchCatalog, datasets
from luigi_sinks.elasticsearch.declaration import declare
from luigi_sinks.elasticsearch.marks import ElasticsearchMarks, of_contrib
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.stores import Store


def preflight(settings: ElasticsearchSettings) -> None:
    """Make a call that every login of this store is permitted and that the cluster answers from memory."""
    datasets(settings)


STORE = Store(
    name="elasticsearch",
    title="Elasticsearch",
    settings=ElasticsearchSettings,
    open_catalog=ElasticsearchCatalog,
    list_datasets=datasets,
    preflight=preflight,
    target="luigi_sinks.elasticsearch.target:ElasticsearchTarget",
    grants="luigi_sinks.elasticsearch.grants",
    grants_by_product={"opensearch": "luigi_sinks.elasticsearch.iam"},
    open_marks=ElasticsearchMarks,
    old_marks=of_contrib,
    old_marks_in="update_log",
    declare=declare,
    existing=ExistingIndex,
)
