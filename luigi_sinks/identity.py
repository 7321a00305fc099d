"""The identity of a task's output: its partition and its origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import luigi
import msgspec
from luigi.parameter import ParameterVisibility

from luigi_sinks import partition
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.record import Origin

_DATES = (luigi.DateParameter, luigi.DateHourParameter, luigi.DateMinuteParameter, luigi.DateSecondParameter)


def partition_of(task: luigi.Task, partition_by: str | Sequence[str] | None) -> str:
    """Return the id of the partition that the task writes.

    Raises BadSetting if it is unclear what a run replaces: a task with significant
    parameters must set `partition_by`. Raises it too if Luigi may run several such tasks as
    one, which would load one output and call all of them done.
    """
    parameters = dict(task.get_params())
    _refuse_batches(task)
    if partition_by is None:
        _require_partition_by(task, [name for name in _significant(parameters) if not _fills_a_setting(task, name)])
    names = (partition_by,) if isinstance(partition_by, str) else tuple(partition_by or ())
    for name in names:
        if name not in parameters:
            raise BadSetting(
                f"{task.task_family}: partition_by names {name!r}, which is not a parameter of the task; "
                f"{did_you_mean(name, parameters)}"
            )
    try:
        return partition.encode([parameters[name] for name in names], [getattr(task, name) for name in names])
    except (BadSetting, UnicodeEncodeError) as error:
        raise BadSetting(f"{task.task_family}: partition_by = {names}: {error}") from None


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
    by = (partition_by,) if isinstance(partition_by, str) else tuple(partition_by or ())
    origin = Origin(
        update_id=task.task_id,
        rerun=rerun,
        partition_by=by,
        family=task.get_task_family(),
        owner=owner,
        period=_period(task, by),
        params=task.to_str_params(only_significant=True, only_public=True),
    )
    try:
        msgspec.json.encode(origin)
    except UnicodeEncodeError:
        raise BadSetting(
            f"{origin.family}: a parameter contains a lone surrogate, which is not valid text; correct its value"
        ) from None
    return origin


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
    if names:
        one = names[0]
        raise BadSetting(
            f"{task.task_family} has parameters ({', '.join(names)}) and no partition_by, so it is unclear what a run "
            f"replaces. Set partition_by = ({one!r},) to keep one partition for each {one}, "
            f"or partition_by = () to replace the whole dataset"
        )


def _period(task: luigi.Task, partition_by: tuple[str, ...]) -> str:
    """Return the first significant date parameter outside the partition, in ISO format; empty if there is none."""
    for name, parameter in task.get_params():
        if parameter.significant and name not in partition_by and isinstance(parameter, _DATES):
            return str(getattr(task, name).isoformat())
    return ""
