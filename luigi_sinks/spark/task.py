"""The Luigi task that loads a frame of Spark."""

from __future__ import annotations

from typing import Any

from luigi_sinks.errors import BadSetting, Conflict, NotInstalled
from luigi_sinks.spark.driver import write
from luigi_sinks.target_writer import is_complete_by_another
from luigi_sinks.task import CopyTask, setting


class SparkCopy(CopyTask):
    """Loads `frame(session)` as one version; its other base is `CopyToTable`, `CopyToIndex` or `CopyToGraph`.

    The settings are those of that base. `frame` takes the place of `rows` and `docs`; a graph's returns
    a frame for each kind of row. `run()` raises what `luigi_sinks.spark.write` does.

    Example:
        class Departures(SparkCopy, mariadb.CopyToTable):
            month = luigi.MonthParameter()
            partition_by = ("month",)
            table = "departures"
            columns = [Column("id", Integer, primary_key=True), Column("carrier", String(2))]

            def frame(self, session):
                return session.read.parquet(f"s3://bucket/departures/{self.month:%Y-%m}")

    """

    sort = setting(True)
    """Whether each partition is sorted before it is written; see `luigi_sinks.spark.write`."""

    def frame(self, session: Any) -> Any:
        """Return the DataFrame to load, or for a graph one for each kind of row."""
        raise NotImplementedError(f"define {type(self).__name__}.frame(session); it returns the DataFrame to load")

    def session(self) -> Any:
        """Return the session of Spark: the one of this process, or a new one by the configuration of spark-submit.

        It is called in `run()`, as a session does not survive the fork of a worker. Raises
        NotInstalled without pyspark.
        """
        try:
            from pyspark.sql import SparkSession  # noqa: PLC0415 - not needed to make a task
        except ImportError as missing:
            raise NotInstalled("spark", missing) from missing
        return SparkSession.builder.appName(self.task_family).getOrCreate()

    def run(self) -> None:
        """Load `frame(session())`; do nothing if another process completed the task after Luigi found it incomplete."""
        output = self.output()
        try:
            write(self.frame(self.session()), output, sort=self.sort)
        except Conflict as conflict:
            if not is_complete_by_another(output, conflict):
                raise

    def _refuse_what_is_ignored(self) -> None:
        super()._refuse_what_is_ignored()
        if type(self).run is not SparkCopy.run or super().run.__func__ is not CopyTask.run:  # type: ignore[attr-defined]  # it is a method
            raise BadSetting(
                f"{self.task_family}: its frame would not be loaded; the other base of a SparkCopy is CopyToTable, "
                "CopyToIndex or CopyToGraph, and it has no run() of its own"
            )
        for name in ("rows", "docs"):
            if not getattr(getattr(type(self), name, None), "__module__", "luigi_sinks").startswith("luigi_sinks"):
                raise BadSetting(f"{self.task_family}: {name}() would not be called; return the rows in frame(session)")
