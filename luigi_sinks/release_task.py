"""The base class of tasks that publish what several tasks load together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import luigi
from luigi.parameter import ParameterException

from luigi_sinks import not_honoured, option_types
from luigi_sinks.errors import BadSetting
from luigi_sinks.target import VersionedTarget
from luigi_sinks.task import BulkComplete, CopyTask, setting
from luigi_sinks.task_events import watch
from luigi_sinks.together import together


class ReleaseTask(BulkComplete, luigi.Task):
    """A task that loads its `members()` in one process, and publishes all of their versions or none.

    Luigi runs each task alone, in any process and at any time, so tasks cannot wait for each
    other to publish. Instead, require this task and not its members: it requires what they
    require, calls their `rows()`, and is complete when all of their outputs are. A member
    that is run by itself publishes by itself.

    - `release`: the name of the release, see `luigi_sinks.together`.
    - `owner`: the team whose role is used. Default: the `owner` of each member.

    Raises what `together` does, and BadSetting for a member that this task cannot load.

    Example, with `Flights` and `Delays` as tasks of any stores:

        class Nightly(luigi_sinks.ReleaseTask):
            day = luigi.DateParameter()
            release = "nightly"

            def members(self):
                return [Flights(day=self.day), Delays(day=self.day)]

    """

    release = setting("")
    """The name of the release."""

    owner = setting("")
    """The team that the task belongs to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # untyped in Luigi
        try:
            not_honoured.refuse_of_members(self)
            option_types.refuse(self.task_family, option_types.of_task(self))
        except BadSetting as error:
            raise ParameterException(str(error)) from None
        if not self.release or not isinstance(self.release, str):
            raise ParameterException(
                f"{self.task_family}: release = {self.release!r} must be a name, such as 'nightly'"
            )

    def members(self) -> Iterable[CopyTask]:
        """Return the tasks whose rows are loaded, in the order of publication."""
        raise NotImplementedError(f"define {type(self).__name__}.members(); it returns the tasks to publish together")

    def requires(self) -> list[Any]:
        """Return what the members require."""
        return [member.requires() for member in self._members()]  # type: ignore[no-untyped-call]  # untyped in Luigi

    def output(self) -> list[VersionedTarget]:
        """Return the outputs of the members."""
        return [member.output() for member in self._members()]

    def run(self) -> None:
        """Load all members and publish them together; does nothing if they are complete already."""
        if self.complete():  # type: ignore[no-untyped-call]  # as above
            return
        members = list(self._members())
        with together(*(member.output() for member in members), release=self.release) as writers:
            for member, writer in zip(members, writers, strict=True):
                member.write_to(writer)

    def _members(self) -> Iterator[CopyTask]:
        members: Any = self.members()
        if not isinstance(members, Iterable):
            raise BadSetting(
                f"{self.task_family}.members() returned one {type(members).__name__}; return a list of tasks"
            )
        for member in members:
            if not isinstance(member, CopyTask) or type(member).run is not CopyTask.run:
                raise BadSetting(
                    f"{self.task_family}: {member} cannot be in release {self.release}, since it is not loaded by its "
                    "rows() alone; make it a CopyToTable, CopyToIndex or CopyToGraph without a run() of its own, or "
                    "use luigi_sinks.together in a task of yours"
                )
            yield member


watch(ReleaseTask)
