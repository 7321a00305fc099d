"""What is up- and downstream has the answer of a plain Python model of a made-up history."""

from luigi_sinks.lineage.questions import relations
from tests.lineage_model import dataset_key, job_key


def found(related):
    return {(each.dataset, each.versions, each.oldest, each.newest) for each in related.datasets}


def test_upstream_of_a_version_are_exactly_the_versions_that_went_into_it(ask, model, some):
    for version in some(model.writes):
        answer = relations.upstream_of(ask, version, versions=True)
        assert found(answer) == model.by_dataset(model.upstream(version))
        assert {each.key for each in answer.versions} == {key for key in model.upstream(version) if "#" in key}


def test_a_model_that_builds_on_its_own_yesterday_has_all_its_days_upstream(ask, history, model):
    recursive = next(made for made in history.made if made.is_recursive)
    last = model.newest_head(dataset_key(recursive.dataset))
    assert len(model.upstream(last)) > history.days
    assert found(relations.upstream_of(ask, last)) == model.by_dataset(model.upstream(last))


def test_upstream_of_a_run_is_what_went_into_what_it_read(ask, model, some):
    for run in some(model.starts):
        assert found(relations.upstream_of(ask, run)) == model.by_dataset(model.upstream(run))


def test_downstream_of_a_version_is_what_it_went_into(ask, model, some):
    for version in some(model.writes):
        assert found(relations.downstream_of(ask, version)) == model.by_dataset(model.downstream(version))


def test_downstream_of_a_run_is_what_it_wrote_and_what_that_went_into(ask, model, some):
    for run in some(model.starts):
        assert found(relations.downstream_of(ask, run)) == model.by_dataset(model.downstream(run))


def test_up_and_downstream_of_a_dataset_or_job_are_the_datasets_that_flows_lead_to(ask, history, model):
    for made in history.made[::3]:
        for key in (dataset_key(made.dataset), job_key(made.job)):
            assert {each.dataset for each in relations.upstream(ask, key).datasets} == model.related(key)
            assert {each.dataset for each in relations.downstream(ask, key).datasets} == model.related(
                key, downstream=True
            )


def test_flows_say_since_when_until_when_and_whether_they_were_observed(ask, history, model):
    answer = relations.upstream(ask, dataset_key(history.made[-1].dataset))
    assert answer.reads
    for flow in answer.reads:
        times = model.flows_in[flow.job, flow.dataset]
        assert (flow.first, flow.last) == (min(times)[0], max(times)[0])
        assert flow.is_observed == any(is_observed for _, is_observed in times)
    assert {flow.is_observed for flow in answer.reads} == {True, False}


def test_the_paths_of_a_version_lead_only_through_jobs_that_made_what_is_upstream(ask, history, model):
    made = history.made[-1]
    answer = relations.upstream_of(ask, model.newest_head(dataset_key(made.dataset)))
    datasets = {each.dataset for each in answer.datasets} | {dataset_key(made.dataset)}
    assert set(answer.jobs) == {job for job, dataset in model.flows_out if dataset in datasets}


def test_searches_are_pruned(settings):
    """A search that is not would go along every path, of which there are more than there is time."""
    from luigi_sinks.neo4j import connection  # noqa: PLC0415

    for query in (*relations._FLOWS.values(), *(each + relations._BY_DATASET for each in relations._USED.values())):
        plan = connection._used(
            settings,
            connection.Limit.request(settings),
            lambda session, query=query: session.run(f"EXPLAIN {query}", key="").consume().plan,
        )
        assert "VarLengthExpand(Pruning,BFS" in str(plan)
