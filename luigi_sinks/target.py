"""Luigi targets that exist once their version is published."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal, Self, overload

import luigi

from luigi_sinks import columns, config, identity, option_types, rejects, running, settling, stores, unseen, versions
from luigi_sinks.checks import not_empty
from luigi_sinks.contract import Contract
from luigi_sinks.errors import BadSetting, NoPath, did_you_mean
from luigi_sinks.load import Load, refuse_unknown, writing
from luigi_sinks.record import Origin, Record
from luigi_sinks.recording import targets as recorded
from luigi_sinks.recording.events import Dataset
from luigi_sinks.retention import Retention, retention
from luigi_sinks.retry import patient
from luigi_sinks.row_reader import RowReader
from luigi_sinks.sink import Sink
from luigi_sinks.target_options import TargetOptions as TargetOptions  # noqa: PLC0414 - subclasses of targets need it
from luigi_sinks.target_writer import TargetWriter
from luigi_sinks.version import WHOLE, State, check_partition


class VersionedTarget(luigi.Target):
    """The output of one task: a version of one partition of a dataset. Each store has a subclass.

    - `name`: the name of the dataset: the table, index or graph.
    - `options`: see `TargetOptions`.

    It has no open connection, so it is cheap to create and can be pickled. Raises
    BadSetting if the name is empty, or if the options do not identify the output.

    Example, with a store of its own, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> from luigi_sinks.contract import Field, TupleShape
        >>> class NumbersTarget(VersionedTarget):
        ...     store = "example"
        ...     contract = Contract("numbers", {"": TupleShape((Field("id", int),))})
        >>> target = NumbersTarget("numbers", TargetOptions(update_id="first"))
        >>> target.exists()
        False
        >>> with target.open("w") as writer:
        ...     writer.write({"id": 1})
        ...     writer.write((2,))
        >>> target.exists(), sorted(row["id"] for row in target.rows())
        (True, [1, 2])

    """

    store: str

    _takes_changes = False
    """Whether the store makes versions of the head and of changed rows."""

    def __init__(self, name: str, options: TargetOptions) -> None:
        if not name or not isinstance(name, str):
            raise BadSetting(f"{_described(self, options)} has no name; set table, index or graph, to text")
        option_types.refuse(f"dataset {name!r}", options)
        _refuse_ignored(name, options)
        unseen.refuse(name, "dataset")
        self.name = name
        self.connection = options.get("connection", "")
        self.partition, self.origin = _identity(name, options)
        unseen.refuse(self.origin.owner, f"dataset {name!r}: owner")
        unseen.refuse(self.origin.family, f"dataset {name!r}: task")
        self._checks = options.get("checks", (not_empty,))
        self._shared_with = options.get("shared_with", ())
        self._retention = _retention(name, options)
        self._older = options.get("older", "refuse")
        refuse_unknown(self._older)
        self.allow_change = _allow_change(name, options)
        self.changes_by_key = options.get("changes_by_key", False)
        self._takes_over = options.get("takes_over", False)
        self._most_bad_rows = rejects.cap(options.get("on_bad_row", "refuse"), options.get("most_bad_rows"))

    @property
    def contract(self) -> Contract:
        """The contract that each row must fulfil."""
        raise NotImplementedError

    @property
    def declared_columns(self) -> columns.Columns:
        """The columns, fields or properties in the store's words; none where only the contract is known."""
        return {}

    @property
    def utc_columns(self) -> Collection[str]:
        """The names of columns that keep times without a zone, and say that these are UTC."""
        return ()

    def without_checks(self) -> Self:
        """Return a copy for processes that write parts only: its checks, which may hold anything, stay behind."""
        stripped = copy.copy(self)
        vars(stripped).update(_checks=())
        return stripped

    def open_sink(self) -> Sink:
        """Open the dataset in its store."""
        raise NotImplementedError

    @property
    def dataset(self) -> str:
        """The name of the dataset, with the namespace of luigi.cfg."""
        return config.common().dataset(self.name)

    @property
    def owner(self) -> str:
        """The team that sessions are opened for: the running task's if it reads another's output, else its own."""
        return identity.session_owner(self.origin)

    def sink(self) -> Sink:
        """Open the dataset: in a SQLite file if luigi.cfg sets `local`, else in its store."""
        for reason in stores.unread_sections(also=self.store):
            raise BadSetting(reason)
        local = config.common().local
        if local is not None:
            from luigi_sinks.sqlite import SQLiteSink  # noqa: PLC0415 - only needed with `local`

            key = config.connection_key(self.store, self.connection)
            return SQLiteSink(local, key, self.dataset, self.contract, self.declared_columns, self.allow_change)
        return self.open_sink()

    def exists(self) -> bool:
        """Return whether this output was published and not withdrawn, even if it is not the head.

        Raises Unavailable if the store does not respond for as long as its `patience`: False would run the task again.
        """
        return self.is_complete_by(self._records())

    @property
    def path(self) -> str:
        """Raise NoPath: Luigi asks for it where it looks for files, as RangeDaily does without `bulk_complete`."""
        raise NoPath(
            f"{self} is not a file and has no path; for RangeDaily and its like, put luigi_sinks.BulkComplete before "
            "luigi.Task or luigi.WrapperTask in the bases of the task"
        )

    @property
    def may_load_again(self) -> bool:
        """Whether to load even if this output exists: not in a task that Luigi runs because its output is missing."""
        task = running.here()
        return not (task.is_incomplete and identity.is_output_of(task.task_id, self.origin))

    def record(self) -> Record | None:
        """Return the record of this output: the head if it is a version of this output, else its latest version."""
        head = patient(self.sink()).head(self.partition).record
        if head is not None and head.answers(self.origin):
            return head
        return max(self._versions(), key=lambda record: record.seq, default=None)

    def is_complete_by(self, records: Iterable[Record]) -> bool:
        """Return whether this output exists, by the records of its id; an old dialect knows more."""
        return self._has_version(records)

    def _has_version(self, records: Iterable[Record]) -> bool:
        return any(_is_of(record, self) for record in records)

    def _versions(self) -> Iterator[Record]:
        return (record for record in self._records() if _is_of(record, self))

    def _records(self) -> list[Record]:
        return settling.records_of(patient(self.sink()), {self.origin.update_id})

    @overload
    def open(self, mode: Literal["w"]) -> TargetWriter: ...
    @overload
    def open(self, mode: Literal["r"] = "r") -> RowReader: ...
    def open(self, mode: Literal["r", "w"] = "r") -> TargetWriter | RowReader:
        """Open the output to write a new version ("w"), or to read its version ("r").

        Use the writer in a `with` block: it publishes if the block ends without an exception.
        Raises what `loading` raises for "w", FileNotFoundError and Conflict for "r", and
        ValueError for another mode.
        """
        if mode == "r":
            return RowReader(self.rows())
        if mode == "w":
            return TargetWriter(self, writing(self.load()))
        raise ValueError(f"mode {mode!r} is unknown; use 'r' or 'w'")

    def load(self) -> Load:
        """Return the load of a new version of this output, as `open("w")` begins it."""
        self._refuse_changes_without_key()
        return Load(
            self.sink(),
            self.partition,
            self.origin,
            checks=self._checks,
            shared_with=self._shared_with,
            older=self._older,
            most_bad_rows=self._most_bad_rows,
            again=self.may_load_again,
            changes_by_key=self.changes_by_key,
            takes_over=self._takes_over,
            retention=self._retention,
            place=config.connection_key(self.store, self.connection),
        )

    def _refuse_changes_without_key(self) -> None:
        if not self.changes_by_key:
            return
        if not self._takes_changes:
            raise BadSetting(f"{self.name!r}: changes_by_key is for tables and indices; give all rows, without it")
        if not self.contract.shapes[""].key:
            raise BadSetting(f"{self.name!r} has no key by which changes could replace rows; declare one")
        if self._older == "superseded":
            raise BadSetting(
                f"{self.name!r}: older = 'superseded' would make a version of an older date of a newer head; with "
                "changes_by_key, leave it out"
            )

    def rows(self) -> Iterator[Any]:
        """Return an iterator over the rows of this output's version, even if it is not the head."""
        record = self.record()
        if record is None:
            raise FileNotFoundError(f"{self}: nothing has been published yet; run its task")
        if record.state is State.DROPPED:
            raise FileNotFoundError(f"{record.version} was published, but its rows have been deleted; load it again")
        return versions.read(self.sink(), record.version)

    def __repr__(self) -> str:
        """Return dataset, partition and output id."""
        return f"{type(self).__name__}({self.name}/{self.partition}, update_id={self.origin.update_id!r})"


