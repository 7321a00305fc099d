"""The seam between an adoption and a store: what readers use already, and luigi_sinks did not load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from luigi_sinks.sink import Sink
from luigi_sinks.version import Version


class Existing(Protocol):
    """A table, an index or nodes under the name of a dataset. All calls but `copy` may be repeated."""

    @property
    def sink(self) -> Sink:
        """Loads the dataset's first version, which readers do not see by its name before `give_way`."""

    def refuse(self) -> None:
        """Raise BadSetting if there is nothing to adopt, or nothing that can be adopted as it is declared."""

    def lost(self) -> Sequence[str]:
        """Return what its versions will not have, such as "trigger audit"; readers see the same rows without it."""

    def copy(self, writer: Any) -> None:
        """Write all its rows to a load, a part at a time, within the store where that can do so."""

    def equals(self, version: Version) -> bool:
        """Tell whether a version holds the rows that are there now."""

    def give_way(self, version: Version) -> str:
        """Show readers the version instead, in one step; return what is kept of the old, and where.

        Raises Conflict if its rows were changed since they were copied: readers then see it as before.
        """
