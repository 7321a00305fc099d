"""The facets by which OpenLineage knows what was recorded of a run, its job and its datasets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from luigi_sinks.errors import NotInstalled
from luigi_sinks.recording import clock
from luigi_sinks.recording.events import Dataset, End, Ended, Read, Start, Write
from luigi_sinks.version import WHOLE

try:
    import attr
    from openlineage.client import facet_v2 as spec
    from openlineage.client.facet_v2 import DatasetFacet, InputDatasetFacet, JobFacet, OutputDatasetFacet, RunFacet
    from openlineage.client.facet_v2 import column_lineage_dataset as origin
except ImportError as missing:
    raise NotInstalled("openlineage", missing) from missing

_HOME = "https://github.com/luigi-sinks/luigi-sinks"

_VERSION = version("luigi-sinks")

PRODUCER = f"{_HOME}/tree/v{_VERSION}"
"""The program that says so, as OpenLineage wants it named in each event and facet."""

_SCHEMAS = f"{_HOME}/blob/main/luigi_sinks/lineage/schemas"
_URI = ":/?#[]@!$&'()*+,;=%~"
"""What may stand in a URI as it is, besides letters, digits, `-`, `.` and `_`."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

Facet = TypeVar("Facet", bound=spec.BaseFacet)
Known = TypeVar("Known")


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


def run_id(text: str) -> str:
    """Return the UUID of a run; a run that is named by another text gets one that depends on the text alone.

    Example:
        >>> run_id("019c3f5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f")
        '019c3f5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f'
        >>> run_id("nightly") == run_id("nightly")
        True

    """
    return str(UUID(text) if _is_uuid(text) else uuid5(NAMESPACE_URL, f"{_HOME}/runs/{text}"))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def of_run(start: Start | None, end: End | None) -> dict[str, RunFacet]:
    """Return the facets of a run, of what is known of it."""
    facets = {
        "parent": _made(_parent, start),
        "nominalTime": _made(_nominal_time, start),
        "processing_engine": _made(_engine, start),
        "jobDependencies": _dependencies(start, end),
        "executionParameters": _made(_parameters, start),
        "errorMessage": _made(_error, end),
        EXECUTION: _execution(start, end),
    }
    return _present(facets)


def of_job(start: Start | None) -> dict[str, JobFacet]:
    """Return the facets of a job."""
    orchestrator = start.orchestrator if start else ""
    kind = _new(
        spec.job_type_job.JobTypeJobFacet,
        processingType="BATCH",
        integration=(orchestrator or "luigi_sinks").upper(),
        jobType="TASK",
    )
    facets = {
        "jobType": kind,
        "ownership": _made(_job_owner, start),
        "sourceCodeLocation": _made(_source, start),
    }
    return _present(facets)


def of_dataset(namespace: str, name: str, known: Sequence[Read | Write]) -> dict[str, DatasetFacet]:
    """Return the facets of a dataset of which a run read or wrote these versions."""
    written = [each for each in known if isinstance(each, Write)]
    facets = {
        "dataSource": _new(
            spec.datasource_dataset.DatasourceDatasetFacet, name=namespace, uri=_data_source(namespace, name)
        ),
        "version": _version(known),
        VERSIONS: _versions(known),
        "schema": _schema(written),
        "ownership": _dataset_owner(written),
        "dataQualityAssertions": _assertions(written),
    }
    return _present(facets)


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
    return {"columnLineage": _new(origin.ColumnLineageDatasetFacet, fields=fields)} if fields else {}


def _input_fields(origins: Mapping[str, Sequence[str]], sources: Iterable[Dataset]) -> Iterator[origin.InputField]:
    for name, columns in origins.items():
        found = [each for each in sources if each.name == name or each.name.endswith((f".{name}", f"/{name}"))]
        if len(found) == 1:
            yield from (origin.InputField(found[0].namespace, found[0].name, column) for column in columns)


