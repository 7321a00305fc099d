"""The Luigi target for a mark in Elasticsearch or OpenSearch."""

from __future__ import annotations

from luigi_sinks import marker


class Marker(marker.Marker):
    """Exists once it was touched: for a task that writes to Elasticsearch by itself.

    - `name`: what the task writes, such as an index; options: see `luigi_sinks.marker.MarkerOptions`.

    Example, kept in SQLite by `local` in `[luigi_sinks]`:
        >>> marker = Marker("delays", update_id="delays of 2013-01-31")
        >>> marker.touch()
        >>> marker.exists()
        True

    """

    store = "elasticsearch"
