"""The Luigi target for a version of an index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

from luigi_sinks import config
from luigi_sinks.columns import Columns
from luigi_sinks.contract import Contract
from luigi_sinks.elasticsearch import names
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.elasticsearch.settings import ElasticsearchSettings
from luigi_sinks.elasticsearch.sink import ElasticsearchSink
from luigi_sinks.errors import BadSetting
from luigi_sinks.target import TargetOptions, VersionedTarget


class ElasticsearchTarget(VersionedTarget):
    """A version of one partition of an index.

    - `index`: the alias that readers use.
    - `mapping`: {"properties": {...}}, or the properties themselves; always strict.
    - `settings`: those of the index, such as number_of_shards. Default: the server's.
    - `id_field`: the field, a keyword or an integer, whose value is the document's id.
      Default: none, and rows may repeat.
    - `options`: see `luigi_sinks.target.TargetOptions`.

    Raises BadSetting for what cannot work.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> target = ElasticsearchTarget("delays", mapping={"delay": {"type": "float"}}, update_id="first")
        >>> with target.open("w") as writer:
        ...     writer.write({"delay": 3.5})
        >>> list(target.rows())
        [{'delay': 3.5}]

    """

    store = "elasticsearch"

    _takes_changes = True

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

    @property
    def declared_columns(self) -> Columns:
        """The types of the fields, by their dotted names."""
        return self.schema.declared_columns

    def open_sink(self) -> ElasticsearchSink:
        """Return the dataset in the cluster of luigi.cfg."""
        settings = config.read_connection(ElasticsearchSettings, self.store, self.connection)
        owned = replace(settings, owner=self.owner or settings.owner)
        if self.changes_by_key and owned.product != "elasticsearch":
            raise BadSetting(
                f"index {self.name!r}: changes_by_key needs Elasticsearch, and the connection leads to "
                f"{owned.product}; give all documents, without it"
            )
        return ElasticsearchSink(owned, self.dataset, self.schema, self.allow_change, self.changes_by_key)
