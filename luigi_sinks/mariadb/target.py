"""The Luigi target for a version of a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Unpack

from luigi_sinks import config
from luigi_sinks.columns import Column
from luigi_sinks.contract import Contract
from luigi_sinks.mariadb.names import refuse_schema
from luigi_sinks.mariadb.schema import Columns, parse_schema
from luigi_sinks.mariadb.settings import MariaDBSettings
from luigi_sinks.mariadb.sink import MariaDBSink
from luigi_sinks.target import TargetOptions, VersionedTarget


class MariaDBTarget(VersionedTarget):
    """A version of one partition of a table, which readers see through a view.

    `table` is the view's name. `columns` are SQLAlchemy columns or a Table; keys are
    unique within each version. `luigi_sinks.target.TargetOptions` lists what all targets
    take. Raises BadSetting for a name or columns that cannot work.

    Example:
        >>> from sqlalchemy import Column, Integer, String
        >>> columns = [Column("id", Integer, primary_key=True), Column("carrier", String(2))]
        >>> MariaDBTarget("departures", columns=columns, update_id="2013-01").contract.shapes[""].key
        ('id',)

    """

    store = "mariadb"

    _takes_changes = True

    def __init__(self, table: str, *, columns: Columns, **options: Unpack[TargetOptions]) -> None:
        refuse_schema(table, getattr(columns, "schema", None))
        super().__init__(table, options)
        self._schema = parse_schema(table, columns)

    @property
    def contract(self) -> Contract:
        """What a row must look like."""
        return Contract(self.dataset, {"": self._schema.shape})

    @property
    def declared_columns(self) -> Mapping[str, Column]:
        """The types of the columns, and which of them cannot change."""
        return self._schema.declared_columns

    @property
    def utc_columns(self) -> Collection[str]:
        """The columns that say `info={"time_zone": "UTC"}`."""
        return self._schema.utc

    def open_sink(self) -> MariaDBSink:
        """Return the dataset in the database of luigi.cfg."""
        settings = config.read_connection(MariaDBSettings, self.store, self.connection)
        owned = replace(settings, owner=self.owner or settings.owner)
        return MariaDBSink(owned, self.dataset, self._schema, self.allow_change)
