"""The critical path of a run is that of a plain Python model."""

from itertools import pairwise

import pytest

from luigi_sinks.lineage.questions import lateness
from luigi_sinks.recording.events import End, Ended, Interruption, Need, Start
from tests.lineage_history import DAY, EPOCH, SECOND, History
from tests.lineage_model import Model, job_key, task_key


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
        answer = lateness.why_late(ask, run, history.end)
        assert late(answer) == rounded(model.why_late(run))
        lengths.append(len(answer.path))
    assert max(lengths) > 5


def test_the_critical_path_ends_at_the_start_of_the_build(ask, history, model, some):
    for run in some(model.starts):
        answer = lateness.why_late(ask, run, history.end)
        assert answer.path[-1].ready == model.starts[answer.path[-1].run].build
        assert sum(step.waited + step.failed + step.ran for step in answer.path) == pytest.approx(answer.took)


def test_the_critical_path_goes_through_what_a_task_asked_for_while_it_ran(ask, history, model):
    asked = [event for event in history.events if isinstance(event, End) and event.outcome is Ended.SUSPENDED]
    tasks = {model.starts[event.run].task for event in asked}
    resumed = [run for run, start in model.starts.items() if start.task in tasks and model.outcome(run) == "complete"]
    paths = [lateness.why_late(ask, run, history.end) for run in resumed[:20]]
    assert [late(path) for path in paths] == [rounded(model.why_late(run)) for run in resumed[:20]]


def test_clocks_that_are_five_seconds_apart_change_the_path_only_between_runs_that_close(written, ask, some):
    right, skewed = History(days=6, jobs=40, seed=5).make(), written(days=6, jobs=40, seed=5, skew=5.0)
    true, same = Model(right.events), dict(zip(skewed.true, right.true, strict=True))
    for run in some(skewed.true, 30):
        path = [same[step.run] for step in lateness.why_late(ask, run, skewed.end).path]
        for after, before in pairwise(path):
            assert abs(true.ended(before) - true.ended(true.before(after, set(), 0))) <= lateness.CLOCKS
        assert not true.before(path[-1], set(), 0) or true.before(path[-1], set(), 0) in path


def test_a_run_that_took_longer_than_almost_all_before_it_is_late(told, ask):
    def day(number, seconds):
        run, at = f"r{number}.{told.name}", EPOCH + number * DAY
        end = End(at=at + seconds * SECOND, run=run, outcome=Ended.COMPLETE)
        return Start(at=at, run=run, task=told.task("Slow", number), build=at), end

    told(*(event for number in range(1, 12) for event in day(number, 60 if number < 11 else 600)))
    usual, slow = (lateness.why_late(ask, f"r{number}.{told.name}", EPOCH + 12 * DAY) for number in (10, 11))
    assert (usual.is_late, slow.is_late) == (False, True)
    assert (slow.took, slow.usual, slow.worst.usual) == (600, 60, 60)


def test_a_run_that_has_not_ended_is_asked_about_as_of_now(told, ask):
    told(Start(at=EPOCH + 10 * SECOND, run=f"open.{told.name}", task=told.task("Open"), build=EPOCH + 4 * SECOND))
    (step,) = lateness.why_late(ask, f"open.{told.name}", EPOCH + 25 * SECOND).path
    assert (step.waited, step.ran, step.outcome, step.ended) == (6.0, 15.0, "", 0)


def test_a_task_that_waits_is_late_for_what_runs_or_failed_upstream(told, ask):
    report, middle, source = (told.task(family) for family in ("Report", "Middle", "Source"))
    told(
        Need(at=EPOCH, task=report, needs=middle),
        Need(at=EPOCH, task=middle, needs=source),
        Start(at=EPOCH, run=f"s.{told.name}", task=source, build=EPOCH, owner="lake"),
        End(at=EPOCH + 60 * SECOND, run=f"s.{told.name}", outcome=Ended.ABORTED, error="ended without a word"),
        Interruption(at=EPOCH + 61 * SECOND, task=source, cause="timed out"),
    )
    answer = lateness.why_job(ask, job_key(report.job), EPOCH + 100 * SECOND)
    assert [(step.task, step.outcome) for step in answer.path] == [
        (task_key(report), "waiting"),
        (task_key(middle), "waiting"),
        (task_key(source), "aborted"),
    ]
    assert (answer.worst.owner, answer.worst.error) == ("lake", "timed out")
    assert answer.took == 100


