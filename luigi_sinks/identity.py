"""The identity of a task's output: its partition and its origin."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import luigi
import msgspec
from luigi.parameter import ParameterVisibility

from luigi_sinks import leaks, not_honoured, partition, redaction, running
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.record import Origin
from luigi_sinks.version import check_partition

_DATES = (luigi.DateParameter, luigi.DateHourParameter, luigi.DateMinuteParameter, luigi.DateSecondParameter)


def partition_of(task: luigi.Task, partition_by: str | Sequence[str] | None, given: str = "") -> str:
    """Return the id of the partition that the task writes; `given` names one that no parameter chooses.

    Raises BadSetting if it is unclear what a run replaces: a task with significant
    parameters must set `partition_by`. Raises it too if Luigi may run several such tasks as
    one, which would load one output and call all of them done.
    """
    parameters = dict(task.get_params())
    _refuse_batches(task)
    if partition_by is None and not _is_computed(task, "partition"):
        _require_partition_by(task, [name for name in _significant(parameters) if not _fills_a_setting(task, name)])
    names = named(partition_by)
    for name in names:
        if name not in parameters:
            raise BadSetting(
                f"{task.task_family}: partition_by names {name!r}, which is not a parameter of the task; "
                f"{did_you_mean(name, parameters)}"
            )
        _refuse_secret(task, name)
    try:
        if given:
            return _given(given, names)
        return partition.encode([parameters[name] for name in names], [getattr(task, name) for name in names])
    except (BadSetting, UnicodeEncodeError) as error:
        raise BadSetting(f"{task.task_family}: partition_by = {names}: {error}") from None


def named(partition_by: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the parameters that choose the partition."""
    return (partition_by,) if isinstance(partition_by, str) else tuple(partition_by or ())


def _given(given: Any, names: Sequence[str]) -> str:
    if names:
        raise BadSetting(f"partition = {given!r} is set beside it; keep one of the two")
    check_partition(str(given))
    return str(given)


def _is_computed(task: luigi.Task, name: str) -> bool:
    """Return whether an attribute is a property, which may have another value for each task."""
    return hasattr(inspect.getattr_static(type(task), name, None), "__get__")


def _refuse_secret(task: luigi.Task, name: str) -> None:
    if leaks.is_nested_secret("", getattr(task, name)):
        raise BadSetting(
            f"{task.task_family}: {name} holds what looks like a secret, and cannot choose the partition, whose name "
            "shows it; leave the secret out of the parameter"
        )


def _refuse_batches(task: luigi.Task) -> None:
    if task.batchable:
        raise BadSetting(
            f"{task.task_family}: {', '.join(task.batch_param_names())} has a batch_method, so Luigi would run many of "
            "these tasks as one, and load the output of that one only; remove batch_method, or set batchable = False"
        )


def origin_of(
    task: luigi.Task, partition_by: str | Sequence[str] | None, *, owner: str = "", rerun: str = ""
) -> Origin:
    """Return the origin that the registry records for the task: its public parameters, as text.

    Raises BadSetting for a parameter with a lone surrogate, which the command line accepts.
    """
    by = named(partition_by)
    secret = _secret(task, by)
    params = task.to_str_params(only_significant=True, only_public=True)
    origin = Origin(
        update_id=update_id_of(task, partition_by),
        rerun=rerun,
        partition_by=by,
        family=task.get_task_family(),
        owner=owner,
        period=_period(task, by),
        params={name: redaction.MARK if name in secret else value for name, value in params.items()},
    )
    try:
        msgspec.json.encode(origin)
    except UnicodeEncodeError:
        raise BadSetting(
            f"{origin.family}: a parameter contains a lone surrogate, which is not valid text; correct its value"
        ) from None
    return origin


def session_owner(origin: Origin) -> str:
    """Return the team that sessions are opened for: the running task's if it reads another's output, else its own."""
    reader = running.current()
    is_other_task = bool(reader.task_id) and not is_output_of(reader.task_id, origin)
    return (is_other_task and reader.owner) or origin.owner


def is_output_of(task_id: str, origin: Origin) -> bool:
    """Return whether an output is that of a task, from whose id the output's may leave out a secret."""
    return origin.update_id in {task_id, _without_values(origin.family, task_id)}


def _without_values(family: str, task_id: str) -> str:
    """Return the id of a task without the values of parameters that Luigi puts into it: they may be secrets."""
    return f"{family}_{task_id.rpartition('_')[2]}"


def adopted_id(family: str) -> str:
    """Return the id of what was adopted as a whole, though tasks of the family load parts of it."""
    return f"{family}, adopted"


def update_id_of(task: luigi.Task, partition_by: str | Sequence[str] | None = None) -> str:
    """Return what identifies the output of a task: its id, of which a secret parameter's value is left out."""
    if not _secret(task, named(partition_by)):
        return str(task.task_id)
    return _without_values(task.get_task_family(), task.task_id)


def _secret(task: luigi.Task, partition_by: Sequence[str]) -> set[str]:
    """Return the names of the parameters that hold what looks like a secret, by their names or values.

    One that chooses the partition is shown by design, and was looked at there.
    """
    return {
        name
        for name in task.to_str_params(only_significant=True, only_public=True)
        if name not in partition_by and leaks.is_nested_secret(name, getattr(task, name, None))
    }


def owner_of(task: luigi.Task) -> str:
    """Return the `owner` of a task, or an empty string."""
    owner = getattr(task, "owner", "")
    return owner if isinstance(owner, str) else ""


def _significant(parameters: dict[str, luigi.Parameter[Any]]) -> list[str]:
    return [
        name
        for name, parameter in parameters.items()
        if parameter.significant and parameter.visibility == ParameterVisibility.PUBLIC
    ]


def _fills_a_setting(task: luigi.Task, name: str) -> bool:
    """Return whether the parameter only overrides a class attribute (`table = luigi.Parameter()`)."""
    inherited = (vars(base)[name] for base in type(task).__mro__ if name in vars(base))
    return any(not isinstance(value, luigi.Parameter) for value in inherited)


def _require_partition_by(task: luigi.Task, names: list[str]) -> None:
    if not names:
        return
    choosing = [name for name in names if not not_honoured.configures(name) and name not in _secret(task, ())]
    keeping = f"Set partition_by = {tuple(choosing)!r} to keep the rows of each task, " if choosing else "Set "
    warning = "; without one of these names, tasks that differ only in it replace each other's rows" * bool(choosing)
    raise BadSetting(
        f"{task.task_family} has parameters ({', '.join(names)}) and no partition_by, so it is unclear what a run "
        f"replaces. {keeping}{'or ' * bool(choosing)}partition_by = () to replace the whole dataset, of which only the "
        f"rows of the last task are left{warning}"
    )


def _period(task: luigi.Task, partition_by: tuple[str, ...]) -> str:
    """Return the first significant date parameter outside the partition, in ISO format; empty if there is none."""
    for name, parameter in task.get_params():
        if parameter.significant and name not in partition_by and isinstance(parameter, _DATES):
            return str(getattr(task, name).isoformat())
    return ""
