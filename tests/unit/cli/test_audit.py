"""`luigi-sinks audit verify`."""

import pytest
from typer.testing import CliRunner

from luigi_sinks.audit.chain import Log, begin
from luigi_sinks.cli.app import app


@pytest.fixture
def log(luigi_cfg, tmp_path):
    """A log of five records with an anchor, named in luigi.cfg."""
    path, anchor = tmp_path / "audit.log", tmp_path / "anchor"
    begin(path, anchor)
    for number in range(5):
        Log(path, anchor=anchor).append({"number": number})
    luigi_cfg(f"[luigi_sinks.audit]\npath = {path}\nanchor = {anchor}\n")
    return path


def run(*command):
    return CliRunner().invoke(app, ["audit", *command], catch_exceptions=False)


def verify(*options):
    return run("verify", *options)


def test_an_anchor_is_begun_once(log):
    anchor = log.with_name("anchor")
    assert "is there already" in run("begin").stderr
    anchor.unlink()
    assert (verify().exit_code, verify().stdout.count("run `luigi-sinks audit begin`")) == (1, 1)
    done = run("begin")
    assert (done.exit_code, done.stdout) == (0, f"{log}: 5 records, the last one is 5, 0 faults\n")
    assert verify().exit_code == 0


def test_an_anchor_is_begun_before_the_first_record(luigi_cfg, tmp_path):
    luigi_cfg(f"[luigi_sinks.audit]\npath = {tmp_path}/new\nanchor = {tmp_path}/its_anchor\n")
    assert run("begin").exit_code == 0
    Log(tmp_path / "new", anchor=tmp_path / "its_anchor").append({"number": 0})
    assert verify().exit_code == 0


def test_no_anchor_is_begun_for_a_log_with_faults(log):
    change(log, lambda lines: lines.pop(1))
    log.with_name("anchor").unlink()
    done = run("begin")
    assert done.exit_code == 1
    assert "records 2 to 2 are missing" in done.stdout
    assert not log.with_name("anchor").exists()


@pytest.mark.parametrize("text", ["", "5 abc", "nonsense"])
def test_an_anchor_that_holds_no_head_is_a_fault(log, text):
    log.with_name("anchor").write_text(text)
    done = verify()
    assert done.exit_code == 1
    assert "does not hold the head of a log" in done.stdout


@pytest.mark.parametrize("settings", ["anchor = {0}/anchor", "path = {0}/audit\nanchor = {0}/audit"])
def test_an_anchor_without_a_log_of_its_own_is_refused(luigi_cfg, tmp_path, settings):
    luigi_cfg(f"[luigi_sinks.audit]\n{settings.format(tmp_path)}\n")
    done = verify()
    assert done.exit_code == 2
    assert "anchor needs a path, of another file" in done.stderr


def change(log, edit):
    lines = log.read_text().splitlines()
    edit(lines)
    log.write_text("".join(f"{line}\n" for line in lines))


def test_a_log_that_is_whole_is_good(log):
    done = verify()
    assert (done.exit_code, done.stdout) == (0, f"{log}: 5 records, the last one is 5, 0 faults\n")


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (
            lambda lines: lines.__setitem__(1, lines[1].replace(":1}", ":7}")),
            ", line 3: the previous record, 2, was changed",
        ),
        (lambda lines: lines.pop(1), ", line 2: records 2 to 2 are missing before this line"),
        (lambda lines: lines.pop(), ": the log ends with record 4, but the anchor knows 5"),
        (lambda lines: lines.insert(2, "{}"), ", line 3: is not a record"),
    ],
    ids=["edited", "deleted", "cut", "added"],
)
def test_a_line_that_was_changed_is_shown_by_its_number(log, edit, fault):
    change(log, edit)
    done = verify()
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == f"audit.log{fault}"


def test_a_log_can_be_named_and_says_what_an_anchor_is_for(log):
    change(log, lambda lines: lines.pop())
    done = verify("--path", str(log))
    assert done.exit_code == 0
    assert "without an anchor, lines that are cut off its end are not missed" in done.stdout


def test_a_log_that_is_gone_is_not_good(log):
    log.unlink()
    assert verify().exit_code == 1
    assert verify("--path", str(log)).exit_code == 2


def test_which_log_has_to_be_said(luigi_cfg):
    done = verify()
    assert done.exit_code == 2
    assert "Give --path" in done.stderr
