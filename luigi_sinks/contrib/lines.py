"""Rows and documents of an input file, a line each, as the tasks of `luigi.contrib` read them by default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def lines(task: Any) -> Iterator[str]:
    """Yield the lines of the task's input, without their ends."""
    with task.input().open("r") as file:
        for line in file:
            yield line.rstrip("\r\n") if line.endswith("\r\n") else line.strip("\n")
