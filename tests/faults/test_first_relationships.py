"""The first relationships of a label are found by seeks, whatever the planner knew of the label when it planned."""

import os
import secrets

import pytest

from luigi_sinks import Origin, config, load
from luigi_sinks.neo4j import Graph, Neo4jSettings, Neo4jSink, Node, Relationship
from luigi_sinks.version import WHOLE

COUNT = 10_000


@pytest.mark.parametrize("turn", range(8 if os.environ.get("LUIGI_SINKS_KILLS") == "every" else 1))
def test_the_first_relationships_of_a_label_do_not_read_all_its_nodes_for_each_row(servers_config, turn):
    """The planner chose to scan the index about every other time: 10,000 rows took longer than request_timeout."""
    label = f"Linked{secrets.token_hex(4)}"
    graph = Graph([Node(label, key="id", properties={"id": int})], [Relationship("NEXT", label, label)])
    sink = Neo4jSink(config.read_connection(Neo4jSettings, "neo4j"), label, graph)
    rows = [(label, (i,)) for i in range(COUNT)] + [("NEXT", (i, i * 7 % COUNT)) for i in range(COUNT)]
    load(sink, WHOLE, Origin("first"), rows)
    assert sink.head(WHOLE).record.rows == 2 * COUNT
