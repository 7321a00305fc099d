"""Lets SIGTERM end a load: Airflow's own handler calls `on_kill`, and returns to the load, which then publishes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping() -> Iterator[None]:
    """Raise SystemExit within the block when the process is told to end, after what Airflow does then.

    Airflow takes it for a failure, and tries the task again if it has retries left. Signals
    arrive in the main thread: in another one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, is_stopping = signal.getsignal(signal.SIGTERM), False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopping
        was_stopping, is_stopping = is_stopping, True
        if callable(before):
            before(number, frame)
        if not was_stopping:  # a second signal must not end what abandons the load
            raise SystemExit("the task was told to end (SIGTERM); what it did not publish yet is abandoned")

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
