"""The outcome of an action whose process was killed is found out, and logged."""

import json
import os
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from luigi_sinks import audit, config, elasticsearch, versions
from luigi_sinks.audit import log, notes
from luigi_sinks.cli.app import app
from luigi_sinks.errors import CredentialError
from luigi_sinks.sqlite import SQLiteSink
from tests.killed import killed


class Numbers(elasticsearch.CopyToIndex):
    index = "numbers"
    mapping = {"id": {"type": "integer"}}
    partition_by = ()

    def docs(self):
        return [{"id": 1}, {"id": 2}]


@pytest.fixture(autouse=True)
def path(luigi_cfg, tmp_path):
    """Require an audit log with an anchor."""
    luigi_cfg(
        f"[luigi_sinks]\nlocal = {tmp_path}/data\n[luigi_sinks.audit]\npath = {tmp_path}/audit\n"
        f"anchor = {tmp_path}/anchor\nrequired = true\n"
    )
    audit.forget_settings()
    audit.begin(tmp_path / "audit", tmp_path / "anchor")
    yield tmp_path / "audit"
    audit.forget_settings()


@pytest.fixture
def lines(path):
    """Return the action and outcome of each line about a version."""

    def lines(version=None):
        found = map(json.loads, path.read_text().splitlines())
        return [f"{each['action']} {each['outcome']}" for each in found if version in {None, each.get("version")}]

    return lines


def catalog():
    return Numbers().output().sink()


def all_versions():
    return [record.version for record in catalog().records()]


def verify(*options):
    return CliRunner().invoke(app, ["audit", "verify", *options], catch_exceptions=False)


def load():
    Numbers(rerun=os.urandom(4).hex()).run()


def look():
    list(versions.read(catalog(), catalog().head("_all").version))


@pytest.mark.parametrize("how", [load, look, verify], ids=["the next load", "a look", "verify"])
def test_a_publication_that_a_killed_process_could_not_log_is_logged_by(how, lines, path):
    killed(load, "publish")
    (version,) = all_versions()
    assert lines(str(version)) == ["load begun", "load success"]
    how()
    assert lines(str(version))[:3] == ["load begun", "load success", "publish success"]
    line = json.loads(path.read_text().splitlines()[2])
    assert (line["rows"], line["epoch"], line["server"]) == (2, 1, "elasticsearch")
    assert line["reason"].startswith("found out later, as pid")
    assert verify().exit_code == 0
    assert lines(str(version)).count("publish success") == 1


@pytest.mark.parametrize("how", [load, verify], ids=["the next load", "verify"])
def test_a_load_whose_process_was_killed_before_it_published_is_logged_as_failed_by(how, lines):
    killed(load, "load")
    (version,) = all_versions()
    how()
    assert lines(str(version))[:2] == ["load begun", "load failure"]
    assert verify().exit_code == 0


def test_a_load_that_was_killed_before_it_staged_anything_is_logged_as_failed(lines):
    def load_up_to_the_claim():
        SQLiteSink.begin = lambda *_: audit.record(audit.Entry("here"))
        load()

    killed(load_up_to_the_claim, "here")
    assert (all_versions(), lines()) == ([], ["load begun"])
    assert verify().exit_code == 0
    assert lines() == ["load begun", "load failure"]


@pytest.mark.parametrize("is_done", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("how", [load, verify], ids=["the next load", "verify"])
def test_a_rollback_whose_process_was_killed_is_logged_by(how, is_done, lines):
    load()
    load()
    first, _ = all_versions()

    def roll_back():
        if not is_done:
            SQLiteSink.publish = lambda *_, **__: audit.record(audit.Entry("rollback"))
        versions.roll_back(catalog(), first)

    killed(roll_back, "rollback")
    how()
    assert [line for line in lines(str(first)) if "roll" in line] == [
        "rollback begun",
        "rollback success" if is_done else "rollback failure",
    ]


def test_a_prune_whose_process_was_killed_is_logged(lines):
    load()
    load()
    first, _ = all_versions()
    killed(lambda: versions.prune(catalog(), first, min_age=timedelta(0)), "prune")
    load()
    assert lines(str(first))[-2:] == ["prune begun", "prune success"]


@pytest.mark.parametrize("is_done", [True, False], ids=["after", "before"])
def test_a_withdrawal_whose_process_was_killed_is_logged(lines, is_done):
    load()
    (only,) = all_versions()

    def withdraw():
        if not is_done:
            SQLiteSink.unpublish = lambda *_, **__: audit.record(audit.Entry("withdraw"))
        versions.withdraw(catalog(), only)

    killed(withdraw, "withdraw")
    assert verify().exit_code == 0
    said = [line for line in lines(str(only)) if "withdraw" in line]
    assert said == ["withdraw begun", "withdraw success" if is_done else "withdraw failure"]


def test_what_still_goes_on_gets_no_outcome(lines):
    with Numbers().output().open("w") as sink:
        sink.write((1,))
        assert verify().exit_code == 0
        assert lines() == ["load begun"]
    assert lines() == ["load begun", "load success", "publish success"]


def test_an_outcome_that_could_not_be_written_is_logged_later(lines, monkeypatch):
    write = log.write

    def lose_the_publication(entry):
        if entry.action == "publish":
            raise OSError("the disk is full")
        write(entry)

    with monkeypatch.context() as full:
        full.setattr(log, "write", lose_the_publication)
        load()
    assert lines() == ["load begun", "load success"]
    look()
    assert lines()[:3] == ["load begun", "load success", "publish success"]


def test_without_a_note_verify_finds_the_intent_in_the_log_itself(lines, path):
    killed(load, "publish")
    for note in path.with_name(".audit.begun").iterdir():
        note.unlink()
    assert verify("--path", str(path)).stdout.count("has no outcome in the log") == 1
    assert verify().exit_code == 0
    assert lines() == ["load begun", "load success", "publish success"]


def test_a_store_that_does_not_say_leaves_the_intent_open(lines, tmp_path, path):
    killed(load, "publish")
    (tmp_path / "data" / "elasticsearch.sqlite").write_text("no database")
    done = verify()
    assert done.exit_code == 1
    assert "load of numbers/_all/" in done.stdout
    assert lines() == ["load begun", "load success"]


def test_no_note_is_left_of_what_is_logged(path):
    load()
    look()
    assert list(path.with_name(".audit.begun").iterdir()) == []


def test_what_cannot_be_noted_is_not_done_where_the_log_is_required(path):
    path.with_name(".audit.begun").symlink_to("/nowhere")
    with pytest.raises(CredentialError, match="nothing is done that is not recorded"):
        load()
    assert all_versions() == []


def test_without_a_log_nothing_is_noted(tmp_path):
    config.use({"luigi_sinks": {"local": str(tmp_path / "data")}})
    load()
    assert list(notes._left()) == []
