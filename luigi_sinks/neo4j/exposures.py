"""Versions that are shown under a name of their own: a head of this name, which `read_query` finds as any other."""

from __future__ import annotations

from luigi_sinks.errors import BadSetting
from luigi_sinks.neo4j.connection import Run
from luigi_sinks.neo4j.names import check_dataset
from luigi_sinks.version import Version

_SHOWS = """
MATCH (h:_SinkHead {dataset: $name, partition: $partition, exposes: $dataset, version: $id})
RETURN count(h) AS count"""

_OTHERS = """
OPTIONAL MATCH (d:_SinkDataset {dataset: $name}) WITH count(d) AS datasets
OPTIONAL MATCH (h:_SinkHead {dataset: $name}) WITH datasets, count(h) AS heads RETURN datasets + heads AS count"""

_SHOW = """
MERGE (h:_SinkHead {dataset: $name, partition: $partition})
ON CREATE SET h.version = $id, h.epoch = 1, h.exposes = $dataset"""

_REMOVE = "MATCH (h:_SinkHead {dataset: $name, partition: $partition, exposes: $dataset, version: $id}) DELETE h"

_EXPOSES = "MATCH (h:_SinkHead {dataset: $dataset}) WHERE h.exposes IS NOT NULL RETURN h.exposes AS dataset LIMIT 1"


def refuse(run: Run, version: Version, name: str) -> None:
    """Raise BadSetting for what is no name, or one that a dataset or another version has."""
    check_dataset(name)
    if run(_OTHERS, name=name)[0]["count"] and not shows(run, version, name):
        raise BadSetting(f"{name!r} is taken: a dataset or another version has it; choose another name")


def show(run: Run, version: Version, name: str) -> None:
    """Make the head. Raises what `refuse` does."""
    refuse(run, version, name)
    run(_SHOW, **_place(version, name))


def remove(run: Run, version: Version, name: str) -> None:
    """Delete the head, if it shows this version."""
    run(_REMOVE, **_place(version, name))


def shows(run: Run, version: Version, name: str) -> bool:
    """Tell whether the head of this name shows the version."""
    return bool(run(_SHOWS, **_place(version, name))[0]["count"])


def refuse_dataset(run: Run, dataset: str) -> None:
    """Raise BadSetting for a dataset whose name shows a version of another one: its heads would be mixed."""
    for row in run(_EXPOSES, dataset=dataset):
        raise BadSetting(
            f"graph {dataset!r} is the name under which a version of {row['dataset']!r} is exposed; choose another "
            f"name, or remove that one by `luigi-sinks expose --drop {dataset}`"
        )


def _place(version: Version, name: str) -> dict[str, str]:
    return {"name": name, "partition": version.partition, "dataset": version.dataset, "id": version.id}
