"""The Luigi target for a version of an index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

from luigi_sinks import config
from luigi_sinks.contract import Contract
from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.elasticsearch.sink import ElasticsearchSink
from luigi_sinks.target import TargetOptions, VersionedTarget


class ElasticsearchTarget(VersionedTarget):
    """A version of one partition of an index.

    `index` is the alias that readers use. `mapping` is {"properties": {...}} or the
    properties themselves, and is always strict. `settings` are those of the index, such
    as number_of_shards; the server's defaults otherwise. `id_field` is the field, a
    keyword or an integer, whose value is the document's id; without one, rows may
    repeat. `luigi_sinks.target.TargetOptions` lists what all targets take. Raises
    BadSetting for a name, mapping or setting that cannot work.

    Example:
        >>> mapping = {"carrier": {"type": "keyword"}, "delay": {"type": "float"}}
        >>> ElasticsearchTarget("delays", mapping=mapping, update_id="2013-01").contract.shapes[""].names
        ('carrier', 'delay')

    """

    store = "elasticsearch"

    def __init__(
        self,
        index: str,
        *,
        mapping: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        id_field: str = "",
        **options: Unpack[TargetOptions],
    ) -> None:
        super().__init__(index, options)
        names.check_dataset(self.dataset)
        self.schema = parse_schema(index, mapping, settings, id_field)

    @property
    def contract(self) -> Contract:
        """What a document must look like."""
        return self.schema.contract(self.dataset)

    def open_sink(self) -> ElasticsearchSink:
        """Return the dataset in the cluster of luigi.cfg."""
        settings = config.read_connection(ElasticsearchSettings, self.store, self.connection)
        owned = replace(settings, owner=self.owner or settings.owner)
        return ElasticsearchSink(owned, self.dataset, self.schema)
