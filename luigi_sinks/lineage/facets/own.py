"""The facets of our own, for which OpenLineage has no word; their JSON schemas are in `schemas/`."""

from __future__ import annotations

import attr
from openlineage.client.facet_v2 import DatasetFacet, RunFacet

from luigi_sinks.lineage.facets.producer import HOME

_SCHEMAS = f"{HOME}/blob/main/luigi_sinks/lineage/schemas"


@attr.define
class ExecutionRunFacet(RunFacet):
    """What OpenLineage has no word for: the task of a run, how it ended in Luigi's terms, and where it ran.

    `outcome` is `complete`, `failed`, `suspended` or `aborted`; none while the run goes on.
    A suspended run asked for another task's output, and its task runs again once that is
    there: what it is to write is not written yet.
    """

    task: str | None = attr.field(default=None)
    outcome: str | None = attr.field(default=None)
    host: str | None = attr.field(default=None)
    pid: int | None = attr.field(default=None)
    worker: str | None = attr.field(default=None)

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/1-0-0/LuigiSinksExecutionRunFacet.json"


@attr.define
class PartitionVersion:
    """A version of a partition that a run read or wrote, and whether our own target saw it or the task declares it."""

    certainty: str
    version: str | None = attr.field(default=None)
    partition: str | None = attr.field(default=None)
    rows: int | None = attr.field(default=None)


@attr.define
class VersionsDatasetFacet(DatasetFacet):
    """All versions of a dataset that a run read or wrote; OpenLineage's own facet has room for one."""

    versions: list[PartitionVersion]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/1-0-0/LuigiSinksVersionsDatasetFacet.json"


EXECUTION, VERSIONS = "luigiSinks_execution", "luigiSinks_versions"
"""The keys of our own facets."""
