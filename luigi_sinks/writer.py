"""Writes rows to a stage in numbered parts: several in parallel, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from typing import Any, Self

import msgspec

from luigi_sinks import given
from luigi_sinks.contract import Contract, WrongRow
from luigi_sinks.errors import BadRow
from luigi_sinks.rejects import Rejects
from luigi_sinks.sink import Part, Stage

_JSON = msgspec.json.Encoder(enc_hook=str)
"""Measures rows before they are checked, of whatever values."""

_PART_BYTES = 4_000_000
"""The target size of a part's text: large enough for speed, small enough to keep several in memory."""

_FIRST_BYTES = _PART_BYTES // 16
"""The target size of the first part; that of each later one doubles, so that a short load has several parts too."""

_PART_ROWS = 50_000
_RUN_ROWS, _RUN_BYTES = 500, 1_000_000
"""Rows are validated in runs of at most so many, and of about so many bytes."""

_STEP = 32
"""Of so many rows, one is measured as they come, which finds out early that they have become large."""


class Writer:
    """Validates rows and writes them in parts.

    A row is taken at once: nothing that is done to it after `write` changes what is loaded.
    A part is retried while the store is unavailable, as the stage of a load is patient;
    it counts only once. Parts are numbered from `first_part`. Bad rows are given to `rejects`,
    if there is such. When the kind of the rows changes, the writer waits until all parts of the
    previous kind are written.
    """

    def __init__(
        self, stage: Stage, contract: Contract, rejects: Rejects | None = None, *, first_part: int = 0
    ) -> None:
        self.rows = 0
        self._rejects = rejects
        self.bytes = 0
        self.part_seconds: list[float] = []
        self._stage = stage
        self._seconds = {"validate": 0.0, "encode": 0.0, "wait": 0.0}
        self._contract = replace(
            contract,
            encode=self._timed(contract.encode),
            encode_frame=contract.encode_frame and self._timed(contract.encode_frame),
        )
        self._split = contract.split
        self._is_of_one_kind = type(contract).split is Contract.split
        self._pool = ThreadPoolExecutor(stage.writers, thread_name_prefix="luigi_sinks")
        self._writing: set[Future[float]] = set()
        self._kind: str | None = None
        self._is_flat = False
        self._take: Callable[[Any], Any] = contract.split  # until the first row's kind is known
        self._run: list[Any] = []
        self._look_at, self._step, self._run_bytes = 1, 1, 0
        self._part: list[Any] = []
        self._frames: list[Any] = []
        self._texts: list[bytes] = []
        self._first_row, self._gaps = 1, list[int]()
        self._part_bytes, self._most_bytes = 0, _FIRST_BYTES
        self._parts = first_part
        self._failure: BaseException | None = None
        self.deleted: list[Any] = []

    def delete(self, key: Any) -> None:
        """Leave a row of the head out of the version, by its key."""
        self.deleted.append(dict(key) if isinstance(key, Mapping) else key if isinstance(key, tuple) else (key,))

    @property
    def steps(self) -> Mapping[str, float]:
        """The seconds that were taken to validate rows, to encode them, and to wait for the store."""
        return {**self._seconds, "validate": self._seconds["validate"] - self._seconds["encode"]}

    @property
    def next_part(self) -> int:
        """The number of the part after those that were written."""
        return self._parts

    def write(self, row: Any) -> None:
        """Write one row (a dict or a tuple), or a whole Arrow table or data frame.

        Raises BadRow when the run of a bad row is validated, which may be some rows later.
        """
        try:
            self._take_row(row)
        except BaseException as error:
            self._fail(error)
            raise

    def write_all(self, rows: Iterable[Any]) -> None:
        """Write each row, or frame, of an iterable; it costs less than a call of `write` for each."""
        rows = iter(rows)
        try:
            for row in rows:
                self._take_row(row)
                if self._is_of_one_kind:
                    self._take_all(rows)
                    break  # an iterator that has ended is not asked again
        except BaseException as error:
            self._fail(error)
            raise

    def _take_row(self, row: Any) -> None:
        kind, row = self._split(row)
        if kind != self._kind:
            self._change_kind(kind)
        kind_of_row = type(row)
        if kind_of_row is dict or kind_of_row is tuple:
            try:
                self._run.append(row if kind_of_row is tuple and self._is_flat else self._take(row))
            except WrongRow as wrong:
                self._set_aside_untaken(wrong)
        elif hasattr(row, "__arrow_c_stream__"):
            self._add_frame(row)
        else:
            self._take_all(iter(given.rows(row)))
        if len(self._run) >= self._look_at:
            self._look()

    def _take_all(self, rows: Iterator[Any]) -> None:
        """Take rows of the same kind, each before the next one is asked for; what gives them may write some too."""
        for row in rows:
            kind_of_row = type(row)
            if kind_of_row is tuple and self._is_flat:
                self._run.append(row)
            elif kind_of_row is dict or kind_of_row is tuple:
                try:
                    self._run.append(self._take(row))
                except WrongRow as wrong:
                    self._set_aside_untaken(wrong)
            else:
                self._take_row(row)
            if len(self._run) >= self._look_at:
                self._look()

    def _fail(self, error: BaseException) -> None:
        """Note what ends the load. Raises BadRow if that is a row."""
        if isinstance(error, WrongRow):
            self._failure = self._first_bad_row(error)
            raise self._failure from None
        self._failure = error

    def make_part(self, make: Callable[[Any, int], int]) -> None:
        """Have the store make the next part itself: `make(stage, number)` returns how many rows that has."""
        try:
            self._validate()
            self._send()
            self._wait_until_at_most(0)
            with self._spending("wait"):
                self.rows += make(self._stage, self._parts)
            self._parts, self._first_row = self._parts + 1, self.rows + 1
        except BaseException as error:
            self._failure = error
            raise

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Write the remaining rows, and wait for all parts; after an error, only wait."""
        try:
            if kind is None:
                if self._failure is not None:
                    raise self._failure  # the caller caught it, but rows are missing
                self._validate()
                self._send()
                self._wait_until_at_most(0)
                if self._rejects is not None:
                    self._rejects.settle(self.rows)
        finally:
            self._pool.shutdown(cancel_futures=True)

    @contextmanager
    def _spending(self, step: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self._seconds[step] += time.monotonic() - start

    def _timed(self, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def timed(rows: Any) -> bytes:
            with self._spending("encode"):
                return encode(rows)

        return timed

    def _set_aside_untaken(self, wrong: WrongRow) -> None:
        """Set the row aside that comes behind the run and cannot be taken. Raises WrongRow if that is not allowed."""
        if self._rejects is None:
            raise wrong
        self._validate()
        self._set_aside(self._contract.bad_row(self.rows + 1, wrong.field, wrong.reason))
        self.rows += 1

    def _set_aside(self, bad: BadRow) -> None:
        assert self._rejects is not None
        self._gaps.append(bad.row)
        self._rejects.add(bad)

    @property
    def rejected(self) -> int:
        """How many rows were set aside."""
        return self._rejects.count if self._rejects else 0

    def _add_frame(self, frame: Any) -> None:
        """Add a frame by its columns, as far as these are known to be right, else by its rows."""
        from luigi_sinks import columnar, frames  # noqa: PLC0415 - Polars is optional, and slow to import

        given.refuse_series(frame)
        kind = str(self._kind)
        for piece in frames.pieces(frame, lambda: self._most_bytes):
            with self._spending("validate"):
                text = columnar.encoded(self._contract, kind, piece)
            if text is None:
                self._take_all(frames.rows(piece, self._contract.shapes[kind].names))
            else:
                self._add_columns(columnar.Kept.of(piece), text)

    def _add_columns(self, kept: Any, text: bytes) -> None:
        self._validate()
        if self._part:
            self._send()
        self._frames.append(kept)
        self.rows += kept.height
        self._add_text(text)
        self._send_if_large(sum(each.height for each in self._frames))

    def _first_bad_row(self, wrong: WrongRow) -> BadRow:
        """Return the error for a row that cannot be taken, or for one before it that was not validated yet."""
        try:
            self._validate()
        except BadRow as earlier:
            return earlier
        return self._contract.bad_row(self.rows + wrong.index + 1, wrong.field, wrong.reason)

    def _change_kind(self, kind: str) -> None:
        self._contract.follow(self._kind or "", kind)
        self._validate()
        self._send()
        self._wait_until_at_most(0)
        self._kind = kind
        shape = self._contract.shapes[kind]
        self._is_flat, self._take = shape.is_flat, shape.take

    def _look(self) -> None:
        """Measure the last row for all since the last look; validate the run if it is long or large enough."""
        size = _size(self._run[-1])
        self._run_bytes += size * self._step
        if len(self._run) >= _RUN_ROWS or self._run_bytes >= _RUN_BYTES:
            self._validate()
        self._step = max(1, min(_STEP, _RUN_BYTES // size))
        self._look_at = len(self._run) + self._step

    def _validate(self) -> None:
        """Validate the run, and add it to the part; send the part if it is large enough."""
        if not self._run:
            return
        if self._frames:
            self._send()
        run, self._run, self._run_bytes, self._look_at = self._run, [], 0, 1
        first_row, self.rows = self.rows + 1, self.rows + len(run)
        for accepted, text in self._accepted(run, first_row):
            self._part.extend(accepted)
            self._add_text(text)
        self._send_if_large(len(self._part))

    def _add_text(self, text: bytes) -> None:
        self._texts.append(text)
        self._part_bytes += len(text)
        self.bytes += len(text)

    def _send_if_large(self, rows: int) -> None:
        if self._part_bytes >= self._most_bytes or rows >= _PART_ROWS:
            self._send()

    def _accepted(self, run: list[Any], first_row: int) -> Iterator[tuple[Sequence[Any], bytes]]:
        """Yield what the contract accepts of a run, and its text, and set bad rows aside if that is allowed."""
        todo = [(run, first_row)]
        while todo:
            rows, first = todo.pop()
            try:
                with self._spending("validate"):
                    checked = self._contract.check(str(self._kind), rows, first)
                yield checked
            except BadRow as bad:
                if self._rejects is None:
                    raise
                if len(rows) == 1:
                    self._set_aside(bad)
                    continue
                at = bad.row - first
                pieces = [(rows[:at], first), (rows[at : at + 1], bad.row), (rows[at + 1 :], bad.row + 1)]
                todo += [piece for piece in reversed(pieces) if piece[0]]

    def _send(self) -> None:
        if self._texts:
            self._submit(
                Part(
                    *(self._parts, str(self._kind), self._first_row, self._rows_of_part(), b"".join(self._texts)),
                    gaps=tuple(self._gaps),
                    of_frames=bool(self._frames),
                )
            )
        self._first_row, self._gaps = self.rows + 1, []

    def _rows_of_part(self) -> Sequence[Any]:
        if not self._frames:
            return self._part
        from luigi_sinks.columnar import Rows  # noqa: PLC0415 - as in _add_frame

        return Rows(self._contract, str(self._kind), self._frames)

    def _submit(self, part: Part) -> None:
        self._part, self._frames, self._texts, self._part_bytes = [], [], [], 0
        self._parts += 1
        self._most_bytes = min(2 * self._most_bytes, _PART_BYTES)
        self._wait_until_at_most(self._stage.writers)
        self._writing.add(self._pool.submit(copy_context().run, self._write, part))

    def _write(self, part: Part) -> float:
        start = time.monotonic()
        self._stage.write(part)
        return time.monotonic() - start

    def _wait_until_at_most(self, parts: int) -> None:
        """Wait until at most this many parts are being written; raise the error of a failed part."""
        while len(self._writing) > parts:
            with self._spending("wait"):
                done, self._writing = wait(self._writing, return_when=FIRST_COMPLETED)
            self.part_seconds.extend(future.result() for future in done)


def _size(row: Any) -> int:
    """Return the size of a row as JSON, in bytes; for one that has none, that of a run, so that it is checked soon."""
    try:
        return len(_JSON.encode(row))
    except (TypeError, ValueError, RecursionError):
        return _RUN_BYTES
