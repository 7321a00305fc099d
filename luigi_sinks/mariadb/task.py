"""The Luigi task that loads its rows into a table."""

from __future__ import annotations

from luigi_sinks.mariadb.target import MariaDBTarget
from luigi_sinks.task import CopyTask, setting
from luigi_sinks.task_events import watch


class CopyToTable(CopyTask):
    """Loads `rows()` into `table` as one version."""

    _store = "mariadb"

    table = setting()
    """The table's name, which readers use."""

    columns = setting()
    """SQLAlchemy columns, or a Table. Keys become unique within each version."""

    def output(self) -> MariaDBTarget:
        """Return the version this task makes."""
        return MariaDBTarget(self.table, columns=self.columns, **self._target_options())


watch(CopyToTable)
