"""The rows of an answer: the only one, or all as dataclasses by what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from luigi_sinks.errors import BadSetting

T = TypeVar("T")


def only(rows: list[dict[str, Any]], otherwise: str) -> dict[str, Any]:
    """Return the first row. Raises BadSetting, with this message, if there is none."""
    if not rows:
        raise BadSetting(otherwise)
    return rows[0]


def grouped(kind: Callable[..., T], rows: Iterable[dict[str, Any]], by: str) -> dict[str, tuple[T, ...]]:
    """Return a dataclass for each row, made of all its fields but `by`, whose values are the keys.

    Example:
        >>> grouped(dict, [{"job": "Load", "run": 1}, {"job": "Load", "run": 2}], by="job")
        {'Load': ({'run': 1}, {'run': 2})}

    """
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row.pop(by), []).append(kind(**row))
    return {key: tuple(values) for key, values in found.items()}


def params(text: str | None) -> dict[str, str]:
    """Return the parameters of a run, which the graph keeps as JSON."""
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}
