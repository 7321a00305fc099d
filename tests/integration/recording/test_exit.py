"""At the end of a program that recorded, or whose children did, what is in the spool is delivered; at no other end."""

import subprocess
import sys

import pytest

from tests.integration.recording.conftest import ROOT

PROGRAM = """
import multiprocessing, os, sys, types
from pathlib import Path

HERE = Path(__file__).parent


def told(settings):
    from luigi_sinks.recording import spool
    dead = sum(spool.is_dead(path) for path in spool.files(settings.spool))
    with (HERE / "flushed").open("a") as file:
        file.write(f"{{os.getpid() == int(os.environ['PARENT'])}} {{dead}}\\n")


os.environ.setdefault("PARENT", str(os.getpid()))
flush = types.ModuleType("luigi_sinks.lineage.flush")
flush.at_exit = told
sys.modules["luigi_sinks.lineage.flush"] = flush

from luigi_sinks import config, recording

config.use({{"luigi_sinks": {{"lineage": {{"spool": str(HERE / "spool"), "exit_seconds": {seconds}}}}}}})
recording.switch_on()


def record():
    with recording.run("Load"):
        pass


def in_child(method):
    child = multiprocessing.get_context(method).Process(target=record)
    child.start()
    child.join()
    assert child.exitcode == 0


def in_fork():
    pid = os.fork()
    if not pid:
        record()
        sys.exit()
    os.waitpid(pid, 0)


if __name__ == "__main__":
    {act}
"""


@pytest.mark.parametrize(
    ("act", "flushed"),
    [
        ("record()", ["True 1"]),
        ("in_child('fork')", ["True 1"]),
        ("in_child('spawn')", ["True 1"]),
        ("in_child('forkserver')", ["True 1"]),
        ("record(); in_child('fork')", ["True 2"]),
        ("in_fork()", ["True 1"]),
        ("record(); sys.exit(3)", ["True 1"]),
        ("pass", []),
    ],
)
def test_a_program_that_recorded_or_whose_children_did_delivers_once_at_its_end(tmp_path, act, flushed):
    assert ended(tmp_path, act) == flushed


def test_what_was_recorded_by_an_earlier_program_is_not_for_one_that_records_nothing(tmp_path):
    ended(tmp_path, "record()", seconds=0)
    assert ended(tmp_path, "pass") == []


def test_no_seconds_for_it_leave_it_to_the_command(tmp_path):
    assert ended(tmp_path, "record()", seconds=0) == []


def test_a_delivery_that_fails_does_not_change_how_the_program_ends(tmp_path):
    assert ended(tmp_path, "flush.at_exit = lambda _: 1 / 0; record(); sys.exit(0)") == []


def ended(folder, act, seconds=5):
    """Run the program, and return a line for each delivery: whether the parent did it, and how many files were dead."""
    (folder / "program.py").write_text(PROGRAM.format(act=act, seconds=seconds))
    command = [sys.executable, "-W", "ignore", folder / "program.py"]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == (3 if "exit(3)" in act else 0), done.stderr
    assert ("lineage stays in" in done.stderr) == ("1 / 0" in act)
    flushed = folder / "flushed"
    return flushed.read_text().splitlines() if flushed.exists() else []
