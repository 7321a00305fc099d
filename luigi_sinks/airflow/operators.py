"""Operators, which take the names and arguments that Airflow's own have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from luigi_sinks.airflow import published
from luigi_sinks.airflow.dataset import Dataset
from luigi_sinks.airflow.hook import Neo4jHook
from luigi_sinks.airflow.sdk import BaseOperator, KeywordParameters
from luigi_sinks.errors import CheckFailed
from luigi_sinks.events import Event
from luigi_sinks.version import WHOLE


class LoadOperator(BaseOperator):
    """Loads what `rows` returns as one version of a dataset, and returns which version that is.

    - `dataset`: a `Dataset`. Its asset is added to the outlets; with `partial`, give `outlets=[dataset.asset]`.
    - `rows`: a function that returns all rows, with arguments as `python_callable` of the PythonOperator has them.
    - `op_args`, `op_kwargs`: its arguments, templated. Default: none.
    - `partition`: the partition's id, templated, such as "{{ ds_nodash }}". Default: the whole dataset.

    Raises what `Dataset.loading` raises.

    Example:
        LoadOperator(task_id="graph", dataset=graph, rows=airports, op_kwargs={"month": "{{ ds_nodash[:6] }}"})

    """

    template_fields: Sequence[str] = ("partition", "op_args", "op_kwargs")

    def __init__(
        self,
        *,
        dataset: Dataset,
        rows: Callable[..., Iterable[Any]],
        partition: str = WHOLE,
        op_args: Sequence[Any] = (),
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset, self.rows, self.partition = dataset, rows, partition
        self.op_args, self.op_kwargs = op_args, op_kwargs or {}
        if dataset.asset not in self.outlets:
            self.outlets.append(dataset.asset)
        self._events: list[Event] = []

    def execute(self, context: Any) -> Any:
        """Load the rows."""
        of_context = KeywordParameters.determine(self.rows, self.op_args, context).unpacking()
        with self.dataset.loading(self.partition, context=context, listeners=(self._events.append,)) as sink:
            rows = self.rows(*self.op_args, **{**of_context, **self.op_kwargs})
            if rows is None:
                raise CheckFailed(f"{self.task_id}: rows returned None; yield the rows, or return an iterable of them")
            sink.write_all(rows)
        return next(filter(None, map(published.facts, self._events)))

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - Airflow passes it
        """Return the version that was published, for the event of OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - it asks for this

        from luigi_sinks.airflow import openlineage  # noqa: PLC0415 - as above

        return OperatorLineage(outputs=openlineage.of_events(self._events))


class RunCypherOperator(BaseOperator):
    """Runs Cypher by the connection of luigi_sinks: TLS that is verified, and short-lived tokens.

    - `cypher`: the statement, templated, or the name of a file that ends in .cypher or .cql. It must be safe to run
      twice: it is run again when a connection is lost.
    - `neo4j_conn_id`: the connection of Airflow; a password in it is refused. Default: neo4j_default.
    - `parameters`: those of the statement, templated. Default: none.
    - `credential`: as for `Dataset`. The team is the task's, as there.

    Example:
        RunCypherOperator(task_id="hubs", neo4j_conn_id="graph", cypher="MATCH (a:Airport) SET a.hub = a.routes > 100")

    """

    template_fields: Sequence[str] = ("cypher", "parameters")
    template_ext: Sequence[str] = (".cypher", ".cql")

    def __init__(
        self,
        *,
        cypher: str,
        neo4j_conn_id: str = Neo4jHook.default_conn_name,
        parameters: Mapping[str, Any] | None = None,
        credential: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cypher, self.neo4j_conn_id, self.parameters, self.credential = (
            cypher,
            neo4j_conn_id,
            parameters,
            credential,
        )

    def execute(self, context: Any) -> None:
        """Run the statement."""
        del context
        hook = Neo4jHook(self.neo4j_conn_id, credential=self.credential)
        hook.run(self.cypher, self.parameters)
