"""Moves what was recorded of runs to Neo4j and OpenLineage, and answers questions about it."""
