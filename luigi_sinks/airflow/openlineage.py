"""Tells OpenLineage which versions a task of Airflow wrote and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from luigi_sinks.airflow import published
from luigi_sinks.events import Event
from luigi_sinks.recording import clock
from luigi_sinks.recording.events import Certainty, Column, Dataset, Job, Write


def to_openlineage(asset: Any, lineage_context: Any) -> Any:  # noqa: ARG001 - Airflow passes it
    """Return the dataset that an asset of ours is, with its version and rows; None if no version is known."""
    told = asset.extra or {}
    return _output(_write(told)) if {"namespace", "name", "version"} <= told.keys() else None


def of_operator(events: Iterable[Event]) -> Any:
    """Return what an operator wrote."""
    from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - there where it is asked for

    known = ((published.facts(event), event) for event in events)
    return OperatorLineage(outputs=[_output(_write(told, event.columns)) for told, event in known if told])


def _write(told: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> Write:
    return Write(
        at=clock.now(),
        run="",
        job=Job("", ""),
        dataset=Dataset(told["namespace"], told["name"]),
        certainty=Certainty.OBSERVED,
        partition=told["partition"],
        version=told["version"],
        rows=told.get("rows", 0),
        columns=tuple(Column(name, kind) for name, kind in (columns or {}).items()),
    )


def _output(write: Write) -> Any:
    from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415 - importing this module must be quick

    from luigi_sinks.lineage.facets import dataset as facets  # noqa: PLC0415 - as above

    return OutputDataset(
        write.dataset.namespace,
        write.dataset.name,
        facets=facets.of_dataset(write.dataset.namespace, write.dataset.name, [write]),
        outputFacets=facets.of_output([write]),
    )
