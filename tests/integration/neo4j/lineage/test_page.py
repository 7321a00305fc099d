"""The page of what Neo4j holds, written by the command and seen in a browser."""

import json
import re
import secrets

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app
from luigi_sinks.lineage.graph import schema, writing
from luigi_sinks.neo4j.connection import alone
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
