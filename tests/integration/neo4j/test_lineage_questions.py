"""Each question about a made-up history has the answer of a plain Python model of it."""

import random
import secrets
from itertools import pairwise

import pytest

from luigi_sinks import BadSetting
from luigi_sinks.lineage import graph, lateness, lookup, questions, snapshot
from luigi_sinks.neo4j.connection import alone
from luigi_sinks.recording.events import Dataset, End, Ended, Interruption, Job, Need, Start, Task, Write
from tests.lineage_graph import forget
from tests.lineage_history import DAY, EPOCH, SECOND, History
from tests.lineage_model import Model, dataset_key, job_key, task_key, version_key

DAYS = 20
BATCH = 2_000
BEGIN = EPOCH


@pytest.fixture(scope="module")
def ask(settings):
    graph.prepare(alone(settings))
    return alone(settings)


@pytest.fixture(scope="module")
def written(ask, settings):
    """Return a function that makes a history, and writes it."""
    names = []

    def write(**how):
        names.append(f"lake_{secrets.token_hex(4)}")
        history = History(name=names[-1], **how).make()
        for start in range(0, len(history.events), BATCH):
            graph.write(settings, history.events[start : start + BATCH])
        return history

    yield write
    for name in names:
        forget(ask, name)


@pytest.fixture(scope="module")
def history(written):
    return written(days=DAYS, jobs=40)


@pytest.fixture(scope="module")
def model(history):
    return Model(history.events)


@pytest.fixture
def some():
    """Return a function that picks some of many, always the same."""
    chance = random.Random(1)
    return lambda found, count=12: chance.sample(sorted(found), min(count, len(found)))


@pytest.fixture
def told(settings, ask):
    """Return a function that writes events of a job namespace, which are deleted at the end."""
    name = f"told_{secrets.token_hex(4)}"

    def told(*events):
        graph.write(settings, events)

    told.name = name
    yield told
    forget(ask, name)


def end_of(history):
    return history.epoch + history.days * DAY


def found(related):
    return {(each.dataset, each.versions, each.oldest, each.newest) for each in related.datasets}


def test_upstream_of_a_version_are_exactly_the_versions_that_went_into_it(ask, model, some):
    for version in some(model.writes):
        answer = questions.upstream_of(ask, version, versions=True)
        assert found(answer) == model.by_dataset(model.upstream(version))
        assert {each.key for each in answer.versions} == {key for key in model.upstream(version) if "#" in key}


def test_a_model_that_builds_on_its_own_yesterday_has_all_its_days_upstream(ask, history, model):
    recursive = next(made for made in history.made if made.is_recursive)
    last = model.newest_head(dataset_key(recursive.dataset))
    assert len(model.upstream(last)) > DAYS
    assert found(questions.upstream_of(ask, last)) == model.by_dataset(model.upstream(last))


def test_upstream_of_a_run_is_what_went_into_what_it_read(ask, model, some):
    for run in some(model.starts):
        assert found(questions.upstream_of(ask, run)) == model.by_dataset(model.upstream(run))


def test_downstream_of_a_version_is_what_it_went_into(ask, model, some):
    for version in some(model.writes):
        assert found(questions.downstream_of(ask, version)) == model.by_dataset(model.downstream(version))


def test_downstream_of_a_run_is_what_it_wrote_and_what_that_went_into(ask, model, some):
    for run in some(model.starts):
        assert found(questions.downstream_of(ask, run)) == model.by_dataset(model.downstream(run))


def test_up_and_downstream_of_a_dataset_or_job_are_the_datasets_that_flows_lead_to(ask, history, model):
    for made in history.made[::3]:
        for key in (dataset_key(made.dataset), job_key(made.job)):
            assert {each.dataset for each in questions.upstream(ask, key).datasets} == model.related(key)
            assert {each.dataset for each in questions.downstream(ask, key).datasets} == model.related(
                key, downstream=True
            )


def test_flows_say_since_when_until_when_and_whether_they_were_observed(ask, history, model):
    answer = questions.upstream(ask, dataset_key(history.made[-1].dataset))
    assert answer.reads
    for flow in answer.reads:
        times = model.flows_in[flow.job, flow.dataset]
        assert (flow.first, flow.last) == (min(times)[0], max(times)[0])
        assert flow.is_observed == any(is_observed for _, is_observed in times)
    assert {flow.is_observed for flow in answer.reads} == {True, False}


