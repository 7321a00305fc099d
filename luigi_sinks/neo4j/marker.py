"""The Luigi target for a mark in Neo4j."""

from __future__ import annotations

from luigi_sinks import marker


class Marker(marker.Marker):
    """Exists once it was touched: for a task that writes to Neo4j by itself.

    - `name`: what the task writes, such as a graph; options: see `luigi_sinks.marker.MarkerOptions`.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> marker = Marker("airports", update_id="airports of 2013-01-31")
        >>> marker.touch()
        >>> marker.exists()
        True

    """

    store = "neo4j"
