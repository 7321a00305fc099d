"""The options of targets, which a DAG is parsed with: without Luigi, which takes a while to import."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from datetime import timedelta

    import luigi

    from luigi_sinks.checks import Check
    from luigi_sinks.load import Older
    from luigi_sinks.record import Origin


class TargetOptions(TypedDict, total=False):
    """The options of every store's target. Each is optional, but one of `task`, `update_id` and `origin` is required.

    - `task`: the task that writes the output; its `task_id` identifies the output.
    - `partition_by`: the names of the task's parameters that choose the partition. Default: (), the
      whole dataset; required if the task has significant parameters.
    - `rerun`: a label; the output then exists once it was loaded under this label. Default: any load.
    - `update_id`: identifies the output if there is no task.
    - `origin`: an `Origin`, which identifies an output that no Luigi task writes, such as that of a task of Airflow.
    - `takes_over`: True abandons at once, and not after the lease, what an earlier try of the same output left
      on another host. Only for who knows that the earlier try has ended. Default: False.
    - `partition`: the id of a partition that no parameter chooses. Default: _all, the whole dataset.
    - `connection`: the NAME of the section `[luigi_sinks.STORE.NAME]`. Default: `[luigi_sinks.STORE]`.
    - `owner`: the team that the output belongs to. Default: the task's `owner`.
    - `checks`: the checks that a version must pass before it is published. Default: `(not_empty,)`.
    - `shared_with`: other task families that may write the same partition. Default: none.
    - `keep`: how many versions of the partition to keep after a publication, at least 2. Default: all.
    - `min_age`: a timedelta; with `keep`, keep each for so long after readers saw it last. Default: an hour.
    - `older`: what a load for an older date than the head's does: "refuse" (the default), or "superseded",
      which loads and checks a version that readers never see.
    - `on_bad_row`: what a row that breaks the contract does: "refuse" ends the load (the default), "set_aside"
      writes it to a file, see `rejects` in `[luigi_sinks]`. A row that only the server refuses, such as a
      repeated key, always ends it.
    - `most_bad_rows`: how many rows may be set aside, such as 100, or which share of all, such as 0.01.
    - `allow_change`: the names of columns, fields or properties that may be dropped, renamed, or given a type that
      does not hold all old values, though readers may break. Default: none.
    - `changes_by_key`: True if the rows are changes of the head: each replaces the one with its key, and the
      others stay, but for those that the writer's `delete` names.

    Example:
        >>> options = TargetOptions(update_id="flights of 2013-01", partition="201301", owner="flight_ops")
        >>> options["partition"]
        '201301'

    """

    task: luigi.Task
    partition_by: str | Sequence[str] | None
    rerun: str
    update_id: str
    origin: Origin
    takes_over: bool
    partition: str
    connection: str
    owner: str
    checks: Sequence[Check]
    shared_with: Collection[str]
    keep: int | None
    min_age: timedelta | None
    older: Older
    on_bad_row: str
    most_bad_rows: float | None
    allow_change: str | Collection[str]
    changes_by_key: bool
