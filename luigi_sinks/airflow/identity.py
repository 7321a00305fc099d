"""Which run of which task of Airflow this is, and whose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from luigi_sinks.record import Origin

_UNMAPPED = -1
_MAY_EDIT = "can_edit"


@dataclass(frozen=True)
class TaskRun:
    """One try of a task instance.

    - `logical_date`: in ISO format; empty for a DAG run that has none.
    - `owner`: the team that the task belongs to; empty where the DAG names none.

    Example:
        >>> run = TaskRun("flights", "load", "manual__2013-01-31", map_index=3, try_number=2)
        >>> run.family, run.id, run.is_retry
        ('flights.load', 'flights.load manual__2013-01-31 3', True)

    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = _UNMAPPED
    try_number: int = 1
    logical_date: str = ""
    owner: str = ""

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Self:
        """Return the one of a task's context."""
        instance, logical_date = context["ti"], context.get("logical_date")
        return cls(
            dag_id=instance.dag_id,
            task_id=instance.task_id,
            run_id=instance.run_id,
            map_index=_UNMAPPED if instance.map_index is None else instance.map_index,
            try_number=instance.try_number,
            logical_date=logical_date.isoformat() if logical_date else "",
            owner=owner_of(instance.task),
        )

    @property
    def family(self) -> str:
        """The DAG and the task."""
        return f"{self.dag_id}.{self.task_id}"

    @property
    def id(self) -> str:
        """The same for all tries of the task instance: DAG, task, DAG run and map index."""
        return self.of_task(self.task_id, self.map_index)[1]

    def of_task(self, task_id: str, map_index: int = _UNMAPPED) -> tuple[str, str]:
        """Return family and id of a task of the same DAG run."""
        family = f"{self.dag_id}.{task_id}"
        return family, f"{family} {self.run_id}" + f" {map_index}" * (map_index != _UNMAPPED)

    @property
    def is_retry(self) -> bool:
        """Whether Airflow gave up an earlier try, so that it is dead, wherever it ran."""
        return self.try_number > 1

    @property
    def parameters(self) -> dict[str, str]:
        """What tells this try from others, as text."""
        known = {
            "dag_id": self.dag_id,
            "task_id": self.task_id,
            "run_id": self.run_id,
            "map_index": str(self.map_index) if self.map_index != _UNMAPPED else "",
            "try_number": str(self.try_number),
            "logical_date": self.logical_date,
        }
        return {name: value for name, value in known.items() if value}

    def origin(self, owner: str) -> Origin:
        """Return the origin of what this run loads for a team."""
        return Origin(self.id, family=self.family, owner=owner, period=self.logical_date, params=self.parameters)


def owner_of(task: Any) -> str:
    """Return the team of a task: its `owner`, else the only role that the DAG's `access_control` lets edit it.

    Airflow's default owner names no team.
    """
    owner = str(getattr(task, "owner", "") or "")
    if owner and owner != _default_owner():
        return owner
    editors = list(_editors(getattr(task.dag, "access_control", None) or {}))
    return editors[0] if len(editors) == 1 else ""


def _editors(access: Mapping[str, Any]) -> Iterable[str]:
    for role, rights in access.items():
        of_dag = rights.get("DAGs", ()) if isinstance(rights, Mapping) else rights
        if _MAY_EDIT in of_dag:
            yield role


def _default_owner() -> str:
    try:
        from airflow.sdk.configuration import conf  # noqa: PLC0415 - Airflow's modules are imported where it runs
    except ImportError:
        return "airflow"
    return str(conf.get("operators", "default_owner", fallback="airflow"))
