"""Names plain data, of which luigi_sinks keeps no versions; that of a file is its age and size."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import timedelta
from functools import singledispatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from luigi_sinks.recording.events import Dataset

_BUCKETS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs", "gcs": "gs"}
"""Schemes whose names are keys in a bucket, and how OpenLineage writes the scheme."""

_CONTAINERS = {"abfs", "abfss", "wasb", "wasbs"}
"""Schemes in which what stands before the @ is no user."""


@dataclass(frozen=True)
class Named:
    """Data as a run declares them.

    `path` is that of a local file. `max_age` is how old the data may become, in seconds.
    `is_versioned` tells that the data have versions of luigi_sinks, which are observed when they are
    read or written.
    """

    dataset: Dataset
    path: str = ""
    max_age: float = 0.0
    is_versioned: bool = False

    @property
    def version(self) -> str:
        """When a file or folder was last changed, and the size of a file; empty for other data, and if it is missing.

        Example:
            >>> named("/no/such/file").version
            ''

        """
        try:
            found = os.stat(self.path) if self.path else None  # noqa: PTH116 - a Path takes twice as long
        except (OSError, ValueError):
            return ""
        if found is None:
            return ""
        return f"m{found.st_mtime_ns // 1000}s{0 if stat.S_ISDIR(found.st_mode) else found.st_size}"


@singledispatch
def named(data: Any) -> Named | None:
    """Return the name of data: of a path, a URL, a `Dataset`, or a target of Luigi; None for what has none.

    Register a function for targets of a kind of your own: `@named.register`.

    Example:
        >>> named("s3a://bucket/flights/2013.csv").dataset
        Dataset(namespace='s3://bucket', name='flights/2013.csv')

    """
    del data
    return None


@named.register
def _(data: Dataset) -> Named:
    return Named(data)


@named.register
def _(data: str) -> Named:
    return Named(of_url(data)) if "://" in data else of_file(data)


@named.register
def _(data: Path) -> Named:
    return of_file(str(data))


def of_url(url: str) -> Dataset:
    """Return the name of what a URL says, without the user and the query, which may hold secrets."""
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return Dataset("file", f"/{rest.lstrip('/')}")
    host, slash, name = rest.partition("/")
    if scheme in _BUCKETS:
        return Dataset(f"{_BUCKETS[scheme]}://{host.rpartition('@')[2]}", name)
    if scheme not in _CONTAINERS or ":" in host.partition("@")[0]:
        host = host.rpartition("@")[2]
    return Dataset(f"{scheme}://{host}", urlsplit(slash + name).path)


def of_file(path: str) -> Named:
    """Return the name of a local file or folder."""
    whole = os.path.abspath(path)  # noqa: PTH100 - this also resolves "..", as Path does not
    return Named(Dataset("file", whole), whole)


def seconds(max_age: Any) -> float:
    """Return a `max_age`, a timedelta or a number of seconds, in seconds; 0 for anything else.

    Example:
        >>> seconds(timedelta(hours=1)), seconds(60), seconds(None)
        (3600.0, 60.0, 0.0)

    """
    if isinstance(max_age, timedelta):
        return max_age.total_seconds()
    return float(max_age) if isinstance(max_age, int | float) else 0.0
