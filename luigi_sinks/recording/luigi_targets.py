"""Names Luigi's targets: local files, objects in S3 and its like, and whatever else a target may be."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import luigi
from luigi.target import FileSystemTarget

from luigi_sinks.recording import targets
from luigi_sinks.recording.events import Dataset
from luigi_sinks.recording.targets import Named, named

_WHERE = ("host", "port", "server", "database", "db", "schema", "project", "bucket", "dataset", "table", "index")
_NAMES = ("collection", "topic", "path", "name")
"""Attributes that say where a target is; others may be parameters that nobody is to see."""

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@named.register
def _(target: luigi.LocalTarget) -> Named:
    return _aged(target, targets.of_file(target.path))


@named.register
def _(target: FileSystemTarget) -> Named:
    path = str(target.path)
    if "://" in path:
        return _aged(target, Named(targets.of_url(path)))
    return _aged(target, Named(Dataset("luigi", f"{type(target).__name__}({path})")))


@named.register
def _(target: luigi.Target) -> Named | None:
    said = _described(target)
    return _aged(target, Named(Dataset("luigi", said))) if said else None


def _aged(target: Any, found: Named) -> Named:
    max_age = targets.seconds(getattr(target, "max_age", None))
    return replace(found, max_age=max_age) if max_age else found


def _described(target: Any) -> str:
    """Return a text that is the same for the same data in each run; empty if nothing says which data these are."""
    if "__repr__" in (name for kind in type(target).__mro__[:-1] for name in vars(kind)):
        return _ADDRESS.sub("", repr(target))
    said = {name: getattr(target, name, None) for name in (*_WHERE, *_NAMES)}
    known = [f"{name}={value}" for name, value in said.items() if isinstance(value, str | int) and value != ""]
    return f"{type(target).__name__}({', '.join(known)})" if known else ""
