"""Outputs that are complete by a mark of `luigi.contrib`, which `luigi-sinks adopt-marks` took over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from luigi_sinks import identity, marks, settling, stores
from luigi_sinks.errors import Conflict
from luigi_sinks.load import Load
from luigi_sinks.record import Record
from luigi_sinks.retry import patient
from luigi_sinks.target import TargetOptions, VersionedTarget


class Adoptable(VersionedTarget):
    """A target that an adopted mark completes too; one query more, where the output has no version."""

    def __init__(self, name: str, options: TargetOptions) -> None:
        super().__init__(name, options)
        task = options.get("task")
        self._old_id = self.origin.update_id if task is None else str(task.task_id)

    def load(self) -> Load:
        """Return the load of a new version. Raises Conflict while readers see its rows in what was adopted."""
        if (whole := self._adopted_whole()) and not whole.withdrawn and self._is_marked():
            raise Conflict(
                f"{self}: its rows are among those of {whole.version}, which was adopted, and readers would see them "
                f"twice. Withdraw that version first (`luigi-sinks withdraw {whole.version}`): then all tasks that "
                "loaded it are incomplete, and run again"
            )
        return super().load()

    def is_complete_by(self, records: Iterable[Record]) -> bool:
        """Return whether this output exists: by its records, or by a mark of luigi.contrib that was adopted."""
        return super().is_complete_by(records) or self._is_adopted()

    def _is_adopted(self) -> bool:
        """Return whether there is a mark for the output; a rerun under a label needs a version of its own."""
        if self.origin.rerun or not self._is_marked():
            return False
        whole = self._adopted_whole()
        return whole is None or not whole.withdrawn

    def _is_marked(self) -> bool:
        found = stores.find(self.store).marks(self.dataset, self.connection, owner=self.owner)
        return bool(marks.known(found, {self._old_id}))

    def _adopted_whole(self) -> Record | None:
        """Return the version that the rows of all such outputs were adopted as, if they were: another partition."""
        records = settling.records_of(patient(self.sink()), {identity.adopted_id(self.origin.family)})
        others = [each for each in records if each.was_complete and each.version.partition != self.partition]
        return max(others, key=lambda record: record.seq, default=None)

    def rows(self) -> Iterator[Any]:
        """Return an iterator over the rows of this output's version; an output that was adopted has none here."""
        if self.record() is None and self._is_adopted():
            if whole := self._adopted_whole():
                raise FileNotFoundError(f"{self}: luigi.contrib loaded it; its rows are among those of {whole.version}")
            raise FileNotFoundError(
                f"{self}: luigi.contrib loaded it, so its rows are in the table or index of that time, and not in a "
                "version; to load it into one, run its task with --rerun LABEL"
            )
        return super().rows()
