"""Warns of attributes of `luigi.contrib`'s tasks that have no effect here, and change nothing that is loaded."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Mapping
from typing import Any

_log = logging.getLogger("luigi_sinks")

_PARTS = "rows are sent in parts of a few megabytes each"
_WHY: Mapping[str, str] = {
    "chunk_size": _PARTS,
    "bulk_size": _PARTS,
    "doc_type": "Elasticsearch has had no types of documents since 8.0",
    "echo": "statements are in the server's own log, with the task's id",
    "timeout": "request_timeout in the section of luigi.cfg bounds each request",
}

_told: set[tuple[type[Any], str]] = set()


def warn(kind: type[Any], names: Iterable[str]) -> None:
    """Log one warning for each of the attributes that a class of tasks sets, once in a process."""
    for name in names:
        value = inspect.getattr_static(kind, name, None)
        if value and (kind, name) not in _told:
            _told.add((kind, name))
            _log.warning("%s: %s has no effect: %s; remove it", kind.__name__, name, _WHY[name])
