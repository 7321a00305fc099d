"""What the record of a version keeps of the release that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from luigi_sinks.version import Version


@dataclass(frozen=True)
class Member:
    """A version of a release, and what it takes the place of.

    `place` is the connection as luigi.cfg names it, STORE or STORE.NAME. `replaced` is the id of the
    version that was the head, empty for none, and `epoch` how often the head had moved by then.
    `owner` is the team that the output belongs to.
    """

    place: str
    version: Version
    replaced: str = ""
    epoch: int = 0
    owner: str = ""

    @property
    def before(self) -> Version | None:
        """Return the version that was the head."""
        return Version(self.version.dataset, self.version.partition, self.replaced) if self.replaced else None

    def __str__(self) -> str:
        """Return the version with its place."""
        return f"{self.place}:{self.version}"


@dataclass(frozen=True)
class Release:
    """Versions that become heads together, in this order, or not at all.

    Each of them keeps this in its record from its first moment, so that after a crash any
    of them leads to the others. `is_settled` once it is known how the release ended: all
    were published, or none is left a head.
    """

    name: str
    members: tuple[Member, ...]
    is_settled: bool = False
