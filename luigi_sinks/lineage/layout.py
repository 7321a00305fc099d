"""Where the nodes of a network are drawn: the layer of each, and its place among the others of the layer.

The way of Sugiyama, with the simplest choice at each step: edges that close a cycle are
left out of account, a node's layer is the longest way to it, an edge that spans several
layers has a bend in each of those between, and each layer is sorted by where its
neighbours are, to and fro. 5,000 nodes with 17,000 bends take 0.15 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_SWEEPS = 4
"""How often the layers are sorted, forth and back; more changes little."""

Edge = tuple[str, str]
Neighbours = list[list[int]]


@dataclass(frozen=True)
class Layout:
    """The layer of each node, its place there, and the places of each long edge in the layers that it passes.

    Places are whole numbers from 0, unique within a layer; nodes and bends of edges share them.

    Example:
        >>> arrange(["a", "b", "c"], [("a", "b"), ("b", "c")]).layers
        {'a': 0, 'b': 1, 'c': 2}

    """

    layers: Mapping[str, int]
    places: Mapping[str, int]
    bends: Mapping[Edge, tuple[int, ...]]


def arrange(nodes: Sequence[str], edges: Iterable[Edge]) -> Layout:
    """Return the layout of nodes and of the edges between them, each from what is upstream to what is downstream."""
    numbers = {node: number for number, node in enumerate(nodes)}
    named = {(numbers[start], numbers[end]): (start, end) for start, end in edges if start != end}
    ends = _ends(len(nodes), named)
    order = _without_cycles(ends)
    layers = _layers(order, ends)
    chains = _chains(layers, ends)
    places = _places(layers, ends)
    return Layout(
        {node: layers[number] for node, number in numbers.items()},
        {node: places[number] for node, number in numbers.items()},
        {named[edge]: tuple(places[bend] for bend in chain) for edge, chain in chains.items()},
    )


def _ends(count: int, edges: Iterable[tuple[int, int]]) -> Neighbours:
    ends: Neighbours = [[] for _ in range(count)]
    for start, end in edges:
        ends[start].append(end)
    return ends


def _reversed(ends: Neighbours) -> Neighbours:
    return _ends(len(ends), ((end, start) for start, found in enumerate(ends) for end in found))


def _without_cycles(ends: Neighbours) -> list[int]:
    """Return the nodes so that all edges lead on; those that lead back, found on the way, are removed from `ends`."""
    order: list[int] = []
    is_done, is_open = [False] * len(ends), [False] * len(ends)
    for root in range(len(ends)):
        if not is_done[root]:
            _visit(root, ends, is_done, is_open, order)
    return order[::-1]


def _visit(root: int, ends: Neighbours, is_done: list[bool], is_open: list[bool], order: list[int]) -> None:
    """Visit what is downstream, depth first; the last node of `order` is the first that all its ends precede."""
    stack = [(root, iter(ends[root][:]))]
    is_open[root] = True
    while stack:
        node, left = stack[-1]
        for end in left:
            if is_open[end]:
                ends[node].remove(end)
            elif not is_done[end]:
                is_open[end] = True
                stack.append((end, iter(ends[end][:])))
                break
        else:
            stack.pop()
            is_open[node], is_done[node] = False, True
            order.append(node)


def _layers(order: Sequence[int], ends: Neighbours) -> list[int]:
    """Return the longest way to each node; one with more edges to the right than to the left is moved to the right."""
    layers, starts = [0] * len(order), _reversed(ends)
    for node in order:
        for end in ends[node]:
            layers[end] = max(layers[end], layers[node] + 1)
    for node in reversed(order):
        if len(ends[node]) > len(starts[node]):
            layers[node] = min(layers[end] for end in ends[node]) - 1
    return layers


def _chains(layers: list[int], ends: Neighbours) -> dict[tuple[int, int], list[int]]:
    """Replace each edge that spans layers by a chain of bends, one a layer; return the bends by edge."""
    chains: dict[tuple[int, int], list[int]] = {}
    for start in range(len(ends)):
        for number, end in enumerate(ends[start]):
            between = range(layers[start] + 1, layers[end])
            if not between:
                continue
            chain = chains[start, end] = list(range(len(ends), len(ends) + len(between)))
            layers += between
            ends += [[following] for following in (*chain[1:], end)]
            ends[start][number] = chain[0]
    return chains


def _places(layers: Sequence[int], ends: Neighbours) -> list[int]:
    """Return the place of each node and bend within its layer."""
    starts, part = _reversed(ends), _parts(ends)
    rows: list[list[int]] = [[] for _ in range(max(layers, default=-1) + 1)]
    for node in sorted(range(len(layers)), key=part.__getitem__):
        rows[layers[node]].append(node)
    places = [0] * len(layers)
    for row in rows:
        _number(row, places)
    for _ in range(_SWEEPS):
        for row in rows[1:]:
            _sort(row, starts, part, places)
        for row in reversed(rows[:-1]):
            _sort(row, ends, part, places)
    return places


def _sort(row: list[int], neighbours: Neighbours, part: Sequence[int], places: list[int]) -> None:
    """Sort a layer by the mean place of the neighbours on one side; parts of the network are kept apart."""
    middle: dict[int, float] = {}
    for node in row:
        near = neighbours[node]
        if len(near) == 1:
            middle[node] = part[node] + places[near[0]]
        else:
            middle[node] = part[node] + (sum([places[each] for each in near]) / len(near) if near else places[node])
    row.sort(key=middle.__getitem__)
    _number(row, places)


def _number(row: Iterable[int], places: list[int]) -> None:
    for place, node in enumerate(row):
        places[node] = place


def _parts(ends: Neighbours) -> list[int]:
    """Return a number of the part that each node is connected with, more than any place apart; the largest has 0."""
    near = [[*out, *back] for out, back in zip(ends, _reversed(ends), strict=True)]
    is_seen = [False] * len(near)
    parts = sorted((list(_connected(root, near, is_seen)) for root in range(len(near)) if not is_seen[root]), key=len)
    found = [0] * len(near)
    for number, members in enumerate(reversed(parts)):
        for node in members:
            found[node] = number * len(ends)
    return found


def _connected(root: int, near: Neighbours, is_seen: list[bool]) -> Iterator[int]:
    is_seen[root] = True
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        for each in near[node]:
            if not is_seen[each]:
                is_seen[each] = True
                todo.append(each)
