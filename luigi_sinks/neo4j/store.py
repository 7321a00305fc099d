"""The descriptor by which the core and the command line find Neo4j."""

from __future__ import annotations

from luigi_sinks.neo4j.adoption import ExistingNodes
from luigi_sinks.neo4j.catalog import Neo4jCatalog, datasets
from luigi_sinks.neo4j.connection import preflight
from luigi_sinks.neo4j.declaration import declare
from luigi_sinks.neo4j.marks import Neo4jMarks
from luigi_sinks.neo4j.settings import Neo4jSettings
from luigi_sinks.stores import Store

STORE = Store(
    name="neo4j",
    title="Neo4j",
    settings=Neo4jSettings,
    open_catalog=Neo4jCatalog,
    list_datasets=datasets,
    preflight=preflight,
    target="luigi_sinks.neo4j.target:Neo4jTarget",
    grants="luigi_sinks.neo4j.grants",
    open_marks=Neo4jMarks,
    declare=declare,
    existing=ExistingNodes,
)
