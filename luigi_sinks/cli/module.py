"""Finds the datasets that a module's tasks load.

Parameters have no values here, so a CopyTask is read without being made. Other tasks
show their targets in `output()` alone, which is called where no value is needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any, Protocol, TypeGuard, cast, get_args, get_type_hints

import luigi
from luigi.task import flatten

from luigi_sinks import config, owners, stores
from luigi_sinks.errors import BadSetting, SinkError
from luigi_sinks.marker import Marker
from luigi_sinks.target import VersionedTarget
from luigi_sinks.task import CopyTask, base_of
from luigi_sinks.version import WHOLE


class Grants(Protocol):
    """What the module `grants` of each store, and of each product of one, holds.

    `FORMAT` is what the language of its roles is called, `HEADING` what is printed
    above those of one server.
    """

    FORMAT: str
    HEADING: str

    def roles(self, sinks: Any, name: str) -> list[Any]:
        """Return the roles for datasets, one for each `RoleKind`, all called after one name."""

    def text(self, roles: Any) -> str:
        """Return roles in the server's own language."""

    def terraform(self, roles: Any) -> Iterator[str]:
        """Yield roles as blocks of Terraform, if a provider knows them."""

    def rights(self, settings: Any, role: str) -> frozenset[str]:
        """Return what the server grants to a role. Raises NoRoles if it does not say."""

    def conditions(self, settings: Any) -> Iterator[tuple[str, str]]:
        """Yield `-` and the name of each setting that a server must have for its roles to hold, and has not."""

    def iam_user(self, settings: Any) -> str:
        """Return the user that an AWS role may log in as by an RDS IAM token, if the store knows such."""

    def create(self, sink: Any, partition: str, role: str) -> None:
        """Make what a dataset has besides its versions, as the role if there is one; upgrade what is old."""


@dataclass(frozen=True)
class Dataset:
    """A dataset that a task loads, and the role that luigi.cfg names for its owner, if any.

    `is_input` tells that the task only reads it, within the store.
    """

    family: str
    store: str
    owner: str
    role: str
    partition: str
    sink: Any
    is_input: bool = False

    @property
    def server(self) -> str:
        """The server that it lies on."""
        return f"{self.sink.settings.host}:{self.sink.settings.port}"

    @property
    def grants(self) -> Grants:
        """What its store knows about rights on this server."""
        return cast("Grants", stores.find(self.store).grants_module(getattr(self.sink.settings, "product", "")))

    def seen_by(self, user: str, credential: str) -> Dataset:
        """Return the dataset for somebody who is not its loader: no role is taken, and another user may log in."""
        return replace(self, sink=replace(self.sink, settings=seen_by(self.sink.settings, user, credential)))


class SkippedDataset(Exception):
    """Why a task's dataset is not known before the task is made."""


class LoadsNothing(SkippedDataset):
    """Why a task has no dataset of ours, as the base of others has none: there is nothing to grant for it."""


class UnresolvedOutput(Exception):
    """A task's `output()` may hold targets of ours, and nobody can tell before the task is made."""


def seen_by(settings: Any, user: str, credential: str) -> Any:
    """Return a connection's settings for somebody who takes no role, and logs in as another user if one is given."""
    given = {key: value for key, value in (("user", user), ("credential", credential)) if value}
    return replace(settings, owner="", **given)


def languages(store: str) -> list[str]:
    """Return what the roles of a store are written in: one for each product that has its own. Raises NotInstalled."""
    found = stores.find(store)
    return [cast("Grants", found.grants_module(each)).FORMAT for each in ("", *found.grants_by_product)]


def tasks(module: str) -> list[type[luigi.Task]]:
    """Return the tasks that a module defines and that may load, by name.

    Raises BadSetting if there is no such module, or if it imports what is not there.
    """
    try:
        found = import_module(module)
    except SinkError:
        raise
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            raise BadSetting(
                f"there is no module {module!r}; is its folder the current one, or on PYTHONPATH?"
            ) from None
        raise BadSetting(
            f"module {module!r} cannot be imported: {error}; install what it needs in this environment, or correct it"
        ) from None
    kinds = [kind for kind in vars(found).values() if inspect.isclass(kind) and kind.__module__ == module]
    return sorted((kind for kind in kinds if _may_load(kind)), key=lambda kind: kind.__qualname__)


def datasets(task: type[luigi.Task]) -> list[Dataset]:
    """Return what the task loads.

    Raises SkippedDataset if that depends on the parameters of a CopyTask, UnresolvedOutput if it
    may depend on those of another task.
    """
    if issubclass(task, CopyTask):
        return list(_declared_datasets(task))
    if granted := getattr(task, "_granted", None):
        return [_changed_in_place(task, granted)]
    return [_of_target(task, target) for target in _targets(task)]


def is_marker(task: type[luigi.Task]) -> bool:
    """Tell whether the outputs of a task are Markers, which have no rows, as far as that is known before it is made.

    Where `output()` needs values of parameters, the classes of ours that its code names are looked at.
    """
    if issubclass(task, CopyTask):
        return False
    try:
        found: list[type[Any]] = [type(each) for each in _targets(task)]
    except (SinkError, UnresolvedOutput):
        found = list(_named_targets(inspect.unwrap(task.output)))
    return bool(found) and all(issubclass(each, Marker) for each in found)


