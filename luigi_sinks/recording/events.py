"""What is recorded of runs, as lines of a spool: small facts, each true for itself, in any order, any number of times.

`kind` tells them apart. Times are microseconds since 1970 in UTC, as integers. A job is
a task family; a task is a job with its parameters; a run is one attempt at a task.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

FORMAT = 2
"""The version of what a spool holds; a file names it in its first line. Format 1 had no unpublications."""


class Ended(StrEnum):
    """How a run ended. `suspended`: it asked for a further dependency, and is run again once that is complete."""

    COMPLETE = "complete"
    FAILED = "failed"
    SUSPENDED = "suspended"
    ABORTED = "aborted"


class Certainty(StrEnum):
    """How we know of a read or a write: our own target saw it, or the task only declares it."""

    OBSERVED = "observed"
    DECLARED = "declared"


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    at: int
    """When it happened."""


class Job(msgspec.Struct, frozen=True, order=True):
    """A task family, in the `namespace` of the section `[luigi_sinks.lineage]`."""

    namespace: str
    name: str


class Task(msgspec.Struct, frozen=True, order=True):
    """A job with its parameters; `id` is unique in the job's namespace, as Luigi's task id is."""

    job: Job
    id: str


class Dataset(msgspec.Struct, frozen=True, order=True):
    """Where data are: the fields of `luigi_sinks.location.Location`."""

    namespace: str
    name: str


class Start(_Event, frozen=True, tag="start"):
    """A run begins.

    - `params`: the task's public parameters, as text.
    - `requires`: the tasks that it requires; those found later come with `Need` and `End`.
    - `orchestrator`: luigi, airflow, or empty for a plain program; `parent`: the build or DAG run, as it names it.
    - `orchestrator_version`: the orchestrator's own version, such as 3.8.1.
    - `build`: when the build began, 0 if that is not known.
    - `period`: the date or time that the run is about, as text.
    - `commit`, `source` and `digest`: the revision of the code, the file that defines the task, and its SHA-256.
    - `max_age`: seconds after which the task's outputs are stale, 0 for never.
    - `column_lineage`: by each column of what the run writes, which columns of which datasets that
      it reads it is made from, as the task declares; a dataset by its name, or the end of it.
    """

    run: str
    task: Task
    params: dict[str, str] = {}
    requires: tuple[Task, ...] = ()
    owner: str = ""
    orchestrator: str = ""
    orchestrator_version: str = ""
    parent: str = ""
    build: int = 0
    period: str = ""
    host: str = ""
    pid: int = 0
    worker: str = ""
    commit: str = ""
    source: str = ""
    digest: str = ""
    max_age: float = 0.0
    column_lineage: dict[str, dict[str, tuple[str, ...]]] = {}


class End(_Event, frozen=True, tag="end"):
    """A run ended. `error` is the exception's class; `message` only where it can hold no secret."""

    run: str
    outcome: Ended
    requires: tuple[Task, ...] = ()
    error: str = ""
    message: str = ""


class Need(_Event, frozen=True, tag="need"):
    """A task requires another one, which is complete already, or not."""

    task: Task
    needs: Task


class Interruption(_Event, frozen=True, tag="interruption"):
    """The process of a task was killed, or ran out of time; its parent knows the task, and not which run it was."""

    task: Task
    cause: str


class Read(_Event, frozen=True, tag="read"):
    """A run read a version of a dataset.

    `version` identifies it within the partition; empty if the dataset has no versions that we know.
    """

    run: str
    job: Job
    dataset: Dataset
    certainty: Certainty
    partition: str = ""
    version: str = ""
    rows: int = 0
    seconds: float = 0.0


class Check(msgspec.Struct, frozen=True, order=True):
    """What one check said of a version."""

    name: str
    passed: bool


class Column(msgspec.Struct, frozen=True, order=True):
    """A column or field of a version, and its type in the store's own terms."""

    name: str
    type: str


class Write(_Event, frozen=True, tag="write"):
    """A run wrote a version of a dataset. It is published by a `Publication` of its own."""

    run: str
    job: Job
    dataset: Dataset
    certainty: Certainty
    partition: str = ""
    version: str = ""
    owner: str = ""
    rows: int = 0
    set_aside: int = 0
    bytes: int = 0
    seconds: float = 0.0
    steps: dict[str, float] = {}
    checks: tuple[Check, ...] = ()
    columns: tuple[Column, ...] = ()
    max_age: float = 0.0


class Publication(_Event, frozen=True, tag="publication"):
    """A version became the head of its partition: by a load, or by a rollback. `epoch` counts the head's moves."""

    dataset: Dataset
    partition: str
    version: str
    epoch: int
    by: str = ""
    is_rollback: bool = False


class Unpublication(_Event, frozen=True, tag="unpublication"):
    """Nothing follows a version as the head of its partition: it was withdrawn, or the dataset deleted."""

    dataset: Dataset
    partition: str
    version: str
    epoch: int
    by: str = ""


class Removal(_Event, frozen=True, tag="removal"):
    """The rows of a version were deleted."""

    dataset: Dataset
    partition: str
    version: str


class Lost(_Event, frozen=True, tag="lost"):
    """So many events of a spool could not be kept, since it was full or could not be written; the highest count holds.

    `spool` names the file, and so the process.
    """

    spool: str
    count: int


Event = Start | End | Need | Interruption | Read | Write | Publication | Unpublication | Removal | Lost
