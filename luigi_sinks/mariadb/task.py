"""The Luigi tasks that load a table: of rows, or of a query that the server answers itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from luigi.task import flatten

from luigi_sinks import config
from luigi_sinks.errors import BadSetting
from luigi_sinks.mariadb.names import refuse_schema
from luigi_sinks.mariadb.pinned import pin
from luigi_sinks.mariadb.query import Query
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


class QueryToTable(CopyToTable):
    """Makes a version of a table by a SELECT over the versions that its inputs have now, within the server.

    Subclass it: set `table`, `columns` and `query`, and require the tasks whose tables the
    query reads. A table is named in braces, `{departures}`: it stands for the rows that
    readers see of the required partitions when the task starts, whatever is published
    while it runs. Lineage records exactly these versions as read. Each column of the table
    is taken from the column of this name that the query gives.

    `:since` in the query is the value of the task's parameter `since`: text, a number, a date,
    a time or a duration. In place of text, a select of SQLAlchemy may be given, whose tables
    have the names of those of the inputs. A table that is not in braces is read as the server
    has it, and is not recorded.

    `run()` raises what that of `CopyToTable` does; BadSetting for a query that the server
    does not understand, that gives other columns, or reads what is no input; Conflict if
    readers see no version of an input, or it is dropped meanwhile; and CheckFailed for a
    row that the columns do not take, or a value that they would not keep as it is. The
    query must end within `statement_timeout`.

    Example:
        class Carriers(mariadb.QueryToTable):
            month = luigi.MonthParameter()
            partition_by = ("month",)
            table = "carriers"
            columns = [Column("carrier", String(2), primary_key=True), Column("flights", BigInteger)]
            query = "SELECT carrier, COUNT(*) AS flights FROM {departures} GROUP BY carrier"

            def requires(self):
                return Departures(self.month)

    """

    _store = "mariadb"

    query = setting()
    """A SELECT, as text or as a select of SQLAlchemy. Required."""

    @classmethod
    def _inputs(cls, declared: Callable[[str], Any]) -> Iterable[str]:
        return Query(declared("table"), declared("query")).tables

    def run(self) -> None:
        """Make the version of those that the inputs have now, and record that these are read."""
        if (folder := config.common().local) is not None:
            raise BadSetting(f"{self.task_family} needs a MariaDB server, and [luigi_sinks] local = {folder} uses none")
        query, output = Query(self.table, self.query), self.output()
        with output.open("w") as sink, ExitStack() as reading:
            if not sink.is_complete:
                inputs = flatten(self.input())  # type: ignore[no-untyped-call]  # untyped in Luigi
                sources = pin(query, output.open_sink().settings.address, inputs, reading)
                select = query.bind(sources, self.param_kwargs)
                sink.make_part(lambda stage, number: stage.fill(number, select))


watch(CopyToTable)
watch(QueryToTable)