def of_input(reads: Sequence[Read]) -> dict[str, InputDatasetFacet]:
    """Return the facets of what was read of a dataset; empty if that was not counted."""
    if not any(read.rows for read in reads):
        return {}
    kind = spec.input_statistics_input_dataset.InputStatisticsInputDatasetFacet
    return {"inputStatistics": _new(kind, rowCount=sum(read.rows for read in reads))}


def of_output(writes: Sequence[Write]) -> dict[str, OutputDatasetFacet]:
    """Return the facets of what was written of a dataset; empty if that was not counted."""
    rows, size = sum(write.rows for write in writes), sum(write.bytes for write in writes)
    if not rows and not size:
        return {}
    kind = spec.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
    return {"outputStatistics": _new(kind, rowCount=rows, size=size or None)}


def _new(kind: Callable[..., Facet], **fields: Any) -> Facet:
    return kind(**fields, producer=PRODUCER)


def _made(make: Callable[[Known], Facet | None], known: Known | None) -> Facet | None:
    return None if known is None else make(known)


def _present(facets: Mapping[str, Any]) -> dict[str, Any]:
    return {key: facet for key, facet in facets.items() if facet is not None}


# The run


def _parent(start: Start) -> spec.parent_run.ParentRunFacet | None:
    """Return the build or DAG run that the run belongs to.

    Where the orchestrator names it as OpenLineage does, `NAMESPACE/JOB/UUID`, that is
    kept; any other name becomes a UUID, and what stands before its last slash the job.
    """
    if not start.parent:
        return None
    named, _, run = start.parent.rpartition("/")
    namespace, _, job = named.rpartition("/")
    if not (namespace and job and _is_uuid(run)):
        namespace, job = start.task.job.namespace, named or start.orchestrator or "program"
        run = start.parent if _is_uuid(start.parent) else f"{namespace}/{start.parent}"
    parent = spec.parent_run
    return _new(parent.ParentRunFacet, run=parent.Run(run_id(run)), job=parent.Job(namespace, job))


def _nominal_time(start: Start) -> spec.nominal_time_run.NominalTimeRunFacet | None:
    kind = spec.nominal_time_run.NominalTimeRunFacet
    try:
        begins, ends = _interval(start.period)
        return _new(kind, nominalStartTime=clock.iso(begins), nominalEndTime=clock.iso(ends) if ends else None)
    except (ValueError, OverflowError):  # no date, or one at an end of the calendar
        return None


def _interval(period: str) -> tuple[datetime, datetime | None]:
    """Return when a period begins and, of Luigi's intervals, when it ends: a date may stand for a month.

    Raises ValueError for a text that is neither.
    """
    if found := re.fullmatch(r"(\d{4}-\d\d-\d\d)-(\d{4}-\d\d-\d\d)", period):
        return datetime.fromisoformat(found[1]), datetime.fromisoformat(found[2])
    if re.fullmatch(r"\d{4}-\d\d", period):
        begins = datetime.fromisoformat(f"{period}-01")
        return begins, (begins + timedelta(days=31)).replace(day=1)
    if re.fullmatch(r"\d{4}", period):
        begins = datetime.fromisoformat(f"{period}-01-01")
        return begins, begins.replace(year=begins.year + 1)
    begins = datetime.fromisoformat(period)
    return begins, begins + timedelta(days=7) if re.fullmatch(r"\d{4}-W\d\d", period) else None


def _engine(start: Start) -> spec.processing_engine_run.ProcessingEngineRunFacet | None:
    if not start.orchestrator:
        return None
    return _new(
        spec.processing_engine_run.ProcessingEngineRunFacet,
        name=start.orchestrator,
        version=start.orchestrator_version or "unknown",
        openlineageAdapterVersion=_VERSION,
    )


def _dependencies(start: Start | None, end: End | None) -> spec.job_dependencies_run.JobDependenciesRunFacet | None:
    required = {*(start.requires if start else ()), *(end.requires if end else ())}
    jobs = sorted({task.job for task in required})
    if not jobs:
        return None
    needs = spec.job_dependencies_run
    return _new(
        needs.JobDependenciesRunFacet,
        upstream=[
            needs.JobDependency(
                needs.JobIdentifier(job.namespace, job.name),
                dependency_type="DIRECT_INVOCATION",
                sequence_trigger_rule="FINISH_TO_START",
            )
            for job in jobs
        ],
        downstream=None,
        trigger_rule="ALL_SUCCESS",
    )


