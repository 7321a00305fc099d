"""The network that is drawn is that of a plain Python model, now and at a time before."""

import pytest

from luigi_sinks.lineage import snapshot
from luigi_sinks.lineage.questions import lateness
from tests.lineage_history import DAY
from tests.lineage_model import dataset_key, job_key


def network_of(ask, history, **how):
    found = snapshot.network(ask, now=history.end, **how)
    datasets = {each.key: each for each in found.datasets if history.name in each.key}
    jobs = {each.key: each for each in found.jobs if history.name in each.key}
    return found, datasets, jobs


@pytest.mark.parametrize("day", [4.5, 20])
def test_the_network_shows_heads_and_versions_as_they_were_at_a_time(ask, history, model, day):
    as_of = round(history.epoch + day * DAY)
    _, datasets, _ = network_of(ask, history, as_of=as_of)
    for made in history.made:
        key, node = dataset_key(made.dataset), datasets[dataset_key(made.dataset)]
        written = sorted((write.at for write in model.writes_of[key].values() if write.at <= as_of), reverse=True)
        assert [version.written for version in node.versions] == written[:20]
        assert node.versions_count == len(written)
        heads = {model.head(key, partition, as_of)[0] for partition in list(model.publications[key])} - {""}
        assert {version.key for version in node.versions if version.is_head} == heads
        assert node.updated == max((model.writes[head].at for head in heads), default=written[0])


def test_the_network_shows_stale_what_is_stale(ask, history, model):
    now = history.end + 2 * DAY
    found = snapshot.network(ask, now=now)
    assert {each.key for each in found.datasets if each.is_stale(now) and history.name in each.key} == model.stale(
        now
    ).keys()


@pytest.mark.parametrize("day", [4.5, 20])
def test_the_network_shows_runs_as_they_were_at_a_time(ask, history, model, day):
    as_of = round(history.epoch + day * DAY + 2.02 * DAY / 24)
    _, _, jobs = network_of(ask, history, as_of=as_of)
    for made in history.made:
        node = jobs[job_key(made.job)]
        begun = [run for run in model.runs(node.key) if model.starts[run].at <= as_of]
        assert [run.key for run in node.runs] == begun[:20]
        assert node.runs_count == len(begun)
        assert [run.outcome for run in node.runs] == [
            model.outcome(run) if model.ended(run) <= as_of else "" for run in begun[:20]
        ]


def test_the_flows_of_the_network_lead_where_the_model_says(ask, history, model):
    found, datasets, _ = network_of(ask, history)
    for made in history.made[::5]:
        key = dataset_key(made.dataset)
        assert found.upstream(key) & datasets.keys() == model.related(key)
        assert found.downstream(key) & datasets.keys() == model.related(key, downstream=True)


def test_the_network_before_the_first_day_has_no_flows_and_no_versions(ask, history):
    found, datasets, jobs = network_of(ask, history, as_of=1)
    assert not [flow for flow in (*found.reads, *found.writes) if history.name in flow.job]
    assert not any(node.versions for node in datasets.values())
    assert not any(node.runs for node in jobs.values())


def test_the_network_shows_the_critical_path_of_a_run(ask, history, model):
    run = model.runs(job_key(history.made[-1].job))[0]
    assert network_of(ask, history, run=run)[0].path == lateness.why_late(ask, run, history.end).path
