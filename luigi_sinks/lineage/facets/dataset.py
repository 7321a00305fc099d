"""The facets of a dataset that a run reads or writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openlineage.client import facet_v2 as spec
from openlineage.client.facet_v2 import DatasetFacet, InputDatasetFacet, OutputDatasetFacet

from luigi_sinks.lineage.facets import uris
from luigi_sinks.lineage.facets.own import VERSIONS, PartitionVersion, VersionsDatasetFacet
from luigi_sinks.lineage.facets.producer import new, present
from luigi_sinks.recording.events import Read, Write
from luigi_sinks.version import WHOLE


def of_dataset(namespace: str, name: str, known: Sequence[Read | Write]) -> dict[str, DatasetFacet]:
    """Return the facets of a dataset of which a run read or wrote these versions."""
    written = [each for each in known if isinstance(each, Write)]
    facets = {
        "dataSource": new(
            spec.datasource_dataset.DatasourceDatasetFacet, name=namespace, uri=uris.of_data(namespace, name)
        ),
        "version": _version(known),
        VERSIONS: _versions(known),
        "schema": _schema(written),
        "ownership": _owner(written),
        "dataQualityAssertions": _assertions(written),
    }
    return present(facets)


def of_input(reads: Sequence[Read]) -> dict[str, InputDatasetFacet]:
    """Return the facets of what was read of a dataset; empty if that was not counted."""
    if not any(read.rows for read in reads):
        return {}
    kind = spec.input_statistics_input_dataset.InputStatisticsInputDatasetFacet
    return {"inputStatistics": new(kind, rowCount=sum(read.rows for read in reads))}


def of_output(writes: Sequence[Write]) -> dict[str, OutputDatasetFacet]:
    """Return the facets of what was written of a dataset; empty if that was not counted."""
    rows, size = sum(write.rows for write in writes), sum(write.bytes for write in writes)
    if not rows and not size:
        return {}
    kind = spec.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
    return {"outputStatistics": new(kind, rowCount=rows, size=size or None)}


def _version(known: Iterable[Read | Write]) -> spec.dataset_version_dataset.DatasetVersionDatasetFacet | None:
    """Return the version, if it is one."""
    found = {_named(each) for each in known if each.version}
    if len(found) != 1:
        return None
    return new(spec.dataset_version_dataset.DatasetVersionDatasetFacet, datasetVersion=found.pop())


def _named(known: Read | Write) -> str:
    return known.version if known.partition in {"", WHOLE} else f"{known.partition}#{known.version}"


def _versions(known: Iterable[Read | Write]) -> VersionsDatasetFacet:
    versions = [
        PartitionVersion(each.certainty.value, each.version or None, each.partition or None, each.rows or None)
        for each in known
    ]
    return new(VersionsDatasetFacet, versions=versions)


def _schema(writes: Sequence[Write]) -> spec.schema_dataset.SchemaDatasetFacet | None:
    """Return the columns of the version that was written last."""
    columns = next((write.columns for write in reversed(writes) if write.columns), ())
    if not columns:
        return None
    kind = spec.schema_dataset
    fields = [
        kind.SchemaDatasetFacetFields(column.name, column.type or None, ordinal_position=number, fields=None)
        for number, column in enumerate(columns, 1)
    ]
    return new(kind.SchemaDatasetFacet, fields=fields)


def _owner(writes: Iterable[Write]) -> spec.ownership_dataset.OwnershipDatasetFacet | None:
    owners = sorted({write.owner for write in writes if write.owner})
    if not owners:
        return None
    kind = spec.ownership_dataset
    return new(kind.OwnershipDatasetFacet, owners=[kind.Owner(f"team:{owner}") for owner in owners])


def _assertions(
    writes: Iterable[Write],
) -> spec.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet | None:
    """Return what the checks said; a check passed if it did for every version that was written."""
    passed: dict[str, bool] = {}
    for write in writes:
        for check in write.checks:
            passed[check.name] = passed.get(check.name, True) and check.passed
    if not passed:
        return None
    kind = spec.data_quality_assertions_dataset
    said = [kind.Assertion(name, is_good, name=name, severity="error", params=None) for name, is_good in passed.items()]
    return new(kind.DataQualityAssertionsDatasetFacet, assertions=said)
