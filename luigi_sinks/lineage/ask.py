"""Reaches the Neo4j that holds lineage. Importing this imports no driver."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

from luigi_sinks import config
from luigi_sinks.errors import BadSetting
from luigi_sinks.recording.settings import LineageSettings

Ask = Callable[..., list[dict[str, Any]]]
"""Runs a query with parameters by name, and returns its rows."""


def connection_settings(settings: LineageSettings | None, seconds: float | None = None) -> Any:
    """Return the `Neo4jSettings` of lineage, with no call longer than so many seconds.

    Without settings of lineage it is the section `[luigi_sinks.neo4j]`. Raises BadSetting, and
    NotInstalled if the extra is missing.
    """
    if settings is not None and not settings.delivers_to_graph:
        key = config.connection_key("neo4j", settings.neo4j)
        raise BadSetting(
            f"lineage is not delivered to Neo4j: [{config.ROOT}.lineage] says graph = false, or there is no section "
            f"[{config.ROOT}.{key}] in {config.where()}. What was recorded is in {settings.spool}, and answers nothing "
            "there"
        )
    kind = import_module("luigi_sinks.neo4j.settings").Neo4jSettings
    found = config.read_connection(kind, "neo4j", settings.neo4j if settings else "")
    if seconds is None:
        return found
    limits = {name: min(getattr(found, name), seconds) for name in ("connect_timeout", "request_timeout")}
    return replace(found, **limits)


@contextmanager
def asking(settings: Any) -> Generator[Ask, None, None]:
    """Give what asks the Neo4j of these settings, and close its driver at the end."""
    connection = import_module("luigi_sinks.neo4j.connection")
    try:
        yield connection.alone(settings)
    finally:
        connection.close(settings)
