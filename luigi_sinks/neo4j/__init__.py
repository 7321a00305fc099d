"""Loads versioned graphs into Neo4j."""

from luigi_sinks.neo4j.connection import Settings
from luigi_sinks.neo4j.schema import Graph, Node, Relationship
from luigi_sinks.neo4j.sink import Neo4jSink
from luigi_sinks.neo4j.target import Neo4jTarget
from luigi_sinks.neo4j.task import CopyToGraph

__all__ = ["CopyToGraph", "Graph", "Neo4jSink", "Neo4jTarget", "Node", "Relationship", "Settings"]
