"""Tells Airflow what luigi_sinks provides. It imports nothing: Airflow is reading its own configuration meanwhile."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow's entry point `apache_airflow_provider` asks for."""
    return {
        "package-name": "luigi-sinks",
        "name": "Luigi sinks",
        "description": "Versioned, atomic loads into MariaDB, Elasticsearch and Neo4j",
        "asset-uris": [
            {
                "schemes": ["luigi-sinks"],
                "handler": None,
                "to_openlineage_converter": "luigi_sinks.airflow.published.to_openlineage",
            }
        ],
    }
