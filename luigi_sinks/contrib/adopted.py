"""Outputs that are complete by a mark of `luigi.contrib`, which `luigi-sinks adopt-marks` took over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from luigi_sinks import marks, stores
from luigi_sinks.record import Record
from luigi_sinks.target import TargetOptions, VersionedTarget


class Adoptable(VersionedTarget):
    """A target that an adopted mark completes too; one query more, where the output has no version."""

    def __init__(self, name: str, options: TargetOptions) -> None:
        super().__init__(name, options)
        task = options.get("task")
        self._old_id = self.origin.update_id if task is None else str(task.task_id)

    def is_complete_by(self, records: Iterable[Record]) -> bool:
        """Return whether this output exists: by its records, or by a mark of luigi.contrib that was adopted."""
        return super().is_complete_by(records) or self._is_adopted()

    def _is_adopted(self) -> bool:
        """Return whether there is a mark for the output; a rerun under a label needs a version of its own."""
        if self.origin.rerun:
            return False
        found = stores.find(self.store).marks(self.dataset, self.connection, owner=self.owner)
        return bool(marks.known(found, {self._old_id}))

    def rows(self) -> Iterator[Any]:
        """Return an iterator over the rows of this output's version; an output that was adopted has none here."""
        if self.record() is None and self._is_adopted():
            raise FileNotFoundError(
                f"{self}: luigi.contrib loaded it, so its rows are in the table or index of that time, and not in a "
                "version; to load it into one, run its task with --rerun LABEL"
            )
        return super().rows()
