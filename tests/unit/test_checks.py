"""Who commits, who runs `make check` and who asks for help is told the same."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def make(*words):
    """Return the lines that make prints; it is told nothing of a make that runs this test."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(["make", *words], cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_pre_commit_runs_what_make_check_runs():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    commands = [hook["entry"] for hook in local["hooks"]]
    assert commands == make("--dry-run", "--assume-old=.venv/ready", "check")


def test_help_lists_the_targets_that_have_a_description():
    described = re.findall(r"^([\w-]+):.*  ## .", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "demo" in described
    assert [line.split()[0] for line in make("help")] == described
