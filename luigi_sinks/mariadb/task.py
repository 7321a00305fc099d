"""The Luigi task that loads its rows into a table."""

from __future__ import annotations

from luigi_sinks.mariadb.names import refuse_schema
from luigi_sinks.mariadb.target import MariaDBTarget
from luigi_sinks.task import CopyTask, setting
from luigi_sinks.task_events import watch


class CopyToTable(CopyTask):
    """Loads `rows()` as one version of a table.

    Subclass it: set `table` and `columns`, write `rows()`. `luigi_sinks.CopyTask` lists
    what all such tasks take, `partition_by` and `owner` among them. `run()` raises what
    `luigi_sinks.load.loading` does.

    Example:
        class Departures(mariadb.CopyToTable):
            month = luigi.MonthParameter()
            partition_by = ("month",)
            table = "departures"
            columns = [Column("id", Integer, primary_key=True), Column("carrier", String(2))]

            def rows(self):
                yield {"id": 1, "carrier": "UA"}

    """

    _store = "mariadb"

    table = setting()
    """The name of the view that readers use. Required."""

    columns = setting()
    """SQLAlchemy columns, or a Table. Keys are unique within each version. Required."""

    def _refuse_what_is_ignored(self) -> None:
        super()._refuse_what_is_ignored()
        refuse_schema(self.table, getattr(self.columns, "schema", None))

    def output(self) -> MariaDBTarget:
        """Return the version this task makes."""
        return MariaDBTarget(self.table, columns=self.columns, **self._target_options())


watch(CopyToTable)
