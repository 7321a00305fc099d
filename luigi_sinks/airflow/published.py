"""Tells Airflow which version a task published: in its asset event, and for lineage."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from luigi_sinks.events import Action, Event, Outcome

_log = logging.getLogger("luigi_sinks")

_ENDS = {(Action.PUBLISH, Outcome.SUCCESS): True, (Action.LOAD, Outcome.SUPERSEDED): False}
"""What ends a load, and whether readers see its version."""


def facts(event: Event) -> dict[str, Any] | None:
    """Return what Airflow is told of a load, as `extra` of an asset; None if the event is not its end.

    - `version`, `partition`, `rows`: of the version that readers see from now on.
    - `is_shown`: False if readers see a newer period instead.
    - `namespace`, `name`: where the dataset is, in the names of OpenLineage.
    """
    is_shown = _ENDS.get((event.action, event.outcome))
    if is_shown is None:
        return None
    return {
        "version": event.version.id,
        "partition": event.version.partition,
        "rows": event.rows,
        "is_shown": is_shown,
        "namespace": event.location.namespace,
        "name": event.location.name,
    }


def tell(context: Mapping[str, Any], asset: Any, told: Mapping[str, Any]) -> None:
    """Add a version to the asset event that the task will emit, and to its lineage.

    The event has the facts of the version that was published last, and `versions` those of each.
    """
    accessor = context["outlet_events"][asset]
    accessor.extra = {**told, "versions": [*accessor.extra.get("versions", ()), told]}
    if asset not in context["ti"].task.outlets:
        _log.warning("%s is not among the task's outlets: no DAG that waits for it is started", asset.uri)
    _collector().add_output_asset(context=_place(), uri=asset.uri, name=asset.name, asset_extra=told)


def tell_read(asset: Any, told: Mapping[str, Any]) -> None:
    """Add a version that is read to the task's lineage."""
    _collector().add_input_asset(context=_place(), uri=asset.uri, name=asset.name, asset_extra=told)


def to_openlineage(asset: Any, lineage_context: Any) -> Any:  # noqa: ARG001 - Airflow passes it
    """Return the dataset of OpenLineage that an asset is; None if no version of it is known. Airflow calls it."""
    from luigi_sinks.airflow import openlineage  # noqa: PLC0415 - only where OpenLineage is on

    return openlineage.of_extra(asset.extra or {})


def _collector() -> Any:
    from luigi_sinks.airflow.sdk import get_hook_lineage_collector  # noqa: PLC0415 - the rest needs no Airflow

    return get_hook_lineage_collector()


def _place() -> Any:
    """Return a hook: Airflow wants to know from which one lineage comes."""
    from luigi_sinks.airflow.sdk import BaseHook  # noqa: PLC0415 - as above

    return BaseHook()
