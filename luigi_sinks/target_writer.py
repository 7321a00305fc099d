"""The writer of a target: it publishes once its block ends without an exception."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, Self

from luigi_sinks.errors import BadSetting, Conflict
from luigi_sinks.writer import Writer

_log = logging.getLogger("luigi_sinks")


class Target(Protocol):
    """What a writer asks of its target."""

    changes_by_key: bool

    @property
    def may_load_again(self) -> bool:
        """Whether to load even if this output exists."""

    def exists(self) -> bool:
        """Return whether this output was published."""


class TargetWriter:
    """Writes the rows of a new version.

    It publishes if the `with` block ends without an exception, or on `close()` outside of
    exception handling. Otherwise it abandons the version: after an exception, in a generator
    that is closed, or if the writer is never closed.

    If another process publishes the output after Luigi found it missing, `is_complete`
    is True, and rows are not loaded once more: those that are written are discarded.
    """

    def __init__(self, target: Target, load: AbstractContextManager[Writer]) -> None:
        self._target = target
        self._exception_before = sys.exception()
        self._load: AbstractContextManager[Writer] | None = None
        self.is_complete = False
        with self._unless_complete():
            self._writer = load.__enter__()
            self._load = load

    def write(self, row: Any) -> None:
        """Write a row (a dict or a tuple), or a whole Arrow table or data frame. Raises BadRow."""
        if not self.is_complete:
            self._opened().write(row)

    def write_all(self, rows: Iterable[Any]) -> None:
        """Write each row, or frame, of an iterable; it costs less than a call of `write` for each. Raises BadRow."""
        if not self.is_complete:
            self._opened().write_all(rows)

    def delete(self, key: Any) -> None:
        """With `changes_by_key`, leave a row of the head out, by its key: a dict, a tuple, or its only field's value.

        A row that is written with this key takes its place. A key that the head does not have changes nothing.
        """
        if not self._target.changes_by_key:
            raise BadSetting(f"{self._target}: rows are deleted only from a head that is changed; set changes_by_key")
        if not self.is_complete:
            self._opened().delete(key)

    def make_part(self, make: Callable[[Any, int], int]) -> None:
        """Have the store make the next part itself, as `Writer.make_part` does."""
        if not self.is_complete:
            self._opened().make_part(make)

    def close(self) -> None:
        """Publish; abandon instead if an exception is being handled."""
        error = sys.exception()
        self._end(None if error is self._exception_before else error)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Publish if the block ended without an exception, else abandon."""
        self._end(error)

    def __del__(self) -> None:
        """Warn if the writer was never closed; its version is abandoned."""
        if getattr(self, "_load", None) is not None:
            _log.warning(
                "%s: the writer was never closed, so nothing is published; use it in a with block", self._target
            )

    def _opened(self) -> Writer:
        if self._load is None:
            raise ValueError(f"{self._target}: the writer is closed; open the target again")
        return self._writer

    def _end(self, error: BaseException | None) -> None:
        load, self._load = self._load, None
        if load is not None:
            with self._unless_complete():
                load.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

    @contextmanager
    def _unless_complete(self) -> Iterator[None]:
        """End a load without an error where another process published the same output before it."""
        try:
            yield
        except Conflict as conflict:
            if not is_complete_by_another(self._target, conflict):
                raise
            self.is_complete = True


def is_complete_by_another(target: Target, conflict: Conflict) -> bool:
    """Return whether a load ended in a conflict since another process published what Luigi found missing; log that."""
    if target.may_load_again or not target.exists():
        return False
    _log.warning("%s: another process published it meanwhile, so it is not loaded again: %s", target, conflict)
    return True
