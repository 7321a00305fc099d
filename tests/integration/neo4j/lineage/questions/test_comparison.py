"""The difference of two runs is that of a plain Python model."""

import pytest

from luigi_sinks.lineage.questions import comparison
from luigi_sinks.recording.events import End, Ended, Start
from tests.lineage_history import EPOCH, SECOND
from tests.lineage_model import job_key


def test_the_difference_of_two_runs_is_in_inputs_parameters_and_code(ask, history, model):
    job = job_key(history.made[-1].job)
    later, earlier = [run for run in model.runs(job) if model.outcome(run) == Ended.COMPLETE][:2]
    answer = comparison.diff(ask, earlier, later)
    inputs = {(change.name, version) for change in answer.inputs for version in change.after}
    only_later = model.reads[later] - model.reads[earlier]
    assert inputs == {tuple(version.split("#", 1)) for version in only_later}
    assert [(change.name, change.before, change.after) for change in answer.params] == [
        ("day", (model.starts[earlier].params["day"],), (model.starts[later].params["day"],))
    ]
    assert answer.code == ()


def test_a_run_does_not_differ_from_itself(ask, model):
    run = next(iter(model.starts))
    answer = comparison.diff(ask, run, run)
    assert (answer.inputs, answer.params, answer.code) == ((), (), ())


@pytest.mark.parametrize(
    ("source", "digest", "code"),
    [
        ("jobs/tasks.py", "1234", ()),
        ("/home/me/repository/jobs/tasks.py", "1234", ()),
        ("jobs/tasks.py", "5678", ("digest",)),
        ("jobs/other.py", "1234", ("source",)),
        ("/home/me/repository/jobs/tasks.py", "5678", ("digest", "source")),
    ],
)
def test_code_is_the_same_if_its_file_is_whatever_the_checkout(told, ask, source, digest, code):
    one, other, task = f"one.{told.name}", f"other.{told.name}", told.task("Report")
    told(
        Start(at=EPOCH, run=one, task=task, source="jobs/tasks.py", digest="1234"),
        Start(at=EPOCH, run=other, task=task, source=source, digest=digest),
        End(at=EPOCH + 2 * SECOND, run=one, outcome=Ended.FAILED),
        End(at=EPOCH + 3 * SECOND, run=other, outcome=Ended.COMPLETE),
    )
    answer = comparison.diff(ask, one, other)
    assert tuple(change.name for change in answer.code) == code
    assert (answer.outcomes, answer.took) == (("failed", "complete"), (2.0, 3.0))
