"""The runs of a job are those of a plain Python model, and those that were killed say by what."""

from luigi_sinks.lineage.questions import job_runs
from luigi_sinks.recording.events import Ended
from tests.lineage_model import job_key


def test_attempts_that_were_killed_say_by_what(ask, history, model):
    killed = {run for run in model.starts if model.outcome(run) == Ended.ABORTED}
    assert killed
    for job in {job_key(model.starts[run].task.job) for run in killed}:
        for run in job_runs.runs(ask, job, most=1_000):
            assert run.error == model.error(run.run)
            assert ("killed by" in run.error) == (run.run in killed)


def test_runs_of_a_job_come_newest_first(ask, history, model):
    job = job_key(history.made[7].job)
    answer = job_runs.runs(ask, job, most=10)
    assert [run.run for run in answer] == model.runs(job)[:10]
    assert [(run.ended, run.outcome) for run in answer] == [
        (model.ended(run), model.outcome(run)) for run in model.runs(job)[:10]
    ]
