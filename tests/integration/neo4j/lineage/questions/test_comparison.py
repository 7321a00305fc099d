"""The difference of two runs is that of a plain Python model."""

from luigi_sinks.lineage.questions import comparison
from luigi_sinks.recording.events import Ended
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
