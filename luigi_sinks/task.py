"""The Luigi task that loads its `rows()` into one dataset."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import luigi
from luigi.parameter import ParameterException

from luigi_sinks import config, identity
from luigi_sinks import target as targets
from luigi_sinks.checks import not_empty
from luigi_sinks.errors import BadSetting, CheckFailed
from luigi_sinks.target import TargetOptions, VersionedTarget

_eaten: WeakKeyDictionary[luigi.Task, Any] = WeakKeyDictionary()
"""The one-shot iterators that an earlier attempt in this process began to read."""


def setting(default: Any = None) -> Any:
    """Declare what a subclass may override: by a class attribute, a property or a Parameter.

    Typed Any because that alone lets all three pass both mypy and pyright.
    """
    return default


class CopyTask(luigi.Task):
    """Loads `rows()` as one version. Subclasses for each store say where to."""

    _store = ""
    """The name of the store; each store's base class sets it, and is known by it."""

    rerun = luigi.Parameter(
        default="",
        significant=False,
        positional=False,
        description="a label: load once more under it, though the task is complete",
    )

    partition_by = setting(None)
    """Names of the parameters whose values choose the partition; () replaces the whole dataset."""

    connection = setting("")
    """Chooses the section [luigi_sinks.STORE.NAME] of luigi.cfg."""

    owner = setting("")
    """The team this task belongs to."""

    checks = setting((not_empty,))
    """What the staged version must pass; see luigi_sinks.checks."""

    shared_with = setting(())
    """Other task families that may write the same partition."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # Luigi leaves it so
        try:
            config.refuse_secrets()
            identity.partition_of(self, self.partition_by)
        except BadSetting as error:
            raise ParameterException(str(error)) from None

    def rows(self) -> Iterable[Any]:
        """Return the rows: dicts, tuples, or Arrow tables and data frames.

        Called once for each attempt; each time it must start anew.
        """
        raise NotImplementedError(f"{type(self).__name__}.rows() says what to load")

    def output(self) -> VersionedTarget:
        """Return the version this task makes."""
        raise NotImplementedError

    def run(self) -> None:
        """Stage, check and publish the rows."""
        with self.output().open("w") as sink:
            for row in self._fresh_rows():
                sink.write(row)

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[Any]) -> list[Any]:
        """Return those of the parameters whose tasks are complete, with one look at each dataset."""
        given = list(parameter_tuples)
        tasks = [_instance(cls, parameters) for parameters in given]
        outputs = [task.output() for task in tasks]
        if all(isinstance(output, VersionedTarget) for output in outputs):
            done = targets.complete(outputs)
        else:
            done = [task.complete() for task in tasks]
        return [parameters for parameters, is_done in zip(given, done, strict=True) if is_done]

    def _fresh_rows(self) -> Iterable[Any]:
        rows: Iterable[Any] | None = self.rows()
        if rows is None:
            raise CheckFailed(f"{self.task_family}.rows() returned None; yield the rows, or return them all")
        if _eaten.get(self) is rows:
            raise CheckFailed(
                f"{self.task_family}.rows() returned the iterator that an earlier attempt began to read; the rest "
                "of it is not the whole. Make a new one in each call"
            )
        if iter(rows) is rows:
            _eaten[self] = rows
        return rows

    def _target_options(self) -> TargetOptions:
        return TargetOptions(
            task=self,
            partition_by=self.partition_by,
            rerun=self.rerun,
            connection=self.connection,
            owner=self.owner,
            checks=self.checks,
            shared_with=self.shared_with,
        )


def _instance(cls: Any, parameters: Any) -> Any:
    """Make a task as Luigi's range tools mean it: `cls` may be a partial, the value a lone date."""
    family: Any = cls.func if isinstance(cls, functools.partial) else cls
    bound = cls.keywords if isinstance(cls, functools.partial) else {}
    if isinstance(parameters, dict):
        return family(**bound, **parameters)
    values = parameters if isinstance(parameters, (list, tuple)) else (parameters,)
    free = [name for name, parameter in family.get_params() if parameter.positional and name not in bound]
    return family(**bound, **dict(zip(free, values, strict=False)))