def _parameters(start: Start) -> spec.execution_parameters_run.ExecutionParametersRunFacet | None:
    if not start.params:
        return None
    given = spec.execution_parameters_run
    return _new(
        given.ExecutionParametersRunFacet,
        parameters=[given.ExecutionParameter(key=key, value=value) for key, value in sorted(start.params.items())],
    )


def _error(end: End) -> spec.error_message_run.ErrorMessageRunFacet | None:
    said = ": ".join(text for text in (end.error, end.message) if text)
    if not said:
        return None
    return _new(spec.error_message_run.ErrorMessageRunFacet, message=said, programmingLanguage="python")


def _execution(start: Start | None, end: End | None) -> ExecutionRunFacet:
    return _new(
        ExecutionRunFacet,
        task=start.task.id if start else None,
        outcome=end.outcome.value if end else None,
        host=(start.host if start else None) or None,
        pid=(start.pid if start else None) or None,
        worker=(start.worker if start else None) or None,
    )


# The job


def _job_owner(start: Start) -> spec.ownership_job.OwnershipJobFacet | None:
    if not start.owner:
        return None
    kind = spec.ownership_job
    return _new(kind.OwnershipJobFacet, owners=[kind.Owner(f"team:{start.owner}")])


def _source(start: Start) -> spec.source_code_location_job.SourceCodeLocationJobFacet | None:
    url = _source_url(start.source, start.commit)
    if url is None:
        return None
    return _new(
        spec.source_code_location_job.SourceCodeLocationJobFacet,
        type="git" if start.commit else "file",
        url=url,
        path=start.source,
        version=start.commit or None,
    )


def _source_url(source: str, commit: str) -> str | None:
    """Return a URL of the code: as it is, of a file, or of a path in a commit, whose repository nobody told us.

    The last is an identifier of Software Heritage (SWHID, ISO/IEC 18670), which any copy of the repository resolves.
    """
    if "://" in source:
        return quote(source, safe=_URI)
    if Path(source).is_absolute():
        return Path(source).as_uri()
    return f"swh:1:rev:{commit};path=/{quote(source)}" if source and _COMMIT.fullmatch(commit) else None


# The datasets


def _data_source(namespace: str, name: str) -> str | None:
    if "://" in namespace:
        return quote(namespace, safe=_URI)
    path = Path(name)
    return path.as_uri() if namespace == "file" and path.is_absolute() else None


def _version(known: Iterable[Read | Write]) -> spec.dataset_version_dataset.DatasetVersionDatasetFacet | None:
    """Return the version, if it is one."""
    found = {_named(each) for each in known if each.version}
    if len(found) != 1:
        return None
    return _new(spec.dataset_version_dataset.DatasetVersionDatasetFacet, datasetVersion=found.pop())


def _named(known: Read | Write) -> str:
    return known.version if known.partition in {"", WHOLE} else f"{known.partition}#{known.version}"


def _versions(known: Iterable[Read | Write]) -> VersionsDatasetFacet:
    versions = [
        PartitionVersion(each.certainty.value, each.version or None, each.partition or None, each.rows or None)
        for each in known
    ]
    return _new(VersionsDatasetFacet, versions=versions)


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
    return _new(kind.SchemaDatasetFacet, fields=fields)


def _dataset_owner(writes: Iterable[Write]) -> spec.ownership_dataset.OwnershipDatasetFacet | None:
    owners = sorted({write.owner for write in writes if write.owner})
    if not owners:
        return None
    kind = spec.ownership_dataset
    return _new(kind.OwnershipDatasetFacet, owners=[kind.Owner(f"team:{owner}") for owner in owners])


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
    return _new(kind.DataQualityAssertionsDatasetFacet, assertions=said)


def is_suspended(end: End | None) -> bool:
    """Return whether the run only asked for another task's output."""
    return end is not None and end.outcome is Ended.SUSPENDED