def test_the_paths_of_a_version_lead_only_through_jobs_that_made_what_is_upstream(ask, history, model):
    made = history.made[-1]
    answer = questions.upstream_of(ask, model.newest_head(dataset_key(made.dataset)))
    datasets = {each.dataset for each in answer.datasets} | {dataset_key(made.dataset)}
    assert set(answer.jobs) == {job for job, dataset in model.flows_out if dataset in datasets}


@pytest.mark.parametrize("day", [0, 3, 7.5, DAYS])
def test_the_head_as_of_a_time_is_the_version_that_readers_saw_then(ask, history, model, day):
    as_of = round(history.epoch + day * DAY)
    for made in history.made:
        key = dataset_key(made.dataset)
        assert questions.head(ask, key, as_of=as_of) == model.newest_head(key, as_of)
        if made.is_whole and not made.is_plain:
            assert questions.head(ask, key, as_of=as_of, partition="_all") == model.head(key, "_all", as_of)[0]


def test_a_rollback_is_a_head_from_then_on(ask, history, model):
    back = [event for event in history.events if getattr(event, "is_rollback", False)]
    assert back
    for event in back:
        assert questions.head(ask, dataset_key(event.dataset), as_of=event.at) == version_key(event)
        assert questions.head(ask, dataset_key(event.dataset), as_of=event.at - 1) != version_key(event)


def late(answer):
    return [
        (step.run, round(step.waited, 5), round(step.failed, 5), round(step.ran, 5), len(step.attempts))
        for step in answer.path
    ]


def rounded(path):
    return [(run, *(round(each, 5) for each in seconds), count) for run, *seconds, count in path]


def test_why_late_names_waiting_failed_and_running_time_along_the_critical_path(ask, history, model, some):
    lengths = []
    for run in some(model.starts, 40):
        answer = lateness.why_late(ask, run, end_of(history))
        assert late(answer) == rounded(model.why_late(run))
        lengths.append(len(answer.path))
    assert max(lengths) > 5


def test_the_critical_path_ends_at_the_start_of_the_build(ask, history, model, some):
    for run in some(model.starts):
        answer = lateness.why_late(ask, run, end_of(history))
        assert answer.path[-1].ready == model.starts[answer.path[-1].run].build
        assert sum(step.waited + step.failed + step.ran for step in answer.path) == pytest.approx(answer.took)


def test_the_critical_path_goes_through_what_a_task_asked_for_while_it_ran(ask, history, model):
    asked = [event for event in history.events if isinstance(event, End) and event.outcome is Ended.SUSPENDED]
    tasks = {model.starts[event.run].task for event in asked}
    resumed = [run for run, start in model.starts.items() if start.task in tasks and model.outcome(run) == "complete"]
    paths = [lateness.why_late(ask, run, end_of(history)) for run in resumed[:20]]
    assert [late(path) for path in paths] == [rounded(model.why_late(run)) for run in resumed[:20]]


def test_clocks_that_are_five_seconds_apart_change_the_path_only_between_runs_that_close(written, ask, some):
    right, skewed = History(days=6, jobs=40, seed=5).make(), written(days=6, jobs=40, seed=5, skew=5.0)
    true, same = Model(right.events), dict(zip(skewed.true, right.true, strict=True))
    for run in some(skewed.true, 30):
        path = [same[step.run] for step in lateness.why_late(ask, run, end_of(skewed)).path]
        for after, before in pairwise(path):
            assert abs(true.ended(before) - true.ended(true.before(after, set(), 0))) <= lateness.CLOCKS
        assert not true.before(path[-1], set(), 0) or true.before(path[-1], set(), 0) in path


def test_attempts_that_were_killed_say_by_what(ask, history, model):
    killed = {run for run in model.starts if model.outcome(run) == Ended.ABORTED}
    assert killed
    for job in {job_key(model.starts[run].task.job) for run in killed}:
        for run in questions.runs(ask, job, most=1_000):
            assert run.error == model.error(run.key)
            assert ("killed by" in run.error) == (run.key in killed)


def test_a_run_that_took_longer_than_almost_all_before_it_is_late(told, ask):
    def day(number, seconds):
        run, at = f"r{number}.{told.name}", BEGIN + number * DAY
        end = End(at=at + seconds * SECOND, run=run, outcome=Ended.COMPLETE)
        return Start(at=at, run=run, task=task(told, "Slow", number), build=at), end

    told(*(event for number in range(1, 12) for event in day(number, 60 if number < 11 else 600)))
    usual, slow = (lateness.why_late(ask, f"r{number}.{told.name}", BEGIN + 12 * DAY) for number in (10, 11))
    assert (usual.is_late, slow.is_late) == (False, True)
    assert (slow.took, slow.usual, slow.worst.usual) == (600, 60, 60)


