"""Luigi targets that are marks: complete or not, without rows, columns or versions."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

import luigi

from luigi_sinks import config, identity, marks, stores, unseen
from luigi_sinks.errors import BadSetting, did_you_mean
from luigi_sinks.mark import Marks
from luigi_sinks.record import Origin
from luigi_sinks.recording import targets as recorded
from luigi_sinks.recording.events import Dataset


class MarkerOptions(TypedDict, total=False):
    """The options of every store's Marker: one of `task` and `update_id`, and what else is needed.

    - `task`: the task whose output it is; its `task_id` identifies the output.
    - `update_id`: a text that identifies the output, if there is no task.
    - `connection`: the NAME of the section `[luigi_sinks.STORE.NAME]`. Default: `[luigi_sinks.STORE]`.
    - `owner`: the team that the output belongs to. Default: the task's `owner`.
    """

    task: luigi.Task
    update_id: str
    connection: str
    owner: str


class Marker(luigi.Target):
    """Exists once it was touched: for tasks that write by a client of their own. Each store has a subclass.

    - `name`: what the task writes, such as a table. Any number of outputs may be marked under one name.
    - `options`: see `MarkerOptions`.

    It has no open connection, so it is cheap to create and can be pickled. Raises BadSetting
    if the name is empty or cannot be one, or if neither `task` nor `update_id` is given.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> from luigi_sinks import mariadb
        >>> marker = mariadb.Marker("orders", update_id="orders of 2013-01-31")
        >>> marker.exists()
        False
        >>> marker.touch()
        >>> marker.exists()
        True

    """

    store: str

    def __init__(self, name: str, **options: Unpack[MarkerOptions]) -> None:
        task, update_id, owner = options.get("task"), options.get("update_id", ""), options.get("owner", "")
        for unknown in options.keys() - MarkerOptions.__annotations__.keys():
            raise BadSetting(
                f"marker {name!r}: {unknown} is no option; {did_you_mean(unknown, MarkerOptions.__annotations__)}"
            )
        if not name:
            raise BadSetting(f"a {type(self).__name__} has no name; name what is marked, such as a table")
        unseen.refuse(name, "marker")
        if (task is None) == (not update_id):
            raise BadSetting(f"marker {name!r}: give either task=self, or an update_id that identifies the output")
        self.name = name
        self.connection = options.get("connection", "")
        self.origin = Origin(update_id, owner=owner) if task is None else _origin(task, owner)

    @property
    def dataset(self) -> str:
        """The name, with the namespace of luigi.cfg."""
        return config.common().dataset(self.name)

    @property
    def owner(self) -> str:
        """The team that sessions are opened for."""
        return identity.session_owner(self.origin)

    def marks(self) -> Marks:
        """Open the marks of this name: in a SQLite file if luigi.cfg sets `local`, else in the store."""
        for reason in stores.unread_sections():
            raise BadSetting(reason)
        return stores.find(self.store).marks(self.dataset, self.connection, owner=self.owner)

    def exists(self) -> bool:
        """Return whether this output is marked.

        Raises Unavailable if the store does not respond for as long as its `patience`: False would run the task again.
        """
        return bool(marks.known(self.marks(), {self.origin.update_id}))

    def touch(self) -> None:
        """Mark this output as complete; does nothing if it is. Raises Unavailable, Forbidden or CredentialError."""
        marks.touch(self.marks(), self.origin)

    def __repr__(self) -> str:
        """Return name and output id."""
        return f"{type(self).__name__}({self.name}, update_id={self.origin.update_id!r})"


def _origin(task: Any, owner: str) -> Origin:
    from luigi_sinks.task_events import watch  # noqa: PLC0415 - not needed to import this package

    watch(type(task))
    return identity.origin_of(task, None, owner=owner or identity.owner_of(task))


@recorded.named.register
def _(target: Marker) -> recorded.Named:
    """Return the name of what is marked for lineage: a complete task is recorded as its writer."""
    found = target.marks().location
    return recorded.Named(Dataset(found.namespace, found.name))
