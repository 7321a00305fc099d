"""What a load did, for logs, tables and listeners."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from luigi_sinks.version import State, Version

_log = logging.getLogger("luigi_sinks")


@dataclass(frozen=True)
class Report:
    """How far a load has come. Times are in seconds; `part_seconds` has one entry a part.

    `state` is staged before anything is written, validated before the version is
    published, published after, and failed with the `error` that ended the load.
    `rows` are those that the server counts; `set_aside` those that were left out
    because the task allows it.
    """

    store: str
    version: Version
    state: State = State.STAGED
    rows: int = 0
    set_aside: int = 0
    seconds: float = 0.0
    part_seconds: tuple[float, ...] = ()
    error: BaseException | None = None

    @property
    def rows_per_second(self) -> float:
        """Return the rate from the first row to publication."""
        return self.rows / self.seconds if self.seconds else 0.0


def log(report: Report) -> None:
    """Say in one line what was published."""
    if report.state is not State.PUBLISHED:
        return
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
