"""Airflow's plugin by which the runs of all tasks are recorded where luigi_sinks has a section of lineage."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowPlugin

from luigi_sinks_airflow import listener


class LuigiSinksPlugin(AirflowPlugin):
    """Has Airflow call the listener as each task begins and ends."""

    name = "luigi_sinks"
    listeners = (listener,)
