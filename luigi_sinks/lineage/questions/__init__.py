"""Questions to the lineage in Neo4j: a module for each kind, whose functions return frozen dataclasses.

| question | function |
|---|---|
| What feeds this, and what does it feed? | `relations.upstream`, `downstream`, `upstream_of`, `downstream_of` |
| What did readers see then? | `heads.head` |
| Why did this end so late? | `lateness.why_late`, `why_waiting`, `why_job` |
| What is older than was promised? | `staleness.stale` |
| Which jobs are slow now and then? | `durations.slow` |
| How did the last runs end? | `job_runs.runs` |
| Who wrote this? | `writers.who_wrote` |
| What differs between two runs? | `comparison.diff` |

Times are microseconds since 1970 in UTC, 0 for one that is not known; durations are seconds.

Example (it needs a server):

    with asking(connection_settings(settings.read())) as ask:
        for each in staleness.stale(ask, clock.now()):
            print(each.dataset, each.waiting)
"""
