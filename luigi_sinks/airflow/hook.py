"""A hook for Neo4j, which takes the names and arguments that Airflow's own has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

from luigi_sinks import config
from luigi_sinks.airflow.connections import connected
from luigi_sinks.airflow.identity import TaskRun
from luigi_sinks.airflow.lifetime import lifetime
from luigi_sinks.airflow.sdk import BaseHook, get_current_context


class Neo4jHook(BaseHook):
    """Runs Cypher by the connection of luigi_sinks: TLS that is verified, and short-lived tokens.

    - `conn_id`: the connection of Airflow; a password in it is refused. Default: neo4j_default.
    - `credential`, `owner`: as for `luigi_sinks.airflow.Dataset`.

    In a `with` block, all statements share one driver, which is closed at its end; without one, each has its own.
    A driver that outlives the block is not given: it would keep the token it began with.

    Example:
        with Neo4jHook("graph") as graph:
            for row in graph.run("MATCH (a:Airport) RETURN a.faa AS faa"):
                print(row["faa"])

    """

    conn_name_attr = "neo4j_conn_id"
    default_conn_name = "neo4j_default"
    conn_type = "neo4j"
    hook_name = "Neo4j"

    def __init__(
        self, conn_id: str = default_conn_name, *, credential: str = "", owner: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id, self._credential, self._owner = conn_id, credential, owner
        self._block: Any = None

    def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run a statement in a transaction of its own, and return its rows; it must be safe to run twice.

        Raises Unavailable if Neo4j does not answer, or not within `step_timeout`; BadSetting for a
        statement or a setting that is wrong; Forbidden and CredentialError.
        """
        from luigi_sinks.neo4j import connection  # noqa: PLC0415 - importing a DAG imports no driver

        with self._connected() as settings:
            return connection.long_query(settings, query, **(parameters or {}))

    def __enter__(self) -> Self:
        """Return the hook, whose statements share a driver from now on."""
        self._block = self._connected()
        self._block.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Close the driver."""
        block, self._block = self._block, None
        block.__exit__(*error)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        from luigi_sinks.neo4j.settings import Neo4jSettings  # noqa: PLC0415 - as above

        run = TaskRun.of(get_current_context())
        owner = self._owner or run.owner
        with connected("neo4j", self.conn_id, credential=self._credential) as name, lifetime(run, owner):
            settings = config.read_connection(Neo4jSettings, "neo4j", name)
            yield replace(settings, owner=owner or settings.owner)
