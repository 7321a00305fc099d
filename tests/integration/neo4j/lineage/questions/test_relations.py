"""What is up- and downstream has the answer of a plain Python model of a made-up history."""

from luigi_sinks.lineage.questions import heads, relations
from luigi_sinks.recording.events import Dataset, Job, Read, Start, Task, Write
from tests.lineage_history import EPOCH
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


def test_up_and_downstream_of_a_job_are_the_datasets_that_flows_lead_to(ask, history, model):
    for made in history.made[::3]:
        key = job_key(made.job)
        assert {each.dataset for each in relations.upstream(ask, key).datasets} == model.related(key)
        assert {each.dataset for each in relations.downstream(ask, key).datasets} == model.related(key, downstream=True)


def test_up_and_downstream_of_a_dataset_are_what_its_versions_were_made_of_and_went_into(ask, history, model):
    for made in history.made[::3]:
        key = dataset_key(made.dataset)
        assert found(relations.upstream(ask, key)) == model.by_dataset(model.upstream_of_dataset(key))
        assert found(relations.downstream(ask, key)) == model.by_dataset(model.downstream_of_dataset(key))


def test_a_dataset_of_many_partitions_is_answered_for_by_those_that_were_published_last(ask, history, monkeypatch):
    made = next(made for made in history.made if not made.is_plain and not made.is_whole)
    monkeypatch.setattr(heads, "MOST", 3)
    partitions = [key.split("#")[1] for key in relations.upstream(ask, dataset_key(made.dataset)).starts]
    assert partitions == [made.partition(day) for day in (history.days - 1, history.days - 2, history.days - 3)]


def file(told, name):
    return Dataset("file", f"/{told.name}/{name}")


def monthly(told, month, *, at=EPOCH, writes=True):
    """Return the events of a job that makes a report of one month's file."""
    flights, reports = Job(told.name, "Flights"), Job(told.name, "Report")
    one, two = f"flights{month}.{told.name}", f"report{month}.{told.name}"
    known = {"at": at, "certainty": "declared", "version": f"m{month}"}
    return (
        Start(at=at, run=one, task=Task(flights, f"Flights_{month}_{told.name}")),
        Start(at=at, run=two, task=Task(reports, f"Report_{month}_{told.name}")),
        Write(run=one, job=flights, dataset=file(told, f"flights{month}"), **known),
        Read(run=two, job=reports, dataset=file(told, f"flights{month}"), **known),
        *[Write(run=two, job=reports, dataset=file(told, f"report{month}"), **known)] * writes,
    )


def test_a_file_of_a_month_is_made_of_that_month_alone(told, ask):
    told(*monthly(told, 1), *monthly(told, 2))
    one, two = (dataset_key(file(told, f"{name}2")) for name in ("flights", "report"))
    assert [each.dataset for each in relations.upstream(ask, two).datasets] == [one]
    assert [each.dataset for each in relations.downstream(ask, one).datasets] == [two]


def test_a_job_that_read_a_dataset_and_wrote_nothing_is_downstream_of_it(told, ask):
    told(*monthly(told, 1, writes=False))
    answer = relations.downstream(ask, dataset_key(file(told, "flights1")))
    assert answer.datasets == ()
    assert [(flow.job, flow.dataset) for flow in answer.reads] == [
        (f"{told.name}/Report", dataset_key(file(told, "flights1")))
    ]


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
            lambda session, query=query: session.run(f"EXPLAIN {query}", key="", keys=[""]).consume().plan,
        )
        assert "VarLengthExpand(Pruning,BFS" in str(plan)
