"""Nodes are drawn in layers, from upstream to downstream."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from luigi_sinks.lineage.layout import arrange

nodes = [f"n{number}" for number in range(12)]
edges = st.sets(st.tuples(st.sampled_from(nodes), st.sampled_from(nodes)), max_size=30).map(sorted)


def crossings(layout, edges):
    """Count how often edges between neighbouring layers cross."""
    lines = [
        (layout.layers[start], layout.places[start], layout.places[end])
        for start, end in edges
        if layout.layers[end] == layout.layers[start] + 1
    ]
    return sum(
        first[0] == second[0] and (first[1] - second[1]) * (first[2] - second[2]) < 0
        for number, first in enumerate(lines)
        for second in lines[:number]
    )


@given(edges)
def test_each_place_of_a_layer_is_taken_once_by_a_node_or_a_bend(edges):
    layout = arrange(nodes, edges)
    taken = [(layout.layers[node], layout.places[node]) for node in nodes]
    for (start, _), bends in layout.bends.items():
        taken += [(layout.layers[start] + number, place) for number, place in enumerate(bends, 1)]
    counts = Counter(layer for layer, _ in taken)
    assert sorted(taken) == [(layer, place) for layer in sorted(counts) for place in range(counts[layer])]


@given(edges)
def test_an_edge_has_a_bend_in_each_layer_that_it_passes(edges):
    layout = arrange(nodes, edges)
    for start, end in edges:
        passed = layout.layers[end] - layout.layers[start] - 1
        assert len(layout.bends.get((start, end), ())) == max(passed, 0)


@given(st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda edge: edge[0] < edge[1]), max_size=30))
def test_without_cycles_every_edge_leads_to_a_later_layer(edges):
    named = [(nodes[start], nodes[end]) for start, end in edges]
    layout = arrange(nodes[::-1], named)
    assert all(layout.layers[start] < layout.layers[end] for start, end in named)


def test_of_a_cycle_one_edge_leads_back():
    edges = [("n0", "n1"), ("n1", "n2"), ("n2", "n0")]
    layers = arrange(nodes[:3], edges).layers
    assert sorted(layers.values()) == [0, 1, 2]


def test_an_edge_from_a_node_to_itself_changes_nothing():
    assert arrange(nodes[:2], [("n0", "n1"), ("n1", "n1")]) == arrange(nodes[:2], [("n0", "n1")])


def test_a_source_is_drawn_next_to_the_first_that_reads_it():
    chain = list(pairwise(nodes[:5]))
    assert arrange(nodes[:6], [*chain, ("n5", "n4")]).layers["n5"] == 3


def test_edges_do_not_cross_where_they_need_not():
    pairs = [(f"n{number}", f"n{11 - number}") for number in range(6)]
    assert crossings(arrange(nodes, pairs), pairs) == 0


def test_parts_that_are_not_connected_are_drawn_one_below_the_other_the_largest_on_top():
    large, small = [("n0", "n1"), ("n0", "n3"), ("n0", "n5")], [("n2", "n4")]
    places = arrange(nodes[:6], [*small, *large]).places
    assert max(places["n1"], places["n3"], places["n5"]) < places["n4"]


def test_nothing_has_no_layers():
    assert arrange([], []).layers == {}