def _named_targets(output: Any) -> Iterator[type[Any]]:
    """Yield the classes of our targets that a function names, as `Marker` or `mariadb.Marker`."""
    if not inspect.isfunction(output):
        return
    names = output.__code__.co_names
    found = [output.__globals__.get(name) for name in names]
    for module in filter(inspect.ismodule, list(found)):
        for name in names:
            with suppress(Exception):  # of a module's own __getattr__
                found.append(getattr(module, name))
    for value in found:
        if inspect.isclass(value) and issubclass(value, (VersionedTarget, Marker)):
            yield value


def _may_load(kind: type) -> TypeGuard[type[luigi.Task]]:
    if not issubclass(kind, luigi.Task) or issubclass(kind, CopyTask):
        return issubclass(kind, CopyTask)
    shows = kind.output is not luigi.Task.output or bool(getattr(kind, "owner", ""))
    return shows and not inspect.isabstract(kind) and not _returns_others(kind)


def _returns_others(task: type[luigi.Task]) -> bool:
    """Tell whether `output()` is annotated with targets, such as luigi.LocalTarget, that are never ours."""
    try:
        found = list(_classes(get_type_hints(task.output).get("return")))
    except (AttributeError, NameError, TypeError):  # the annotation is for type checkers alone
        return False
    targets = [kind for kind in found if issubclass(kind, luigi.Target)]
    return bool(targets) and not any(
        issubclass(kind, ours) or issubclass(ours, kind) for kind in targets for ours in (VersionedTarget, Marker)
    )


def _classes(hint: Any) -> Iterator[type]:
    if get_args(hint):
        for part in get_args(hint):
            yield from _classes(part)
    elif inspect.isclass(hint):
        yield hint


def _targets(task: type[luigi.Task]) -> list[VersionedTarget | Marker]:
    """Return the targets of ours in `output()`. Raises UnresolvedOutput if other parameters may give others."""
    try:
        outputs = flatten(task().output())
    except SinkError:
        raise
    except Exception as reason:  # whatever a task's own code raises
        raise UnresolvedOutput from reason
    found = [each for each in outputs if isinstance(each, (VersionedTarget, Marker))]
    if found and task.get_params():
        raise UnresolvedOutput
    return found


def _declared_datasets(task: type[CopyTask]) -> Iterator[Dataset]:
    """Yield what the task loads, and the marks that may complete it if it has an old dialect.

    Raises SkippedDataset if that depends on the task's parameters.
    """
    target_of: Any = task._target_class or stores.find(_store(task)).target_class  # noqa: SLF001 - of this package
    if task.output is not base_of(task).output:
        raise SkippedDataset("its output() is its own")
    settings = {name: _declared(task, name) for name in _settings(target_of)}
    connection, owner, by = (_declared(task, name) for name in ("connection", "owner", "partition_by"))
    if not next(iter(settings.values())):
        raise LoadsNothing(f"it declares no {next(iter(settings))}")
    changes = _declared(task, "changes_by_key")
    target = target_of(**settings, connection=connection, owner=owner, update_id="-", changes_by_key=changes)
    is_whole = not by and not inspect.getattr_static(task, "partition", "")
    yield _dataset(task, target.store, target.open_sink(), WHOLE if is_whole else "")
    for name in task._inputs(partial(_declared, task)):  # noqa: SLF001 - as above
        read = stores.find(target.store).open_catalog(target.open_sink().settings, config.common().dataset(name))
        yield replace(_dataset(task, target.store, read, WHOLE), is_input=True)
    if task._reads_adopted_marks:  # noqa: SLF001 - as above
        adopted = stores.find(target.store).marks(target.dataset, target.connection, owner=target.owner)
        yield _dataset(task, target.store, adopted, WHOLE)


def _changed_in_place(task: type[luigi.Task], granted: Any) -> Dataset:
    """Return what a task of Neo4j changes in place. Raises SkippedDataset if that depends on its parameters."""
    declared: Any = partial(_declared, task)
    if not declared("graph"):
        raise LoadsNothing("it declares no graph")
    return _dataset(task, "neo4j", granted(declared), WHOLE)


def _of_target(task: type[luigi.Task], target: VersionedTarget | Marker) -> Dataset:
    if isinstance(target, Marker):
        return _dataset(task, target.store, target.marks(), WHOLE)
    return _dataset(task, target.store, target.open_sink(), target.partition)


def _dataset(task: type[luigi.Task], store: str, sink: Any, partition: str) -> Dataset:
    role = owners.find(sink.settings.owner).roles.get(store, "")
    return Dataset(str(task.task_family), store, sink.settings.owner, role, partition, sink)


def _store(task: type[CopyTask]) -> str:
    store = task._store  # noqa: SLF001 - of this package
    if not store:
        raise LoadsNothing("it loads no store of this package")
    return store


def _settings(target: type[Any]) -> Iterator[str]:
    """Name what a target takes besides what all take, the dataset's name first; the tasks call it the same."""
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            yield parameter.name


def _declared(task: type[luigi.Task], name: str) -> Any:
    """Return a setting that is the same for every instance. Raises SkippedDataset if it is not."""
    value = inspect.getattr_static(task, name)
    if isinstance(value, luigi.Parameter):
        raise SkippedDataset(f"its {name} is a parameter")
    if hasattr(value, "__get__"):
        raise SkippedDataset(f"its {name} is computed for each task")
    return value
