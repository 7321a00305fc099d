"""Feeds rows to a stage as numbered parts, several at once, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, Self

from luigi_sinks.contract import Contract, WrongRow
from luigi_sinks.errors import BadRow
from luigi_sinks.retry import retry_unavailable
from luigi_sinks.sink import Part, Stage

_PART_BYTES = 4_000_000
"""Aim for parts of about this much JSON: large enough for speed, small enough to hold a few."""

_FIRST_ROWS, _MOST_ROWS, _GROWTH = 100, 50_000, 20
"""The first part shows how large the rows are; the next ones grow towards the aim."""


class Writer:
    """Checks rows as they come and sends them off in parts.

    A part is tried again while the store is unavailable; the stage sees to it
    that it counts once. A kind of row that follows another waits until all parts
    of the other are written.
    """

    def __init__(self, stage: Stage, contract: Contract) -> None:
        self.rows = 0
        self.bytes = 0
        self.part_seconds: list[float] = []
        self._stage = stage
        self._contract = contract
        self._split = contract.split
        self._pool = ThreadPoolExecutor(stage.writers, thread_name_prefix="luigi_sinks")
        self._writing: set[Future[float]] = set()
        self._kind = ""
        self._pending: list[Any] = []
        self._part_rows = _FIRST_ROWS
        self._parts = 0
        self._failure: BaseException | None = None

    def write(self, row: Any) -> None:
        """Take one row, or a whole Arrow table or data frame.

        Raises BadRow once the row's part is checked, which may be some rows later.
        """
        try:
            kind, row = self._split(row)
            if kind != self._kind:
                self._change_kind(kind)
            if type(row) is dict:
                self._add(row.copy())  # whoever gave it may use it for the next row
            elif type(row) is tuple:
                self._add(row)
            else:
                for plain in self._plain_rows(row):
                    self._add(plain)
        except WrongRow as wrong:
            self._failure = self._bad_row(wrong.field, wrong.reason)
            raise self._failure from None
        except BaseException as error:
            self._failure = error
            raise

    def _add(self, row: Any) -> None:
        self._pending.append(row)
        if len(self._pending) >= self._part_rows:
            self._send()

    def __enter__(self) -> Self:
        """Start the writers."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Send what is left and wait for it; on an error, only wait."""
        try:
            if kind is None:
                if self._failure is not None:
                    raise self._failure  # caught on the way here, but its rows are lost
                self._send()
                self._settle(0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _plain_rows(self, row: Any) -> Iterable[Any]:
        if hasattr(row, "__arrow_c_stream__"):
            return _rows_of_frame(row, self._contract.shapes[self._kind].names)
        if isinstance(row, Mapping):
            return [dict(row)]
        if isinstance(row, Sequence) and not isinstance(row, (str, bytes)):
            return [tuple(row)]
        raise self._bad_row("", _why_not_a_row(row))

    def _bad_row(self, field: str, reason: str) -> BadRow:
        return self._contract.bad_row(self.rows + len(self._pending) + 1, field, reason)

    def _change_kind(self, kind: str) -> None:
        self._contract.follow(self._kind, kind)
        self._send()
        self._settle(0)
        self._kind = kind

    def _send(self) -> None:
        if not self._pending:
            return
        rows, self._pending = self._pending, []
        accepted, size = self._contract.accept(self._kind, rows, self.rows + 1)
        part = Part(self._parts, self._kind, self.rows + 1, accepted)
        self._parts += 1
        self.rows += len(rows)
        self.bytes += size
        self._part_rows = max(1, min(_MOST_ROWS, _GROWTH * len(rows), _PART_BYTES * len(rows) // max(size, 1)))
        self._settle(self._stage.writers)
        self._writing.add(self._pool.submit(copy_context().run, self._write, part))

    def _write(self, part: Part) -> float:
        start = time.monotonic()
        retry_unavailable(self._stage.write, part)
        return time.monotonic() - start

    def _settle(self, most: int) -> None:
        """Wait until at most so many parts are under way; raise what went wrong with one."""
        while len(self._writing) > most:
            done, self._writing = wait(self._writing, return_when=FIRST_COMPLETED)
            self.part_seconds.extend(future.result() for future in done)


def _rows_of_frame(frame: Any, names: Sequence[str]) -> Iterable[Any]:
    from luigi_sinks import frames  # noqa: PLC0415 - polars is an extra, and slow to import

    return frames.rows(frame, names)


def _why_not_a_row(row: Any) -> str:
    if hasattr(row, "task_id"):
        return "is a Task; yield dependencies from run(), before super().run()"
    return f"is neither a dict, a tuple nor a data frame, but {type(row).__name__}"
