"""Writes rows to a stage in numbered parts: several in parallel, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, Self

from luigi_sinks.contract import Contract, WrongRow
from luigi_sinks.errors import BadRow
from luigi_sinks.sink import Part, Stage

_PART_BYTES = 4_000_000
"""The target size of a part as JSON: large enough for speed, small enough to keep several in memory."""

_FIRST_ROWS, _MOST_ROWS, _GROWTH = 100, 50_000, 20
"""The first part measures the size of the rows; later parts grow to the target size."""


class Writer:
    """Validates rows and writes them in parts.

    A part is retried while the store is unavailable, as the stage of a load is patient;
    it counts only once. When the kind of the rows changes, the writer waits until all parts
    of the previous kind are written.
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
        """Write one row (a dict or a tuple), or a whole Arrow table or data frame.

        Raises BadRow when the part of a bad row is validated, which may be some rows later.
        """
        try:
            kind, row = self._split(row)
            if kind != self._kind:
                self._change_kind(kind)
            if type(row) is dict:
                self._add(row.copy())  # the caller may reuse it for the next row
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
        """Return the writer."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Write the remaining rows, and wait for all parts; after an error, only wait."""
        try:
            if kind is None:
                if self._failure is not None:
                    raise self._failure  # the caller caught it, but rows are missing
                self._send()
                self._wait_until_at_most(0)
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
        self._wait_until_at_most(0)
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
        self._wait_until_at_most(self._stage.writers)
        self._writing.add(self._pool.submit(copy_context().run, self._write, part))

    def _write(self, part: Part) -> float:
        start = time.monotonic()
        self._stage.write(part)
        return time.monotonic() - start

    def _wait_until_at_most(self, parts: int) -> None:
        """Wait until at most this many parts are being written; raise the error of a failed part."""
        while len(self._writing) > parts:
            done, self._writing = wait(self._writing, return_when=FIRST_COMPLETED)
            self.part_seconds.extend(future.result() for future in done)


def _rows_of_frame(frame: Any, names: Sequence[str]) -> Iterable[Any]:
    from luigi_sinks import frames  # noqa: PLC0415 - polars is optional, and slow to import

    return frames.rows(frame, names)


def _why_not_a_row(row: Any) -> str:
    if hasattr(row, "task_id"):
        return "is a Task; yield dependencies in run(), before super().run()"
    return f"is a {type(row).__name__}; pass a dict, a tuple, an Arrow table or a data frame"
