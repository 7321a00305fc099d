"""Finds the datasets that a module's tasks load, without making a task: parameters have no values here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol, cast

import luigi

from luigi_sinks import config
from luigi_sinks.errors import BadSetting
from luigi_sinks.task import CopyTask
from luigi_sinks.version import WHOLE


class Store(Protocol):
    """What the module `grants` of each store holds. `ROLE` is the setting of an owner that names its role."""

    Target: type[Any]
    ROLE: str

    def roles(self, sinks: Any, name: str) -> list[Any]:
        """Return the principals' roles for datasets, all called after one name."""

    def text(self, roles: Any) -> str:
        """Return roles in the server's own language."""

    def rights(self, settings: Any, role: str) -> frozenset[str]:
        """Return what the server grants to a role."""

    def create(self, sink: Any, partition: str, role: str) -> None:
        """Make what a dataset has besides its versions, as the role if there is one."""


@dataclass(frozen=True)
class Dataset:
    """A dataset that a task loads, and the role that luigi.cfg names for its owner, if any."""

    family: str
    store: str
    owner: str
    role: str
    partition: str
    sink: Any

    @property
    def server(self) -> str:
        """The server that it lies on."""
        return f"{self.sink.settings.host}:{self.sink.settings.port}"

    def seen_by(self, user: str, credential: str) -> Dataset:
        """Return the dataset for somebody who is not its loader: no role is taken, and another user may log in."""
        given = {key: value for key, value in (("user", user), ("credential", credential)) if value}
        return replace(self, sink=replace(self.sink, settings=replace(self.sink.settings, owner="", **given)))


class LeftOut(Exception):
    """Why a task's dataset is not known before the task is made."""


def grants_of(store: str) -> Store:
    """Return the module of a store that knows about rights there."""
    return cast("Store", import_module(f"luigi_sinks.{store}.grants"))


def tasks(module: str) -> list[type[CopyTask]]:
    """Return the loading tasks that a module defines, by name. Raises BadSetting if there is no such module."""
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0] and error.name != module:
            raise
        raise BadSetting(f"there is no module {module!r}; is its folder the current one, or on PYTHONPATH?") from None
    kinds = [kind for kind in vars(found).values() if inspect.isclass(kind) and kind.__module__ == module]
    return sorted((kind for kind in kinds if issubclass(kind, CopyTask)), key=lambda kind: kind.__qualname__)


def dataset(task: type[CopyTask]) -> Dataset:
    """Return what the task loads. Raises LeftOut if that depends on the task's parameters."""
    store = _store(task)
    target_of = grants_of(store).Target
    if task.output is not _base(task).output:
        raise LeftOut("its output() is its own")
    settings = {name: _declared(task, name) for name in _settings(target_of)}
    connection, owner, by = (_declared(task, name) for name in ("connection", "owner", "partition_by"))
    if not next(iter(settings.values())):
        raise LeftOut(f"it declares no {next(iter(settings))}")
    sink = target_of(**settings, connection=connection, owner=owner, update_id="-").open_sink()
    role = getattr(config.owner(sink.settings.owner), grants_of(store).ROLE)
    return Dataset(str(task.task_family), store, sink.settings.owner, role, "" if by else WHOLE, sink)


def _base(task: type[CopyTask]) -> Any:
    """Return the base class that a store gave the task."""
    return next(kind for kind in task.__mro__ if _is_stores(kind))


def _store(task: type[CopyTask]) -> str:
    if not any(map(_is_stores, task.__mro__)):
        raise LeftOut("it loads no store of this package")
    return str(_base(task).__module__.split(".")[1])


def _is_stores(kind: type) -> bool:
    return kind.__module__ in {f"luigi_sinks.{store}.task" for store in ("mariadb", "elasticsearch", "neo4j")}


def _settings(target: type[Any]) -> Iterator[str]:
    """Name what a target takes besides what all take, the dataset's name first; the tasks call it the same."""
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            yield parameter.name


def _declared(task: type[CopyTask], name: str) -> Any:
    """Return a setting that is the same for every instance. Raises LeftOut if it is not."""
    value = inspect.getattr_static(task, name)
    if isinstance(value, luigi.Parameter):
        raise LeftOut(f"its {name} is a parameter")
    if hasattr(value, "__get__"):
        raise LeftOut(f"its {name} is computed for each task")
    return value
