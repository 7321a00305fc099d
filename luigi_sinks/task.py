"""The base class of tasks that load their `rows()` into one dataset."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, cast
from weakref import WeakKeyDictionary

import luigi
from luigi.parameter import ParameterException
from luigi.task import flatten

from luigi_sinks import columns, completeness, config, identity, not_honoured, option_types, rejects
from luigi_sinks.checks import not_empty
from luigi_sinks.errors import BadSetting, CheckFailed
from luigi_sinks.retention import retention
from luigi_sinks.target import TargetOptions, VersionedTarget

_started_iterators: WeakKeyDictionary[luigi.Task, dict[str, Any]] = WeakKeyDictionary()
"""The iterators that an earlier attempt in this process began to read, by the methods that returned them."""


def setting(default: Any = None) -> Any:
    """Declare a class attribute that subclasses override with a value, a property or a Parameter.

    Its type is Any: with any other type, mypy or pyright rejects one of the three.
    """
    return default


class BulkComplete:
    """Lets RangeDaily and its like ask about many tasks at once; put it before `luigi.Task` or `luigi.WrapperTask`.

    Outputs of this package cost one query for each dataset. A task with other outputs, or
    with a `complete()` of its own, is asked by that. A CopyTask needs no mixin.

    Example:
        >>> class Everything(BulkComplete, luigi.WrapperTask):
        ...     day = luigi.DateParameter()
        ...     def requires(self):
        ...         return []
        >>> from datetime import date
        >>> Everything.bulk_complete([date(2013, 1, 1)])
        [datetime.date(2013, 1, 1)]

    """

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[Any]) -> list[Any]:
        """Return those parameters whose tasks are complete, with one query per dataset."""
        given = list(parameter_tuples)
        tasks = [_instance(cls, parameters) for parameters in given]
        outputs = [_deciding(task) for task in tasks]
        asked = [target for found in outputs for target in found or ()]
        exist = iter(completeness.complete(asked))
        are_done = [
            task.complete() if found is None else all(list(islice(exist, len(found))))
            for task, found in zip(tasks, outputs, strict=True)
        ]
        return [parameters for parameters, is_done in zip(given, are_done, strict=True) if is_done]


class CopyTask(BulkComplete, luigi.Task):
    """A task that loads its `rows()` as one version. Use the subclass of a store.

    Subclasses set these attributes (as a value, a property or a Parameter), and the
    attributes of the store. All are optional:

    - `partition_by`: the names of the parameters that choose the partition; () replaces the
      whole dataset. Required if the task has significant parameters.
    - `connection`: the NAME of the section `[luigi_sinks.STORE.NAME]`. Default: `[luigi_sinks.STORE]`.
    - `owner`: the team that the task belongs to; `[luigi_sinks.owner.NAME]` maps it to roles.
    - `checks`: functions that a staged version must pass, see `luigi_sinks.checks`. Default: `(not_empty,)`.
    - `shared_with`: other task families that may write the same partition. Default: none.
    - `keep`: how many versions of the partition to keep after a publication, at least 2. Default: all.
    - `min_age`: a timedelta; with `keep`, keep each for so long after readers saw it last. Default: an hour.
    - `partition`: the name of a partition that no parameter chooses, such as "north"; instead of `partition_by`.
    - `older`: what a run for an older date than the head's does, where the date is outside `partition_by`:
      "refuse" raises Conflict (the default), "superseded" loads and checks a version that readers never see.
    - `on_bad_row`: what a row that breaks the contract does: "refuse" ends the load (the default), "set_aside"
      writes it to a file.
    - `most_bad_rows`: how many rows may be set aside, such as 100, or which share of all, such as 0.01.
    - `allow_change`: the names of columns that may change though readers may break, such as `("carrier",)`; see
      "When columns change" in docs/versions.md. Default: none.
    - `changes_by_key`: True if `rows()` are changes: the new version is the head, in which each row replaces the
      one with its key. `deletes()` returns the keys of rows that are left out.

    The parameter `rerun` is a label under which to load again a task that is complete.

    Creating a task raises luigi's ParameterException if its settings cannot work. Running it
    raises what `luigi_sinks.loading` raises: Conflict, CheckFailed (BadRow is one), BadSetting,
    Unavailable or CredentialError. After an error, readers still see the previous version.

    Example, with a target of its own, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> from luigi_sinks.contract import Contract, Field, TupleShape
        >>> class SquaresTarget(VersionedTarget):
        ...     store = "example"
        ...     contract = Contract("squares", {"": TupleShape((Field("n", int), Field("square", int)))})
        >>> class Squares(CopyTask):
        ...     until = luigi.IntParameter()
        ...     partition_by = ("until",)
        ...     def output(self):
        ...         return SquaresTarget("squares", self._target_options())
        ...     def rows(self):
        ...         return ({"n": n, "square": n * n} for n in range(self.until))
        >>> task = Squares(until=3)
        >>> task.run()
        >>> task.complete(), [row["square"] for row in task.output().rows()]
        (True, [0, 1, 4])

    """

    _store = ""
    """The name of the store; each store's base class sets it, and is known by it."""

    _target_class = setting(None)
    """The class of its outputs, where that is not the one of the store."""

    _reads_adopted_marks = False
    """Whether a mark of luigi.contrib that was adopted completes it, as in the old dialects."""

    rerun = luigi.Parameter(
        default="",
        significant=False,
        positional=False,
        description="a label under which to load again a task that is complete",
    )

    partition_by = setting(None)
    """The names of the parameters that choose the partition; () replaces the whole dataset."""

    connection = setting("")
    """The NAME of the section [luigi_sinks.STORE.NAME] in luigi.cfg."""

    owner = setting("")
    """The team that the task belongs to."""

    checks = setting((not_empty,))
    """The checks that a staged version must pass; see luigi_sinks.checks."""

    shared_with = setting(())
    """Other task families that may write the same partition."""

    keep = setting()
    """How many versions of the partition to keep after a publication; None keeps all."""

    min_age = setting()
    """For how long to keep each version after readers saw it last, a timedelta; None is an hour."""

    older = setting("refuse")
    """What a run for an older date than the head's does: "refuse" or "superseded"."""

    on_bad_row = setting("refuse")
    """What a row that breaks the contract does: "refuse" ends the load, "set_aside" writes it to a file."""

    most_bad_rows = setting(None)
    """How many rows may be set aside: a count, or a share of all rows below 1."""

    allow_change = setting(())
    """The names of columns that may be dropped, renamed or retyped, though readers may break."""

    changes_by_key = setting(False)
    """Whether `rows()` are changes of the head, by key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # untyped in Luigi
        try:
            config.refuse_secrets()
            self._refuse_what_is_ignored()
            option_types.refuse(self.task_family, option_types.of_task(self))
            rejects.cap(self.on_bad_row, self.most_bad_rows)
            retention(self.keep, self.min_age)
            columns.names_of(self.allow_change)
            identity.partition_of(self, self.partition_by, named_partition(self))
        except BadSetting as error:
            raise ParameterException(str(error)) from None

    def rows(self) -> Iterable[Any]:
        """Return the rows: dicts, tuples, or Arrow tables and data frames.

        Called once for each attempt; each call must return all rows.
        """
        raise NotImplementedError(f"define {type(self).__name__}.rows(); it returns the rows to load")

    def deletes(self) -> Iterable[Any]:
        """Return, with `changes_by_key`, the keys of rows that are gone: dicts, tuples, or the only field's values.

        A row of `rows()` with such a key stays. The keys are kept in memory.
        """
        return ()

    def output(self) -> VersionedTarget:
        """Return the target of this task."""
        raise NotImplementedError

    def run(self) -> None:
        """Load `rows()`: stage them, check them, and publish the version.

        Does nothing if another process completed the task after Luigi found it incomplete.
        """
        output: Any = self.output()
        if not isinstance(output, VersionedTarget):
            raise BadSetting(
                f"{self.task_family}: output() returns a {type(output).__name__}, into which rows() are not loaded; "
                "remove it, and leave other outputs to a task that requires this one"
            )
        with output.open("w") as sink:
            if not sink.is_complete:
                self.write_to(sink)

    def write_to(self, writer: Any) -> None:
        """Write `rows()`, and with `changes_by_key` what `deletes()` returns, to a writer of a load."""
        writer.write_all(self.fresh_rows())
        for key in _fresh(self, "deletes", "keys") if self.changes_by_key else ():
            writer.delete(key)

    def _refuse_what_is_ignored(self) -> None:
        """Raise BadSetting for attributes that a task of this store would ignore."""
        not_honoured.refuse(self, base_of(type(self)), self._store, identity.named(self.partition_by))
        if not self.changes_by_key and type(self).deletes is not CopyTask.deletes:
            raise BadSetting(
                f"{self.task_family}: deletes() would not be called, as rows() replace all rows; set changes_by_key = "
                "True, or remove it"
            )

    def fresh_rows(self) -> Iterable[Any]:
        """Return `rows()`. Raises CheckFailed for what cannot be all of them, such as an iterator that was begun."""
        return fresh_rows(self)

    @classmethod
    def _inputs(cls, declared: Callable[[str], Any]) -> Iterable[str]:
        """Return the datasets that such tasks read within the store; `declared` gives an attribute of the class."""
        del declared
        return ()

    def _target_options(self) -> TargetOptions:
        self._refuse_what_is_ignored()  # again, since __init__ of a subclass may have set some after ours
        return TargetOptions(
            task=self,
            partition=named_partition(self),
            partition_by=self.partition_by,
            older=self.older,
            on_bad_row=self.on_bad_row,
            most_bad_rows=self.most_bad_rows,
            rerun=self.rerun,
            connection=self.connection,
            owner=self.owner,
            checks=self.checks,
            shared_with=self.shared_with,
            keep=self.keep,
            min_age=self.min_age,
            allow_change=self.allow_change,
            changes_by_key=self.changes_by_key,
        )


def fresh_rows(task: Any) -> Iterable[Any]:
    """Return what `rows()` of a task returns. Raises CheckFailed for what would not be all rows."""
    return _fresh(task, "rows", "rows")


def _fresh(task: Any, method: str, what: str) -> Iterable[Any]:
    """Return what a method returns. Raises CheckFailed for what is no iterable, or was begun; `what` it is made of."""
    found: Any = getattr(task, method)()
    said = f"{task.task_family}.{method}() returned"
    if found is None:
        raise CheckFailed(f"{said} None; yield the {what}, or return an iterable of them")
    if isinstance(found, (Mapping, str)) or not _is_iterable(found):
        raise CheckFailed(f"{said} one {type(found).__name__}; return a list of {what}, or yield them")
    started = _started_iterators.setdefault(task, {})
    if started.get(method) is found:
        raise CheckFailed(
            f"{said} an iterator that an earlier attempt began to read, so {what} would be missing. Return a new "
            "iterator in each call"
        )
    if iter(found) is found:
        started[method] = found
    return cast("Iterable[Any]", found)


def _is_iterable(value: Any) -> bool:
    """Tell whether `iter()` takes a value, also by its __getitem__."""
    try:
        iter(value)
    except TypeError:
        return False
    return True


def named_partition(task: luigi.Task) -> str:
    """Return `partition`, unless it is a parameter; no default stands in the class, which `clone` would pass on."""
    is_parameter = isinstance(inspect.getattr_static(type(task), "partition", None), luigi.Parameter)
    return "" if is_parameter else getattr(task, "partition", "")


def base_of(task: type[CopyTask]) -> type[Any]:
    """Return the class that a store, or one of its old dialects, gives such tasks."""
    return next((kind for kind in task.__mro__ if vars(kind).get("_store")), CopyTask)


def _deciding(task: Any) -> list[VersionedTarget] | None:
    """Return the targets of this package that decide whether the task is complete; None if anything else does."""
    if type(task).complete is luigi.WrapperTask.complete:
        found = [_deciding(each) for each in flatten(task.requires())]
        return None if None in found else [target for each in found if each for target in each]
    outputs = flatten(task.output()) if type(task).complete is luigi.Task.complete else []
    are_ours = bool(outputs) and all(isinstance(output, VersionedTarget) for output in outputs)
    return outputs if are_ours else None


def _instance(cls: Any, parameters: Any) -> Any:
    """Create a task as Luigi's range tools do: `cls` may be a partial, and `parameters` a single value."""
    family: Any = cls.func if isinstance(cls, functools.partial) else cls
    bound = cls.keywords if isinstance(cls, functools.partial) else {}
    if isinstance(parameters, dict):
        return family(**bound, **parameters)
    values = parameters if isinstance(parameters, (list, tuple)) else (parameters,)
    free = [name for name, parameter in family.get_params() if parameter.positional and name not in bound]
    return family(**bound, **dict(zip(free, values, strict=False)))
