"""One HTML file that shows a network, and fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from posixpath import basename, dirname
from typing import Final
from urllib.parse import urlsplit

import msgspec

from luigi_sinks.lineage.layout import Layout, arrange
from luigi_sinks.lineage.network import DatasetNode, Flow, JobNode, Network, RunNode, Step, VersionNode

_ASSETS: Final = files("luigi_sinks.lineage") / "assets"
_DEEPEST = 8
"""So many folders may stand before a name to tell it from others."""

_PLACE = re.compile(r"\{\{([a-z-]+)\}\}")

_UNSAFE: Final = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}
"""What could end a script or begin a tag, as JSON may write it too."""


class _Version(msgspec.Struct, omit_defaults=True, rename="camel"):
    version: str
    written: int
    partition: str = ""
    published: tuple[int, ...] = ()
    removed: int = 0
    rows: int = 0
    checks: tuple[tuple[str, bool], ...] = ()


class _Run(msgspec.Struct, omit_defaults=True):
    key: str
    task: str
    started: int
    ended: int = 0
    outcome: str = ""
    error: str = ""


class _Node(msgspec.Struct, omit_defaults=True, rename="camel"):
    key: str
    kind: str
    title: str
    where: str
    namespace: str
    name: str
    layer: int
    place: int
    owner: str = ""
    updated: int = 0
    max_age: float = 0.0
    versions: tuple[_Version, ...] = ()
    versions_count: int = 0
    columns: tuple[tuple[str, str], ...] = ()
    runs: tuple[_Run, ...] = ()
    runs_count: int = 0
    p50: float = 0.0
    p95: float = 0.0


class _Edge(msgspec.Struct, omit_defaults=True):
    start: int
    end: int
    first: int = 0
    declared: bool = False
    trail: bool = False
    bends: tuple[int, ...] = ()


class _Page(msgspec.Struct, rename="camel"):
    as_of: int
    nodes: list[_Node]
    edges: list[_Edge]
    path: tuple[Step, ...]
    parameters: tuple[tuple[str, str], ...]


def write(network: Network, path: Path, title: str = "Lineage") -> None:
    """Write the page of a network to a file that only this user can read. Raises OSError."""
    with open(path, "w", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), 0o600)  # it may have been there
        file.write(render(network, title))


def render(network: Network, title: str = "Lineage") -> str:
    """Return the page of a network as HTML.

    All that it needs is in it, and its content security policy lets nothing else in: it
    fetches nothing, and runs no script but its own.

    Example:
        >>> page = render(Network(0, jobs=(JobNode("luigi/Load", "luigi", "Load"),)))
        >>> page.startswith("<!doctype html>"), " src=" in page
        (True, False)

    """
    script = _script()
    parts = {
        "title": html.escape(title),
        "style": _asset("page.css"),
        "script": script,
        "script-hash": f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        "data": _data(network),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html"))


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    """Return the script: its files in the order of their names, in a scope of its own."""
    names = sorted(each.name for each in (_ASSETS / "script").iterdir() if each.name.endswith(".js"))
    return "\n".join(['(() => {\n"use strict";', *(_asset(f"script/{name}") for name in names), "})();"])


def _data(network: Network) -> str:
    """Return the network as JSON that ends no script, whatever its names are."""
    keys = [*(each.key for each in network.datasets), *(each.key for each in network.jobs)]
    layout = arrange(keys, _flows(network))
    titles = told_apart([named(each.namespace, each.name) for each in network.datasets])
    datasets = (_dataset(each, title, layout) for each, title in zip(network.datasets, titles, strict=True))
    nodes = [*datasets, *(_job(each, layout) for each in network.jobs)]
    page = _Page(network.as_of, nodes, list(_edges(network, keys, layout)), network.path, network.parameters)
    return msgspec.json.encode(page).decode().translate(_UNSAFE)


def _flows(network: Network) -> dict[tuple[str, str], Flow]:
    """Return what flows between nodes of the network, by the keys of where from and where to."""
    known = {each.key for each in network.datasets} | {each.key for each in network.jobs}
    reads = {(flow.dataset, flow.job): flow for flow in network.reads}
    flows = reads | {(flow.job, flow.dataset): flow for flow in network.writes}
    return {ends: flow for ends, flow in flows.items() if known.issuperset(ends)}


def _edges(network: Network, keys: Iterable[str], layout: Layout) -> Iterable[_Edge]:
    numbers: Mapping[str, int] = {key: number for number, key in enumerate(keys)}
    trail = frozenset((start, end) for end, start in network.trail)
    for (start, end), flow in _flows(network).items():
        ends, bends = (start, end), tuple(layout.bends.get((start, end), ()))
        yield _Edge(numbers[start], numbers[end], flow.first, not flow.is_observed, ends in trail, bends)


def _dataset(node: DatasetNode, title: str, layout: Layout) -> _Node:
    _, where = named(node.namespace, node.name)
    return _Node(
        node.key,
        "dataset",
        title,
        where,
        node.namespace,
        node.name,
        layout.layers[node.key],
        layout.places[node.key],
        owner=node.owner,
        updated=node.updated,
        max_age=node.max_age,
        versions=tuple(map(_version, node.versions)),
        versions_count=node.versions_count,
        columns=tuple((column.name, column.type) for column in node.columns),
    )


def _version(node: VersionNode) -> _Version:
    return _Version(
        node.version,
        node.written,
        node.partition,
        node.published,
        node.removed,
        node.rows,
        tuple((check.name, check.passed) for check in node.checks),
    )


def _job(node: JobNode, layout: Layout) -> _Node:
    return _Node(
        node.key,
        "job",
        node.name,
        node.namespace,
        node.namespace,
        node.name,
        layout.layers[node.key],
        layout.places[node.key],
        owner=node.owner,
        runs=tuple(map(_run, node.runs)),
        runs_count=node.runs_count,
        p50=node.p50,
        p95=node.p95,
    )


def _run(node: RunNode) -> _Run:
    return _Run(node.key, node.task, node.started, node.ended, node.outcome, node.error)


def named(namespace: str, name: str) -> tuple[str, str]:
    """Return what a dataset is called on its card, and where it is.

    Example:
        >>> named("mysql://db.internal:3306", "flights.departures")
        ('flights.departures', 'mysql · db.internal:3306')
        >>> named("file", "/data/2013/01.csv")
        ('01.csv', '/data/2013')

    """
    if "://" in namespace:
        parts = urlsplit(namespace)
        short, folder = basename(name.rstrip("/")), dirname(name.rstrip("/")).strip("/")
        server = f"{parts.scheme} · {parts.netloc}"
        return (short, f"{server}/{folder}") if folder else (name, server)
    if namespace == "file" and "/" in name:
        return basename(name.rstrip("/")) or name, dirname(name.rstrip("/"))
    return name, namespace


def told_apart(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return what datasets are called: of those with one name, with the end of where each is before it.

    Example:
        >>> told_apart([("01.csv", "/data/2013"), ("01.csv", "/data/2014"), ("02.csv", "/data/2014")])
        ['2013/01.csv', '2014/01.csv', '02.csv']

    """
    titles = [title for title, _ in names]
    for depth in range(1, _DEEPEST + 1):
        count = Counter(titles)
        for number, (title, where) in enumerate(names):
            if count[titles[number]] > 1:
                titles[number] = "/".join([*where.split("/")[-depth:], title])
    return titles
