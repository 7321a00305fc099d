"""Jobs are slow when a plain Python model says so."""

import pytest

from luigi_sinks.lineage.questions import durations
from tests.lineage_history import SECOND


def test_slow_jobs_are_those_whose_runs_differ_most_with_their_longest_runs(ask, history, model):
    answer = [each for each in durations.slow(ask, history.epoch, ratio=1.5) if history.name in each.job]
    expected = model.slow(history.epoch, 1.5)
    assert {each.job: (each.count, round(each.p50, 4), round(each.p95, 4)) for each in answer} == {
        job: (count, round(p50, 4), round(p95, 4)) for job, (count, p50, p95) in expected.items()
    }
    assert answer
    for each in answer:
        took = [(run.ended - run.started) / SECOND for run in each.outliers]
        assert took == sorted(took, reverse=True)
        assert took[0] == pytest.approx(each.longest)
