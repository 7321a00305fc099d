"""The keys of the graph's nodes."""

from __future__ import annotations

from hashlib import sha256

from luigi_sinks.recording.events import Dataset, Job, Task

LONGEST = 500
"""Characters of a key; an index takes some 8,000 bytes, and more would be refused."""


def dataset_key(dataset: Dataset) -> str:
    """Return what names a dataset in the graph."""
    return short(f"{dataset.namespace}/{dataset.name}")


def slot_key(dataset: Dataset, partition: str) -> str:
    """Return what names a partition of a dataset in the graph."""
    return f"{dataset_key(dataset)}#{short(partition)}"


def version_key(dataset: Dataset, partition: str, version: str) -> str:
    """Return what names a version of a dataset in the graph."""
    return f"{slot_key(dataset, partition)}#{short(version)}"


def within(dataset: str, version: str) -> str:
    """Return what the key of a version says beside that of its dataset: the partition, `#` and the id, or the id alone.

    Example:
        >>> within("file//a.csv", "file//a.csv#201301#v1"), within("file//a.csv", "file//a.csv##m1s2")
        ('201301#v1', 'm1s2')

    """
    return version.removeprefix(dataset).lstrip("#")


_FILE, _URL = "file//", "file:///"


def shown(key: str) -> str:
    """Return a key as people read it: that of a file as its URL.

    Example:
        >>> shown("file//data/flights.csv"), shown("luigi/Load")
        ('file:///data/flights.csv', 'luigi/Load')

    """
    return _URL + key.removeprefix(_FILE) if key.startswith(_FILE) else key


def from_shown(text: str) -> str:
    """Return the key that `shown` makes a text of."""
    return _FILE + text.removeprefix(_URL) if text.startswith(_URL) else text


def job_key(job: Job) -> str:
    """Return what names a job in the graph."""
    return short(f"{job.namespace}/{job.name}")


def task_key(task: Task) -> str:
    """Return what names a task in the graph."""
    return short(f"{task.job.namespace}/{task.id}")


def short(name: str) -> str:
    """Return a name, the end of one that is too long replaced by its digest."""
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}~{sha256(name.encode()).hexdigest()[:16]}"
