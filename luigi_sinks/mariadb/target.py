"""Luigi targets in MariaDB."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from luigi_sinks import config
from luigi_sinks.contract import Contract
from luigi_sinks.mariadb.schema import Columns, parse_schema
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.mariadb.sink import MariaDBSink
from luigi_sinks.target import TargetOptions, VersionedTarget


class MariaDBTarget(VersionedTarget):
    """One output in a table that readers see as a view.

    `columns` are SQLAlchemy columns or a Table. Raises BadSetting if they, or the
    table's name, cannot work.
    """

    store = "mariadb"

    def __init__(self, table: str, *, columns: Columns, **options: Unpack[TargetOptions]) -> None:
        super().__init__(table, options)
        self._schema = parse_schema(table, columns)

    @property
    def contract(self) -> Contract:
        """What a row must look like."""
        return Contract(self.dataset, {"": self._schema.shape})

    def open_sink(self) -> MariaDBSink:
        """Return the table."""
        settings = config.read_connection(MariaDBSettings, self.store, self.connection)
        owned = replace(settings, owner=self.owner or settings.owner)
        return MariaDBSink(owned, self.dataset, self._schema)
