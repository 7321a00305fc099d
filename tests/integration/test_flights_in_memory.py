"""The example pipeline, on the in-memory sinks."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "flights" / "demo.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return [demo(folder), demo(folder)]


def demo(folder):
    command = [sys.executable, DEMO, "--sinks", "memory"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, env={"COLUMNS": "160"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_run_loads_every_dataset(runs):
    assert "32 versions were published" in runs[0]


def test_readers_saw_january_corrected_and_taken_back_and_nothing_else(runs):
    assert "27,004 → 26,483 → 27,004 flights, nothing else" in runs[0]


def test_the_second_run_loads_nothing(runs):
    assert "Done in an earlier run: nothing to load." in runs[1]
    assert "0 versions were published" in runs[1]
