"""What a load did, for logs, tables and listeners."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from luigi_sinks.version import Version

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class Report:
    """A published load. Times are in seconds; `part_seconds` has one entry a part.

    `rows` are those that the server counts; `set_aside` those that were left out
    because the task allows it.
    """

    store: str
    version: Version
    rows: int
    set_aside: int
    seconds: float
    part_seconds: tuple[float, ...]

    @property
    def rows_per_second(self) -> float:
        """Return the rate from the first row to publication."""
        return self.rows / self.seconds if self.seconds else 0.0


def log(report: Report) -> None:
    """Say in one line what was published."""
    _log.info(
        "%s: published %s: %d rows%s in %.2f s (%.0f rows/s, %d parts)",
        report.store,
        report.version,
        report.rows,
        f" ({report.set_aside} set aside)" if report.set_aside else "",
        report.seconds,
        report.rows_per_second,
        len(report.part_seconds),
    )
