"""Bounds how long a block may wait, and how much it may receive, in all: however slowly or endlessly a server sends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

UNLIMITED: Final = float("inf")


@dataclass
class Limit:
    """What is left for a block: until when (monotonic clock), which setting says so, and how many bytes."""

    until: float
    setting: str
    size: float
    received: int = 0

    @property
    def exceeded(self) -> str:
        """Which limit ran out, as the end of a sentence about the server; empty while none did."""
        if self.received > self.size:
            return f"sent more than {self.size:,.0f} bytes"
        return f"took longer than {self.setting}" if time.monotonic() >= self.until else ""

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError if there are none, OSError if too many bytes came."""
        if said := self.exceeded:
            raise (OSError if self.received > self.size else TimeoutError)(f"the server {said}")
        return self.until - time.monotonic()


_limit: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextmanager
def within(setting: str, seconds: float, size: float = UNLIMITED) -> Iterator[Limit]:
    """Bound the requests in the block. Of two limits of time, the one that ends first counts.

    - `setting`, `seconds`: the name of the setting that the user can change, and its value.
    - `size`: the number of bytes that may be received. Default: unlimited.
    """
    until, outer = time.monotonic() + seconds, _limit.get()
    name = f"{setting} = {seconds:g} s"
    if outer is not None and outer.until < until:
        until, name = outer.until, outer.setting
    token = _limit.set(limit := Limit(until, name, size))
    try:
        yield limit
    finally:
        _limit.reset(token)


def current() -> Limit | None:
    """Return the limit of the block that runs here."""
    return _limit.get()
