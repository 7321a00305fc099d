"""What tasks of Airflow wrote, as datasets of OpenLineage with their versions. It imports OpenLineage's own client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from openlineage.client.event_v2 import OutputDataset

from luigi_sinks.airflow import published
from luigi_sinks.events import Event
from luigi_sinks.lineage.facets import dataset as facets
from luigi_sinks.recording import clock
from luigi_sinks.recording.events import Certainty, Column, Dataset, Job, Write


def of_extra(told: Mapping[str, Any]) -> OutputDataset | None:
    """Return the dataset of which the `extra` of an asset names a version; None if it names none."""
    return _output(told, {}) if {"namespace", "name", "version"} <= told.keys() else None


def of_events(events: Iterable[Event]) -> list[OutputDataset]:
    """Return the datasets of which loads published versions."""
    known = ((published.facts(event), event.columns) for event in events)
    return [_output(told, columns) for told, columns in known if told]


def _output(told: Mapping[str, Any], columns: Mapping[str, str]) -> OutputDataset:
    write = Write(
        at=clock.now(),
        run="",
        job=Job("", ""),
        dataset=Dataset(told["namespace"], told["name"]),
        certainty=Certainty.OBSERVED,
        partition=told["partition"],
        version=told["version"],
        rows=told.get("rows", 0),
        columns=tuple(Column(name, kind) for name, kind in columns.items()),
    )
    where = write.dataset
    return OutputDataset(
        where.namespace,
        where.name,
        facets=facets.of_dataset(where.namespace, where.name, [write]),
        outputFacets=facets.of_output([write]),
    )
