"""The facets of a run."""

from __future__ import annotations

from openlineage.client import facet_v2 as spec
from openlineage.client.facet_v2 import RunFacet

from luigi_sinks.lineage.facets.own import EXECUTION, ExecutionRunFacet
from luigi_sinks.lineage.facets.period import interval
from luigi_sinks.lineage.facets.producer import VERSION, new, present
from luigi_sinks.lineage.facets.run_id import is_uuid, run_id
from luigi_sinks.recording import clock
from luigi_sinks.recording.events import End, Start


def of_run(start: Start | None, end: End | None) -> dict[str, RunFacet]:
    """Return the facets of a run, of what is known of it."""
    facets: dict[str, RunFacet | None] = {
        EXECUTION: _execution(start, end),
        "jobDependencies": _dependencies(start, end),
    }
    if start is not None:
        facets |= {
            "parent": _parent(start),
            "nominalTime": _nominal_time(start),
            "processing_engine": _engine(start),
            "executionParameters": _parameters(start),
        }
    if end is not None:
        facets["errorMessage"] = _error(end)
    return present(facets)


def _parent(start: Start) -> spec.parent_run.ParentRunFacet | None:
    """Return the build or DAG run that the run belongs to.

    Where the orchestrator names it as OpenLineage does, `NAMESPACE/JOB/UUID`, that is
    kept; any other name becomes a UUID, and what stands before its last slash the job.
    """
    if not start.parent:
        return None
    named, _, run = start.parent.rpartition("/")
    namespace, _, job = named.rpartition("/")
    if not (namespace and job and is_uuid(run)):
        namespace, job = start.task.job.namespace, named or start.orchestrator or "program"
        run = start.parent if is_uuid(start.parent) else f"{namespace}/{start.parent}"
    parent = spec.parent_run
    return new(parent.ParentRunFacet, run=parent.Run(run_id(run)), job=parent.Job(namespace, job))


def _nominal_time(start: Start) -> spec.nominal_time_run.NominalTimeRunFacet | None:
    kind = spec.nominal_time_run.NominalTimeRunFacet
    try:
        begins, ends = interval(start.period)
        return new(kind, nominalStartTime=clock.iso(begins), nominalEndTime=clock.iso(ends) if ends else None)
    except (ValueError, OverflowError):  # no date, or one at an end of the calendar
        return None


def _engine(start: Start) -> spec.processing_engine_run.ProcessingEngineRunFacet | None:
    if not start.orchestrator:
        return None
    return new(
        spec.processing_engine_run.ProcessingEngineRunFacet,
        name=start.orchestrator,
        version=start.orchestrator_version or "unknown",
        openlineageAdapterVersion=VERSION,
    )


def _dependencies(start: Start | None, end: End | None) -> spec.job_dependencies_run.JobDependenciesRunFacet | None:
    required = {*(start.requires if start else ()), *(end.requires if end else ())}
    jobs = sorted({task.job for task in required})
    if not jobs:
        return None
    needs = spec.job_dependencies_run
    return new(
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
    return new(
        given.ExecutionParametersRunFacet,
        parameters=[given.ExecutionParameter(key=key, value=value) for key, value in sorted(start.params.items())],
    )


def _error(end: End) -> spec.error_message_run.ErrorMessageRunFacet | None:
    said = ": ".join(text for text in (end.error, end.message) if text)
    if not said:
        return None
    return new(spec.error_message_run.ErrorMessageRunFacet, message=said, programmingLanguage="python")


def _execution(start: Start | None, end: End | None) -> ExecutionRunFacet:
    return new(
        ExecutionRunFacet,
        task=start.task.id if start else None,
        outcome=end.outcome.value if end else None,
        host=(start.host if start else None) or None,
        pid=(start.pid if start else None) or None,
        worker=(start.worker if start else None) or None,
    )
