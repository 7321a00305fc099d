"""The facets of a job."""

from __future__ import annotations

from openlineage.client import facet_v2 as spec
from openlineage.client.facet_v2 import JobFacet

from luigi_sinks.lineage.facets import uris
from luigi_sinks.lineage.facets.producer import new, present
from luigi_sinks.recording.events import Start


def of_job(start: Start | None) -> dict[str, JobFacet]:
    """Return the facets of a job, of what is known of a run of it."""
    orchestrator = start.orchestrator if start else ""
    kind = new(
        spec.job_type_job.JobTypeJobFacet,
        processingType="BATCH",
        integration=(orchestrator or "luigi_sinks").upper(),
        jobType="TASK",
    )
    facets: dict[str, JobFacet | None] = {"jobType": kind}
    if start is not None:
        facets |= {"ownership": _owner(start), "sourceCodeLocation": _source(start)}
    return present(facets)


def _owner(start: Start) -> spec.ownership_job.OwnershipJobFacet | None:
    if not start.owner:
        return None
    kind = spec.ownership_job
    return new(kind.OwnershipJobFacet, owners=[kind.Owner(f"team:{start.owner}")])


def _source(start: Start) -> spec.source_code_location_job.SourceCodeLocationJobFacet | None:
    url = uris.of_code(start.source, start.commit)
    if url is None:
        return None
    return new(
        spec.source_code_location_job.SourceCodeLocationJobFacet,
        type="git" if start.commit else "file",
        url=url,
        path=start.source,
        version=start.commit or None,
    )
