"""Writes one Spark partition on an executor, as parts of a version that the driver has begun."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from luigi_sinks import closing, config
from luigi_sinks.checks import StagedCounts
from luigi_sinks.contract import Contract
from luigi_sinks.credentials.provider import PROVIDER
from luigi_sinks.errors import BadSetting, CredentialError, SinkError, Unavailable
from luigi_sinks.retry import patient
from luigi_sinks.running import Running
from luigi_sinks.sink import Part, Stage
from luigi_sinks.spark import times
from luigi_sinks.spark.summary import Failure, Summary
from luigi_sinks.target import VersionedTarget
from luigi_sinks.version import Version
from luigi_sinks.writer import Writer

_BITS = 16
MOST = 1 << _BITS
"""How many partitions a load may have, and how many parts each of them: both are in the number of a part."""


@dataclass(frozen=True)
class Columns:
    """What is done with the columns of a frame: `instants` are sent in UTC, those of `naive` without the zone."""

    instants: tuple[str, ...] = ()
    naive: tuple[str, ...] = ()


@dataclass(frozen=True)
class Partition:
    """What `mapInArrow` ships: names and settings, never a secret. Called with a partition, it writes it.

    `kind` is that of the rows; `offset` counts the partitions of the kinds before it. `sections` are those
    of the driver's configuration, and `task` is what runs there.
    """

    target: VersionedTarget
    version: Version
    kind: str
    offset: int
    columns: Columns
    sections: Mapping[str, Mapping[str, Any]]
    task: Running

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Write the batches; yield the summary.

        Raises Unavailable only, for Spark to run the partition again. It would do the same after any other
        error, and then hide that one in its own.
        """
        from pyspark import TaskContext  # noqa: PLC0415 - only on executors

        context: Any = TaskContext.get()
        partition = context.partitionId()
        try:
            found = self._write(partition, batches)
        except Unavailable:
            raise
        except (SinkError, CredentialError) as error:
            found = Summary(partition, failure=Failure.of(error))
        yield found.to_arrow()

    def _write(self, partition: int, batches: Iterable[Any]) -> Summary:
        number = self.offset + partition
        if number >= MOST:
            raise BadSetting(f"{self.target.name!r}: the load has more than {MOST:,} partitions; coalesce the frame")
        with self._process():
            sink = self.target.sink()
            stage = OwnParts(patient(patient(sink).attach(self.version), sink.patience), number)
            with Writer(stage, sink.contract, first_part=number << _BITS) as writer:
                for batch in batches:
                    writer.write(self._rows(sink.contract, batch))
        return Summary(partition, writer.rows, writer.bytes, tuple(writer.part_seconds))

    def _rows(self, contract: Contract, batch: Any) -> Any:
        return contract.join(self.kind, times.in_utc(batch, self.columns.instants, self.columns.naive))

    def _process(self) -> ExitStack:
        """Have this process configured as the driver is; what it opens is closed, and its tokens given back, after."""
        with ExitStack() as undoing:
            undoing.enter_context(config.using(self.sections))
            undoing.callback(PROVIDER.end, self.task.task_id)
            undoing.callback(closing.close)
            PROVIDER.begin(self.task)
            return undoing.pop_all()


@dataclass(frozen=True)
class OwnParts:
    """A stage that takes the parts of one partition only."""

    stage: Stage
    partition: int

    @property
    def version(self) -> Version:
        """The version."""
        return self.stage.version

    @property
    def writers(self) -> int:
        """How many parts may be written at once."""
        return self.stage.writers

    def write(self, part: Part) -> None:
        """Write a part. Raises BadSetting for one whose number belongs to the next partition."""
        if part.number >> _BITS != self.partition:
            raise BadSetting(
                f"{self.version}: a partition has more than {MOST:,} parts; repartition the frame into more of them"
            )
        self.stage.write(part)

    def seal(self) -> StagedCounts:
        """Seal the version, which nobody does on an executor."""
        return self.stage.seal()
