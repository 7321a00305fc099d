"""Loads versioned graphs into Neo4j. Importing a sink, a catalog or the store imports no Luigi."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from luigi_sinks import lazy
from luigi_sinks.errors import NotInstalled

if find_spec("neo4j") is None:
    raise NotInstalled("neo4j", "the Neo4j driver is not installed")

if TYPE_CHECKING:
    from luigi_sinks.neo4j.catalog import Neo4jCatalog
    from luigi_sinks.neo4j.in_place import MergeIntoGraph, RunCypher
    from luigi_sinks.neo4j.marker import Marker
    from luigi_sinks.neo4j.query import read_query
    from luigi_sinks.neo4j.schema import Graph, Node, Relationship
    from luigi_sinks.neo4j.settings import Neo4jSettings
    from luigi_sinks.neo4j.sink import Neo4jSink
    from luigi_sinks.neo4j.target import Neo4jTarget
    from luigi_sinks.neo4j.task import CopyToGraph

__all__ = [
    "CopyToGraph",
    "Graph",
    "Marker",
    "MergeIntoGraph",
    "Neo4jCatalog",
    "Neo4jSettings",
    "Neo4jSink",
    "Neo4jTarget",
    "Node",
    "Relationship",
    "RunCypher",
    "read_query",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "CopyToGraph": "task",
        "Graph": "schema",
        "Marker": "marker",
        "MergeIntoGraph": "in_place",
        "Neo4jCatalog": "catalog",
        "Neo4jSettings": "settings",
        "Neo4jSink": "sink",
        "Neo4jTarget": "target",
        "Node": "schema",
        "Relationship": "schema",
        "RunCypher": "in_place",
        "read_query": "query",
    },
)