def task(told, family, number=0):
    return Task(Job(told.name, family), f"{family}_{number}_{told.name}")


def test_a_run_that_has_not_ended_is_asked_about_as_of_now(told, ask):
    told(Start(at=BEGIN + 10 * SECOND, run=f"open.{told.name}", task=task(told, "Open"), build=BEGIN + 4 * SECOND))
    (step,) = lateness.why_late(ask, f"open.{told.name}", BEGIN + 25 * SECOND).path
    assert (step.waited, step.ran, step.outcome, step.ended) == (6.0, 15.0, "", 0)


def test_a_task_that_waits_is_late_for_what_runs_or_failed_upstream(told, ask):
    report, middle, source = (task(told, family) for family in ("Report", "Middle", "Source"))
    told(
        Need(at=BEGIN, task=report, needs=middle),
        Need(at=BEGIN, task=middle, needs=source),
        Start(at=BEGIN, run=f"s.{told.name}", task=source, build=BEGIN, owner="lake"),
        End(at=BEGIN + 60 * SECOND, run=f"s.{told.name}", outcome=Ended.ABORTED, error="ended without a word"),
        Interruption(at=BEGIN + 61 * SECOND, task=source, cause="timed out"),
    )
    answer = lateness.why_job(ask, job_key(report.job), BEGIN + 100 * SECOND)
    assert [(step.task, step.outcome) for step in answer.path] == [
        (task_key(report), "waiting"),
        (task_key(middle), "waiting"),
        (task_key(source), "aborted"),
    ]
    assert (answer.worst.owner, answer.worst.error) == ("lake", "timed out")
    assert answer.took == 100


def test_the_last_run_of_a_job_answers_for_the_job(ask, history, model):
    job = job_key(history.made[-1].job)
    assert late(lateness.why_job(ask, job, end_of(history))) == rounded(model.why_late(model.runs(job)[0]))


@pytest.mark.parametrize("days", [0.5, 1.5, 5])
def test_stale_datasets_are_those_older_than_promised_with_who_reads_and_who_waits(ask, history, model, days):
    now = end_of(history) + round(days * DAY)
    answer = {each.dataset: each for each in questions.stale(ask, now) if history.name in each.dataset}
    expected = model.stale(now)
    assert answer.keys() == expected.keys()
    assert answer or days < 1
    for dataset, (updated, writers, readers, waiting) in expected.items():
        each = answer[dataset]
        assert (each.updated, list(each.writers)) == (updated, writers)
        assert sorted(reader.job for reader in each.readers) == readers
        assert {(each.task, each.needs) for each in each.waiting} == waiting


def test_tasks_that_wait_for_stale_data_are_named(told, ask, settings, history, model):
    made = next(made for made in history.made if made.max_age and not made.is_plain)
    now = end_of(history) + 10 * DAY
    report, missing = task(told, "Report"), made.task(DAYS + 10)
    told(Need(at=now, task=report, needs=missing))
    (each,) = (each for each in questions.stale(ask, now) if each.dataset == dataset_key(made.dataset))
    assert [(wait.task, wait.needs) for wait in each.waiting] == [(task_key(report), task_key(missing))]
    forget(ask, missing.id)


def test_a_job_promises_for_what_it_writes_and_a_setting_for_the_rest(told, ask):
    def write(family, max_age):
        run, job = f"{family}.{told.name}", Job(told.name, family)
        told(
            Start(at=BEGIN, run=run, task=Task(job, f"{family}_{told.name}"), max_age=max_age),
            Write(
                at=BEGIN,
                run=run,
                job=job,
                dataset=Dataset("file", f"/{told.name}/{family}"),
                certainty="declared",
                version="m1s1",
            ),
        )

    write("Promised", 60.0)
    write("Free", 0.0)

    def promises(**how):
        answer = questions.stale(ask, BEGIN + 2 * DAY, **how)
        return {each.dataset.rpartition("/")[2]: each.max_age for each in answer if told.name in each.dataset}

    assert promises(max_age=100.0) == {"Promised": 60.0, "Free": 100.0}
    assert promises() == {"Promised": 60.0}


