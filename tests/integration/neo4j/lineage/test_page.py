"""The page of what Neo4j holds, written by the command and seen in a browser."""

import json
import re
import secrets
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app
from luigi_sinks.lineage import snapshot
from luigi_sinks.lineage.graph import schema, writing
from luigi_sinks.lineage.network import Network
from luigi_sinks.neo4j.connection import alone
from luigi_sinks.recording import clock
from luigi_sinks.recording.events import Certainty, Dataset, End, Ended, Job, Read, Start, Task, Write
from tests.browser import browser
from tests.lineage_graph import forget
from tests.lineage_history import History
from tests.lineage_model import Model, job_key


@pytest.fixture(scope="module")
def history(settings):
    ask = alone(settings)
    schema.prepare(ask)
    history = History(days=6, jobs=12, name=f"page_{secrets.token_hex(4)}").make()
    writing.write(settings, history.events)
    yield history
    forget(ask, history.name)


@pytest.fixture
def written(section, history, tmp_path):
    """Write the page with the path of the last job's run; return the file, and the data in it."""
    section("lineage", spool=tmp_path / "spool", exit_seconds=0)
    path, job = tmp_path / "page.html", job_key(history.made[-1].job)
    done = CliRunner().invoke(app, ["lineage", "page", "-o", str(path), "--run", job], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return path, json.loads(re.search(r'id="data">(.+?)</script>', path.read_text(), re.DOTALL)[1])


def test_the_page_shows_every_dataset_and_job_that_was_recorded_and_the_path_of_a_run(written, history):
    path, data = written
    model = Model(history.events)
    recorded = {key for flow in (*model.flows_in, *model.flows_out) for key in flow}
    recorded |= {job_key(start.task.job) for start in model.starts.values()}
    with browser() as tab:
        tab.show()
        tab.open(path)
        drawn = tab.run("[...document.querySelectorAll('.node > title')].map(each => each.textContent)")
        steps = tab.run("document.querySelectorAll('.path tbody tr').length")
    assert tab.complaints == []
    assert recorded == {key for key in drawn if history.name in key}
    assert steps == len(data["path"]) > 1


def test_what_a_run_was_made_of_is_followed_through_versions(settings, history):
    ask, model = alone(settings), Model(history.events)
    runs = sorted(run for run, read in model.reads.items() if read and run in model.starts)
    assert len(runs) > 10
    for run in runs[:: len(runs) // 10]:
        found = snapshot.network(ask, now=clock.now(), run=run)
        assert set(found.trail) == model.trail(run)
        assert dict(found.parameters) == model.starts[run].params


def test_of_a_task_that_waits_the_first_run_that_it_waits_for_is_followed(settings, history):
    ask, model = alone(settings), Model(history.events)
    run = next(run for run, read in sorted(model.reads.items()) if read and run in model.starts)
    path = snapshot.network(ask, now=clock.now(), run=run).path
    waits = replace(path[0], run="", started=0, outcome="waiting")
    found = snapshot.along(ask, Network(clock.now()), (waits, *path))
    assert set(found.trail) == model.trail(run)
    assert found.parameters == ()


def test_files_of_other_months_are_no_part_of_what_a_run_was_made_of(settings, place):
    fetch, report = Job(place, "Fetch"), Job(place, "Report")
    writing.write(settings, [event for month in range(1, 5) for event in months(place, fetch, report, month)])
    found = snapshot.network(alone(settings), now=clock.now(), run=f"{place}-report-3")
    third = f"file//{place}/3.csv"
    assert found.trail == ((third, job_key(fetch)), (job_key(report), third))
    assert f"file//{place}/2.csv" in found.upstream(job_key(report))
    assert dict(found.parameters) == {"month": "3"}


@pytest.fixture
def place(settings):
    schema.prepare(alone(settings))
    name = f"months_{secrets.token_hex(4)}"
    yield name
    forget(alone(settings), name)


def months(place, fetch, report, month):
    """Yield what is recorded of one month: a run that writes its file, and one that reads it."""
    file = {"dataset": Dataset("file", f"/{place}/{month}.csv"), "version": f"m{month}s1", "partition": ""}
    declared, params = {"at": month, "certainty": Certainty.DECLARED}, {"month": str(month)}
    for job in (fetch, report):
        run = f"{place}-{job.name.lower()}-{month}"
        yield Start(at=month, run=run, task=Task(job, f"{job.name}_{month}"), params=params)
        yield End(at=month + 1, run=run, outcome=Ended.COMPLETE)
        yield (Write if job is fetch else Read)(run=run, job=job, **file, **declared)
