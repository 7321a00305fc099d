"""Who works on a dataset, kept apart: one makes it, one loads it, one may show it, one deletes from it."""

from __future__ import annotations

from enum import StrEnum


class RoleKind(StrEnum):
    """The owner makes tables and the like, the loader stages and publishes, the pruner deletes rows.

    Where a loader who publishes cannot be kept from harm, a publisher may do that in its place.
    """

    OWNER = "owner"
    LOADER = "loader"
    PUBLISHER = "publisher"
    PRUNER = "pruner"

    def role(self, name: str) -> str:
        """Return the name of its role; the loader's is the plain one, which tasks take."""
        return name if self is RoleKind.LOADER else f"{name}_{self}"
