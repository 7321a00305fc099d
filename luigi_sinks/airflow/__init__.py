"""Loads versions from tasks of Airflow 3: `Dataset` in a DAG, and operators for what needs no code.

Importing this package, and declaring a `Dataset` at a DAG's top level, imports no driver and
opens nothing. docs/airflow.md shows whole DAGs.
"""

from typing import TYPE_CHECKING

from luigi_sinks import lazy

if TYPE_CHECKING:
    from luigi_sinks.airflow.dataset import Dataset
    from luigi_sinks.airflow.hook import Neo4jHook
    from luigi_sinks.airflow.operators import LoadOperator, RunCypherOperator

__all__ = ["Dataset", "LoadOperator", "Neo4jHook", "RunCypherOperator"]

__getattr__ = lazy.attributes(
    __name__,
    {"Dataset": "dataset", "LoadOperator": "operators", "Neo4jHook": "hook", "RunCypherOperator": "operators"},
)
