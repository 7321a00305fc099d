"""The command as it is started."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments, cwd, code=0):
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done
    return done


@pytest.mark.parametrize("command", [("-m", "luigi_sinks"), (str(Path(sys.executable).with_name("luigi-sinks")),)])
def test_it_is_started_by_its_name_or_its_modules(command, tmp_path):
    assert "audit" in run(*command, "--help", cwd=tmp_path).stdout


def test_what_it_does_not_know_is_a_wrong_use(tmp_path):
    assert "nonsense" in run("-m", "luigi_sinks", "nonsense", cwd=tmp_path, code=2).stderr


def test_the_package_does_not_load_it(tmp_path):
    run(
        "-c",
        "import luigi_sinks, sys; sys.exit('typer' in sys.modules or 'luigi_sinks.cli' in sys.modules)",
        cwd=tmp_path,
    )


def test_without_typer_it_names_the_extra(tmp_path):
    (tmp_path / "typer.py").write_text("raise ImportError('No module named typer')")
    done = run("-m", "luigi_sinks", "--help", cwd=tmp_path, code=2)
    assert done.stderr == "No module named typer; install it with: pip install 'luigi-sinks[cli]'\n"


def test_an_error_that_nobody_expected_shows_no_values(tmp_path):
    (tmp_path / "broken.py").write_text("secret = ''.join(['can', 'ary'])\nraise ZeroDivisionError\n")
    done = run("-m", "luigi_sinks", "grants", "broken", cwd=tmp_path, code=1)
    assert "ZeroDivisionError" in done.stderr
    assert "canary" not in done.stdout + done.stderr
