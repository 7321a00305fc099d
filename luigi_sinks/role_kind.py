"""The kinds of roles that separate the permissions on a dataset."""

from __future__ import annotations

from enum import StrEnum


class RoleKind(StrEnum):
    """The owner creates tables and the like, the loader stages and publishes, the pruner deletes rows.

    In a store where permission to publish also permits harm, a separate publisher can publish instead of the loader.
    """

    OWNER = "owner"
    LOADER = "loader"
    PUBLISHER = "publisher"
    PRUNER = "pruner"

    def role(self, name: str) -> str:
        """Return the name of the role: `name` itself for the loader, which tasks use, else `name` with a suffix."""
        return name if self is RoleKind.LOADER else f"{name}_{self}"