def test_slow_jobs_are_those_whose_runs_differ_most_with_their_longest_runs(ask, history, model):
    answer = [each for each in questions.slow(ask, history.epoch, ratio=1.5) if history.name in each.job]
    expected = model.slow(history.epoch, 1.5)
    assert {each.job: (each.count, round(each.p50, 4), round(each.p95, 4)) for each in answer} == {
        job: (count, round(p50, 4), round(p95, 4)) for job, (count, p50, p95) in expected.items()
    }
    assert answer
    for each in answer:
        took = [(run.ended - run.started) / SECOND for run in each.outliers]
        assert took == sorted(took, reverse=True)
        assert took[0] == pytest.approx(each.longest)


def test_runs_of_a_job_come_newest_first(ask, history, model):
    job = job_key(history.made[7].job)
    answer = questions.runs(ask, job, most=10)
    assert [run.key for run in answer] == model.runs(job)[:10]
    assert [(run.ended, run.outcome) for run in answer] == [
        (model.ended(run), model.outcome(run)) for run in model.runs(job)[:10]
    ]


def test_who_wrote_a_version_is_its_run_with_code_and_parameters(ask, model, some):
    for version in some(model.writes):
        answer, write = questions.who_wrote(ask, version), model.writes[version]
        start = model.starts[write.run]
        assert (answer.run, answer.task, answer.owner) == (write.run, task_key(start.task), start.owner)
        assert (answer.params, answer.commit, answer.source) == (start.params, start.commit, start.source)
        assert (answer.rows, answer.removed) == (write.rows, model.removed.get(version, 0))
        heads = model.publications[dataset_key(write.dataset)][write.partition]
        assert answer.published == tuple(sorted(each.at for each in heads if version_key(each) == version))


def test_the_difference_of_two_runs_is_in_inputs_parameters_and_code(ask, history, model):
    job = job_key(history.made[-1].job)
    later, earlier = [run for run in model.runs(job) if model.outcome(run) == Ended.COMPLETE][:2]
    answer = questions.diff(ask, earlier, later)
    inputs = {(change.name, version) for change in answer.inputs for version in change.after}
    only_later = model.reads[later] - model.reads[earlier]
    assert inputs == {tuple(version.split("#", 1)) for version in only_later}
    assert [(change.name, change.before, change.after) for change in answer.params] == [
        ("day", (model.starts[earlier].params["day"],), (model.starts[later].params["day"],))
    ]
    assert answer.code == ()


def test_a_run_does_not_differ_from_itself(ask, model):
    run = next(iter(model.starts))
    answer = questions.diff(ask, run, run)
    assert (answer.inputs, answer.params, answer.code) == ((), (), ())


def test_names_are_found_by_their_end_and_runs_by_their_start(ask, history, model):
    made = next(made for made in history.made if not made.is_plain)
    version, write = next((key, write) for key, write in model.writes.items() if write.version.startswith("v"))
    assert lookup.dataset(ask, f"{history.name}.{made.name.lower()}") == dataset_key(made.dataset)
    assert lookup.node(ask, job_key(made.job)) == job_key(made.job)
    assert lookup.run(ask, write.run[:13]) == write.run
    assert lookup.version(ask, write.version) == version


def test_an_unknown_name_is_an_error_that_names_a_similar_one(ask, history):
    with pytest.raises(BadSetting, match=r"there is no dataset .*; did you mean"):
        lookup.dataset(ask, f"{history.name}.team0job00")


def test_searches_are_pruned(settings):
    """A search that is not would go along every path, of which there are more than there is time."""
    from luigi_sinks.neo4j import connection  # noqa: PLC0415

    for query in (*questions._FLOWS.values(), *(each + questions._BY_DATASET for each in questions._USED.values())):
        plan = connection._used(
            settings,
            connection.Limit.request(settings),
            lambda session, query=query: session.run(f"EXPLAIN {query}", key="").consume().plan,
        )
        assert "VarLengthExpand(Pruning,BFS" in str(plan)


def network_of(ask, history, **how):
    found = snapshot.network(ask, now=end_of(history), **how)
    datasets = {each.key: each for each in found.datasets if history.name in each.key}
    jobs = {each.key: each for each in found.jobs if history.name in each.key}
    return found, datasets, jobs


@pytest.mark.parametrize("day", [4.5, DAYS])
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
    now = end_of(history) + 2 * DAY
    found = snapshot.network(ask, now=now)
    assert {each.key for each in found.datasets if each.is_stale(now) and history.name in each.key} == model.stale(
        now
    ).keys()


@pytest.mark.parametrize("day", [4.5, DAYS])
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
    assert network_of(ask, history, run=run)[0].path == lateness.why_late(ask, run, end_of(history)).path
