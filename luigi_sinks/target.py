"""Luigi targets that exist once their version was published."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Self, TypedDict, overload

import luigi

from luigi_sinks import config, identity, running, versions
from luigi_sinks.checks import Check, not_empty
from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadSetting
from luigi_sinks.load import loading
from luigi_sinks.record import Origin, Record
from luigi_sinks.sink import Sink
from luigi_sinks.version import WHOLE, State
from luigi_sinks.writer import Writer

_log = logging.getLogger("luigi_sinks")
_PARTITION = re.compile(r"[a-z0-9_]{1,30}")


class TargetOptions(TypedDict, total=False):
    """What every store's target takes besides its own settings.

    Either `task` says what the output is (and `partition_by`, which of its
    parameters choose the partition), or `update_id` and, for one part of a
    dataset, `partition` do. `connection` names a section `[luigi_sinks.STORE.NAME]`.
    `shared_with` lists other task families that may write the same partition.
    """

    task: luigi.Task
    partition_by: str | Sequence[str] | None
    rerun: str
    update_id: str
    partition: str
    connection: str
    owner: str
    checks: Sequence[Check]
    shared_with: Collection[str]


class VersionedTarget(luigi.Target):
    """One output: a version of one partition of a dataset.

    Keeps names and settings only, never a client, so that Luigi may make many of
    them and send them to other processes.
    """

    store: str

    def __init__(self, name: str, options: TargetOptions) -> None:
        if not name:
            raise BadSetting(f"{_whose(self, options)} has no name: set table, index or graph, as its store calls it")
        self.name = name
        self.connection = options.get("connection", "")
        self.partition, self.origin = _identity(name, options)
        self._checks = options.get("checks", (not_empty,))
        self._shared_with = options.get("shared_with", ())

    @property
    def contract(self) -> Contract:
        """What a row must look like."""
        raise NotImplementedError

    def open_sink(self) -> Sink:
        """Return the dataset in its store."""
        raise NotImplementedError

    @property
    def dataset(self) -> str:
        """The dataset's name within the namespace of luigi.cfg."""
        return config.common().dataset(self.name)

    @property
    def owner(self) -> str:
        """For whom sessions are opened: who reads another task's output does so in its own name."""
        reader = running.current()
        is_others = reader.task_id not in {"", self.origin.update_id}
        return (is_others and reader.owner) or self.origin.owner

    def sink(self) -> Sink:
        """Return the dataset, in its store or where luigi.cfg says `local`, in a SQLite file."""
        local = config.common().local
        if local is not None:
            from luigi_sinks.sqlite import SQLiteSink  # noqa: PLC0415 - most never need it

            key = config.connection_key(self.store, self.connection)
            return SQLiteSink(local, key, self.dataset, self.contract)
        return self.open_sink()

    def exists(self) -> bool:
        """Tell whether this output was published and not withdrawn.

        It need not be the head. Raises Unavailable if the store does not answer:
        "no" would run the task again.
        """
        return any(True for _ in self._versions())

    def record(self) -> Record | None:
        """Return this output's version: the head if that is one of its own, else its latest."""
        head = self.sink().head(self.partition).record
        if head is not None and head.answers(self.origin):
            return head
        return max(self._versions(), key=lambda record: record.seq, default=None)

    def _versions(self) -> Iterator[Record]:
        for record in self.sink().records(update_ids={self.origin.update_id}):
            if _is_of(record, self):
                yield record

    @overload
    def open(self, mode: Literal["w"]) -> TargetWriter: ...
    @overload
    def open(self, mode: Literal["r"] = "r") -> RowReader: ...
    def open(self, mode: Literal["r", "w"] = "r") -> TargetWriter | RowReader:
        """Open the output for writing a new version, or for reading the one it names.

        A writer publishes on a clean end only; use it in a `with`.
        """
        if mode == "r":
            return RowReader(self.rows())
        if mode == "w":
            load = loading(self.sink(), self.partition, self.origin, checks=self._checks, shared_with=self._shared_with)
            return TargetWriter(self, load)
        raise ValueError(f"mode {mode!r} is neither 'r' nor 'w'")

    def rows(self) -> Iterator[Any]:
        """Yield the rows of the version that this output names, head or not."""
        record = self.record()
        if record is None:
            raise FileNotFoundError(f"{self}: nothing was published yet")
        if record.state is State.DROPPED:
            raise FileNotFoundError(f"{record.version} was published, but its rows are deleted by now")
        return versions.read(self.sink(), record.version)

    def __repr__(self) -> str:
        """Name dataset, partition and output."""
        return f"{type(self).__name__}({self.name}/{self.partition}, update_id={self.origin.update_id!r})"


