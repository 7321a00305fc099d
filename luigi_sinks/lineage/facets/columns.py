"""The facet that says of which columns others are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from openlineage.client.facet_v2 import DatasetFacet
from openlineage.client.facet_v2 import column_lineage_dataset as origin

from luigi_sinks.lineage.facets.producer import new
from luigi_sinks.recording.events import Dataset, Read, Write


def column_lineage(
    declared: Mapping[str, Mapping[str, Sequence[str]]], writes: Sequence[Write], reads: Iterable[Read]
) -> dict[str, DatasetFacet]:
    """Return the columns of which those that were written are made, as far as the task declares it.

    Of a column that was not written, and of a dataset that the run did not read, nothing is said.
    """
    written = {column.name for write in writes for column in write.columns}
    sources = {read.dataset for read in reads}
    fields = {
        column: origin.Fields(inputs)
        for column, origins in declared.items()
        if (column in written or not written) and (inputs := list(_input_fields(origins, sources)))
    }
    return {"columnLineage": new(origin.ColumnLineageDatasetFacet, fields=fields)} if fields else {}


def _input_fields(origins: Mapping[str, Sequence[str]], sources: Iterable[Dataset]) -> Iterator[origin.InputField]:
    for name, columns in origins.items():
        found = [each for each in sources if each.name == name or each.name.endswith((f".{name}", f"/{name}"))]
        if len(found) == 1:
            yield from (origin.InputField(found[0].namespace, found[0].name, column) for column in columns)
