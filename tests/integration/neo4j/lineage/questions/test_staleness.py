"""Datasets are stale when a plain Python model says so, and with whom it names."""

import pytest

from luigi_sinks.lineage.questions import staleness
from luigi_sinks.recording.events import Dataset, Job, Need, Start, Task, Write
from tests.lineage_graph import forget
from tests.lineage_history import DAY, EPOCH
from tests.lineage_model import dataset_key, task_key


@pytest.mark.parametrize("days", [0.5, 1.5, 5])
def test_stale_datasets_are_those_older_than_promised_with_who_reads_and_who_waits(ask, history, model, days):
    now = history.end + round(days * DAY)
    answer = {each.dataset: each for each in staleness.stale(ask, now) if history.name in each.dataset}
    expected = model.stale(now)
    assert answer.keys() == expected.keys()
    assert answer or days < 1
    for dataset, (updated, writing, readers, waiting) in expected.items():
        each = answer[dataset]
        assert (each.updated, list(each.writers)) == (updated, writing)
        assert sorted(reader.job for reader in each.readers) == readers
        assert {(each.task, each.needs) for each in each.waiting} == waiting


def test_tasks_that_wait_for_stale_data_are_named(told, ask, settings, history, model):
    made = next(made for made in history.made if made.max_age and not made.is_plain)
    now = history.end + 10 * DAY
    report, missing = told.task("Report"), made.task(history.days + 10)
    told(Need(at=now, task=report, needs=missing))
    (each,) = (each for each in staleness.stale(ask, now) if each.dataset == dataset_key(made.dataset))
    assert [(wait.task, wait.needs) for wait in each.waiting] == [(task_key(report), task_key(missing))]
    forget(ask, missing.id)


def test_a_job_promises_for_what_it_writes_and_a_setting_for_the_rest(told, ask):
    def write(family, max_age):
        run, job = f"{family}.{told.name}", Job(told.name, family)
        told(
            Start(at=EPOCH, run=run, task=Task(job, f"{family}_{told.name}"), max_age=max_age),
            Write(
                at=EPOCH,
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
        answer = staleness.stale(ask, EPOCH + 2 * DAY, **how)
        return {each.dataset.rpartition("/")[2]: each.max_age for each in answer if told.name in each.dataset}

    assert promises(max_age=100.0) == {"Promised": 60.0, "Free": 100.0}
    assert promises() == {"Promised": 60.0}