def test_the_last_run_of_a_job_answers_for_the_job(ask, history, model):
    job = job_key(history.made[-1].job)
    assert late(lateness.why_job(ask, job, history.end)) == rounded(model.why_late(model.runs(job)[0]))


def ran(told, family, start, seconds, outcome=Ended.COMPLETE, error="", **facts):
    """Return the events of a run of a job in one build, of a worker that runs one task at a time."""
    run = f"{family}{start}.{told.name}"
    about = {"build": EPOCH, "worker": f"Worker {told.name}", "host": "here", **facts}
    at = EPOCH + start * SECOND
    return (
        Start(at=at, run=run, task=told.task(family), **about),
        End(at=at + seconds * SECOND, run=run, outcome=outcome, error=error),
    )


def test_a_step_that_waited_for_its_worker_names_the_job_that_this_ran(told, ask):
    told(*ran(told, "Short", 0, 1), *ran(told, "Carriers", 7, 1))
    told(*(event for at in (1, 4) for event in ran(told, "Flights", at, 3, owner="flight_ops")))
    told(*ran(told, "Other", 2, 5, worker="another"))
    (step,) = lateness.why_late(ask, f"Carriers7.{told.name}", EPOCH + DAY).path
    assert (step.waited, step.held_by, step.held_by_owner) == (7.0, f"{told.name}/Flights", "flight_ops")


def test_a_run_that_another_job_held_for_less_than_half_of_its_wait_names_none(told, ask):
    told(*ran(told, "Flights", 1, 3), *ran(told, "Carriers", 7, 1))
    assert lateness.why_late(ask, f"Carriers7.{told.name}", EPOCH + DAY).path[0].held_by == ""


def test_the_pause_before_a_retry_is_told_from_other_waiting(told, ask):
    told(*ran(told, "Again", 2, 1, Ended.FAILED, "RuntimeError"), *ran(told, "Again", 7, 1))
    (step,) = lateness.why_late(ask, f"Again7.{told.name}", EPOCH + DAY).path
    assert (step.waited, step.failed, step.paused, step.held_by) == (6.0, 1.0, 4.0, "")


def test_a_task_that_waits_names_all_failed_requirements(told, ask):
    needed = told.task("Broken"), told.task("Leak"), told.task("Fine"), told.task("Later")
    told(
        *(Need(at=EPOCH, task=told.task("Late"), needs=each) for each in needed),
        *ran(told, "Fine", 0, 1),
        *(event for name in ("Broken", "Leak") for event in ran(told, name, 1, 1, Ended.FAILED, "ValueError")),
    )
    answer = lateness.why_job(ask, f"{told.name}/Late", EPOCH + DAY)
    assert [(run.task, run.error) for run in answer.failed] == [(task_key(each), "ValueError") for each in needed[:2]]
    assert not answer.build_ended
    told(Need(at=EPOCH + 60 * SECOND, task=told.task("Late"), needs=needed[0]))
    assert lateness.why_job(ask, f"{told.name}/Late", EPOCH + DAY).failed == ()


@pytest.mark.parametrize("was_seen", [True, False])
def test_a_task_whose_build_died_with_what_it_requires_never_ran(told, ask, was_seen):
    needed = told.task("Killed")
    told(
        Need(at=EPOCH, task=told.task("Late"), needs=needed),
        *ran(told, "Killed", 1, 1, Ended.ABORTED, "ended without a word"),
        *[Interruption(at=EPOCH + 3 * SECOND, task=needed, cause="exit code -9")] * was_seen,
    )
    answer = lateness.why_job(ask, f"{told.name}/Late", EPOCH + DAY)
    assert answer.build_ended is not was_seen
    assert [run.error for run in answer.failed] == ["exit code -9" if was_seen else "ended without a word"]
