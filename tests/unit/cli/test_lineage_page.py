"""`luigi-sinks lineage page` writes what Neo4j knows as one file."""

import json
import re
from contextlib import nullcontext
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli import lineage
from luigi_sinks.cli.app import app
from luigi_sinks.lineage.questions.lateness import Lateness
from tests.networks import NOW, team


@pytest.fixture
def asked(monkeypatch, luigi_cfg, tmp_path):
    """Answer every question with the team's network; return what was asked for."""
    asked = {}
    luigi_cfg(f"[luigi_sinks.lineage]\nspool = {tmp_path}/spool\n")

    def network(ask, **options):
        asked.update(options)
        return replace(team(), path=(), trail=())

    monkeypatch.setattr(lineage, "_asking", nullcontext)
    monkeypatch.setattr(lineage.snapshot, "network", network)
    return asked


def written(path):
    return json.loads(re.search(r'id="data">(.+?)</script>', path.read_text(), re.DOTALL)[1])


def run(*arguments):
    done = CliRunner().invoke(app, ["lineage", "page", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_page_holds_all_datasets_and_jobs(asked, tmp_path):
    path = tmp_path / "lineage.html"
    assert "14 datasets, 11 jobs" in run("-o", path)
    assert len(written(path)["nodes"]) == 25
    assert written(path)["path"] == []


def test_it_is_written_here_under_its_own_name_if_none_is_given(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run()
    assert (tmp_path / "lineage.html").exists()


def test_a_run_adds_its_critical_path_and_a_time_is_passed_on(asked, tmp_path, monkeypatch):
    steps = team().path
    answer = Lateness(steps)
    monkeypatch.setattr(lineage.names, "why_late", lambda ask, text, now: answer)
    monkeypatch.setattr(lineage.snapshot, "along", lambda ask, found, path: replace(found, path=path))
    run("-o", tmp_path / "page.html", "--run", "PunctualityReport", "--as-of", "2026-11-27T19:00:00Z")
    assert [step["job"] for step in written(tmp_path / "page.html")["path"]] == [step.job for step in steps]
    assert asked["as_of"] == NOW


def test_a_file_that_cannot_be_written_is_said(asked, tmp_path):
    done = CliRunner().invoke(app, ["lineage", "page", "-o", str(tmp_path / "missing" / "page.html")])
    assert done.exit_code == 2
    assert done.output.startswith(f"cannot write {tmp_path}")
    assert "No such file or directory; name another file with -o" in " ".join(done.output.split())
