"""Bad rows that a task has set aside instead of ending its load: a line each in a file, up to a cap."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import msgspec

from luigi_sinks import config, private_files, redaction, unseen
from luigi_sinks.audit.log import log_path
from luigi_sinks.errors import BadRow, BadSetting, CheckFailed, did_you_mean
from luigi_sinks.version import Version

_log = logging.getLogger("luigi_sinks")

_KNOWN = ("refuse", "set_aside")


def cap(on_bad_row: Any, most_bad_rows: Any) -> int | float | None:
    """Return how many rows a task allows to be set aside, or which share of them; None if it refuses bad rows.

    Raises BadSetting for settings that cannot work.

    Example:
        >>> cap("refuse", None), cap("set_aside", 100), cap("set_aside", 0.01)
        (None, 100, 0.01)

    """
    if on_bad_row not in _KNOWN:
        raise BadSetting(f"on_bad_row = {on_bad_row!r} is unknown; {did_you_mean(on_bad_row, _KNOWN)}")
    if on_bad_row == "refuse":
        if most_bad_rows is not None:
            raise BadSetting("most_bad_rows is set without on_bad_row = 'set_aside'; set both, or neither")
        return None
    is_count = type(most_bad_rows) is int and most_bad_rows >= 1
    is_share = isinstance(most_bad_rows, float) and 0 < most_bad_rows < 1
    if not is_count and not is_share:
        raise BadSetting(
            "on_bad_row = 'set_aside' needs most_bad_rows: a count such as 100, or a share of the rows such as 0.01; "
            "with more bad rows, the load fails"
        )
    number: int | float = most_bad_rows
    return number


class Rejects:
    """The bad rows of one load, in a file that only this user can read.

    `most` is a count, or a share of all rows. The file, at `path`, is made with the first row.
    """

    def __init__(self, version: Version, most: float) -> None:
        self.count = 0
        self._version = version
        self._most = most
        self._first: BadRow | None = None
        self.path = _folder() / f"{version.id}.jsonl"

    def add(self, bad: BadRow) -> None:
        """Write a row's number, field and what is wrong with it. Raises CheckFailed if a count as cap is exceeded."""
        self.count += 1
        self._first = self._first or bad
        self._write(bad)
        if isinstance(self._most, int) and self.count > self._most:
            raise self._too_many(f"more than {self._most} rows are bad, the first {bad.row} looked at")

    def settle(self, rows: int) -> None:
        """Compare the count with a cap that is a share of all rows. Raises CheckFailed if that is exceeded."""
        if not self.count:
            return
        if isinstance(self._most, float) and self.count > self._most * rows:
            raise self._too_many(f"{self.count} of {rows} rows are bad, more than a share of {self._most:g}")
        _log.warning("%s: %d of %d rows are bad and set aside; see %s", self._version, self.count, rows, self.path)

    def _too_many(self, how_many: str) -> CheckFailed:
        return CheckFailed(
            f"{self._version}: {how_many}, which most_bad_rows allows; nothing was published. {self.path} lists them. "
            f"The first: {self._first}"
        )

    def _write(self, bad: BadRow) -> None:
        entry = {
            "dataset": self._version.dataset,
            "partition": self._version.partition,
            "version": self._version.id,
            "row": bad.row,
            "field": unseen.escaped(str(bad.field)),
            "reason": unseen.escaped(redaction.redacted(bad.reason)),
        }
        try:
            private_files.make_folder(self.path.parent)
            with private_files.opened(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as file:
                os.write(file, msgspec.json.encode(entry) + b"\n")
        except OSError as error:
            raise BadSetting(
                f"{self._version}: a bad row cannot be written to {self.path}: {error}; set rejects in "
                f"[{config.ROOT}] to a folder of this user's own"
            ) from None


def _folder() -> Path:
    """Return where the files are: `rejects` of luigi.cfg, else beside the audit log or in the folder of `local`."""
    settings, log = config.common(), log_path()
    if settings.rejects is not None:
        return settings.rejects
    if log is not None:
        return log.parent / "rejects"
    if settings.local is not None:
        return settings.local / "rejects"
    raise BadSetting(
        f"on_bad_row = 'set_aside' writes bad rows to a file; set rejects = FOLDER in [{config.ROOT}] of "
        f"{config.where()}, or path in [{config.ROOT}.audit], beside which it then is"
    )