@recorded.named.register
def _(target: VersionedTarget) -> recorded.Named:
    """Return the name of a dataset for lineage; its versions are recorded when they are read or written."""
    found = target.sink().location
    return recorded.Named(Dataset(found.namespace, found.name), is_versioned=True)


def _refuse_ignored(name: str, options: TargetOptions) -> None:
    """Raise BadSetting for an option that would have no effect."""
    known = TargetOptions.__annotations__
    for unknown in sorted(options.keys() - known.keys()):
        raise BadSetting(f"target {name!r}: {unknown} is no option; {did_you_mean(unknown, known)}")
    if "origin" in options:
        for same in ("task", "update_id", "rerun", "owner", "partition_by"):
            if options.get(same):
                raise BadSetting(f"target {name!r} has origin and {same}, which says the same; keep one")
    if "task" in options and options.get("update_id"):
        raise BadSetting(f"target {name!r} has task and update_id, either of which identifies the output; keep one")
    if "task" not in options and options.get("partition_by"):
        raise BadSetting(f"target {name!r} has partition_by and no task whose parameters it names; set partition")


def _described(target: VersionedTarget, options: TargetOptions) -> str:
    return f"the dataset of {options['task']}" if "task" in options else f"a {type(target).__name__}"


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
        return identity.partition_of(task, by, options.get("partition", "")), origin
    given = options.get("origin") or Origin(options.get("update_id", ""), rerun=options.get("rerun", ""), owner=owner)
    if not given.update_id:
        raise BadSetting(
            f"target {name!r} has neither task nor update_id, so a task could take the version of another task for its "
            f"own. Set task=self, or update_id (and partition)"
        )
    partition = options.get("partition", WHOLE)
    try:
        check_partition(partition)
    except BadSetting as error:
        raise BadSetting(f"target {name!r}: {error}") from None
    return partition, given


def _allow_change(name: str, options: TargetOptions) -> tuple[str, ...]:
    try:
        return columns.names_of(options.get("allow_change", ()))
    except BadSetting as error:
        raise BadSetting(f"target {name!r}: {error}") from None


def _retention(name: str, options: TargetOptions) -> Retention | None:
    try:
        return retention(options.get("keep"), options.get("min_age"))
    except BadSetting as error:
        raise BadSetting(f"target {name!r}: {error}") from None


def _watch(kind: type[luigi.Task]) -> None:
    """Discard the tokens of a task when it ends, whatever its base class is."""
    from luigi_sinks.task_events import watch  # noqa: PLC0415 - not needed to import this package

    watch(kind)