class TargetWriter:
    """Takes the rows of one new version.

    Only leaving the `with` block cleanly, or `close()` while no exception is in
    flight, publishes. All else abandons: an exception, a generator that is
    closed, a writer that is forgotten.
    """

    def __init__(self, target: VersionedTarget, load: AbstractContextManager[Writer]) -> None:
        self._target = target
        self._in_flight_before = sys.exception()
        self._load: AbstractContextManager[Writer] | None = None
        self._writer = load.__enter__()
        self._load = load

    def write(self, row: Any) -> None:
        """Take a row: a dict, a tuple, or a whole Arrow table or data frame."""
        if self._load is None:
            raise ValueError(f"{self._target}: the writer is closed")
        self._writer.write(row)

    def close(self) -> None:
        """Publish, unless an exception is in flight; then abandon."""
        error = sys.exception()
        self._end(None if error is self._in_flight_before else error)

    def __enter__(self) -> Self:
        """Take part in a `with`."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Publish if no exception left the block."""
        self._end(error)

    def __del__(self) -> None:
        """Abandon what was neither closed nor left cleanly."""
        if getattr(self, "_load", None) is not None:
            _log.warning("%s: the writer was never closed; nothing is published", self._target)

    def _end(self, error: BaseException | None) -> None:
        load, self._load = self._load, None
        if load is not None:
            load.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


class RowReader:
    """Iterates over the rows of a version; may stand in a `with`."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the rows that are left."""
        return self._rows

    def __next__(self) -> Any:
        """Return the next row."""
        return next(self._rows)

    def __enter__(self) -> Self:
        """Take part in a `with`."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop reading."""
        self.close()

    def close(self) -> None:
        """Stop reading, and give the connection back."""
        close = getattr(self._rows, "close", None)
        if close is not None:
            close()


def complete(targets: Iterable[VersionedTarget]) -> list[bool]:
    """Tell for each target whether it exists, with one look at each dataset."""
    targets = list(targets)
    looks: dict[object, list[Record]] = {}
    for place in {_place(target): target for target in targets}.values():
        wanted = {target.origin.update_id for target in targets if _place(target) == _place(place)}
        looks[_place(place)] = list(place.sink().records(update_ids=wanted))
    return [any(_is_of(record, target) for record in looks[_place(target)]) for target in targets]


def _whose(target: VersionedTarget, options: TargetOptions) -> str:
    return f"the dataset of {options['task']}" if "task" in options else f"a {type(target).__name__}"


def _place(target: VersionedTarget) -> object:
    return type(target), target.connection, target.dataset


def _is_of(record: Record, target: VersionedTarget) -> bool:
    return record.version.partition == target.partition and record.answers(target.origin)


def _identity(name: str, options: TargetOptions) -> tuple[str, Origin]:
    task = options.get("task")
    owner = options.get("owner", "")
    if task is not None:
        owner = owner or identity.owner_of(task)
        by = options.get("partition_by")
        _watch(type(task))
        origin = identity.origin_of(task, by, owner=owner, rerun=options.get("rerun", ""))
        return identity.partition_of(task, by), origin
    update_id = options.get("update_id", "")
    if not update_id:
        raise BadSetting(
            f"target {name!r} does not say what it holds, so tomorrow's task would take yesterday's version for its "
            f"own. Give it task=self, or an update_id (and a partition)"
        )
    return _checked_partition(name, options.get("partition", WHOLE)), Origin(update_id, owner=owner)


def _watch(kind: type[luigi.Task]) -> None:
    """Have the tokens of a task dropped when it ends, whatever its base class is."""
    from luigi_sinks.task_events import watch  # noqa: PLC0415 - most who import this package use no credential there

    watch(kind)


def _checked_partition(name: str, partition: str) -> str:
    if not _PARTITION.fullmatch(partition):
        raise BadSetting(f"target {name!r}: partition {partition!r} must be 1 to 30 of a-z, 0-9 and _")
    return partition
