"""Loads versioned graphs into Neo4j."""

from importlib.util import find_spec

from luigi_sinks.errors import NotInstalled

if find_spec("neo4j") is None:
    raise NotInstalled("neo4j", "there is no driver of Neo4j here")

from luigi_sinks.neo4j.schema import Graph, Node, Relationship
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.neo4j.sink import Neo4jSink
from luigi_sinks.neo4j.target import Neo4jTarget
from luigi_sinks.neo4j.task import CopyToGraph

__all__ = ["CopyToGraph", "Graph", "Neo4jSettings", "Neo4jSink", "Neo4jTarget", "Node", "Relationship"]
