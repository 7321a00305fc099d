"""Says what to use in the place of a target of `luigi.contrib`, to those who import it from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def refusing(old: str, new: str) -> Callable[[str], Any]:
    """Return a `__getattr__` for a module (PEP 562) that raises ImportError, with the way out, for an old target."""

    def find(name: str) -> Any:
        if name == old:
            raise ImportError(
                f"{old} has no counterpart of this name: use {new}(NAME, task=self), or update_id=... in place of the "
                "task, where NAME is the table or index; docs/migrating.md shows a task before and after"
            )
        raise AttributeError(name)

    return find
