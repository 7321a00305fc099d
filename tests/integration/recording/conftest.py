"""Runs of real Luigi in processes of their own, with and without lineage; no server is needed."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from luigi_sinks.recording import spool
from luigi_sinks.recording.events import End, Start

ROOT = Path(__file__).parents[3]

CONFIG = """
[core]
autoload_range = false
local_scheduler = true
no_configure_logging = false
[execution_summary]
summary_length = 100
[worker]
no_install_shutdown_handler = true
wait_interval = 0.1
{worker}
[retcode]
missing_data = 20
task_failed = 30
not_run = 25
scheduling_error = 35
already_running = 10
unhandled_exception = 40
{sections}
"""


@pytest.fixture(scope="session", autouse=True)
def _servers():
    """Keep the servers of the other folders down."""


@dataclass(frozen=True)
class Outcome:
    """How a run of Luigi ended, and what it recorded."""

    code: int
    summary: str
    log: str
    folder: Path

    @property
    def files(self):
        """The names of the files that tasks wrote."""
        return sorted(path.name for path in (self.folder / "out").glob("*"))

    @property
    def timing(self):
        """What the user's own context noted, except of the task that may be killed before it gets there."""
        path = self.folder / "timing"
        return sorted(line for line in path.read_text().splitlines() if "Slow" not in line) if path.exists() else []

    @property
    def spools(self):
        """The files of the spool."""
        return spool.files(self.folder / "spool")

    def events(self, kind=object):
        """Return what is recorded, of one kind or of all."""
        found = [event for path in self.spools for _, event in spool.read(path)]
        return [event for event in found if isinstance(event, kind)]

    def ends(self):
        """Return how the runs of each job ended, in the order of their ends."""
        jobs = {start.run: start.task.job.name for start in self.events(Start)}
        found = {}
        for end in sorted(self.events(End), key=lambda end: end.at):
            found.setdefault(jobs[end.run], []).append(end.outcome.value)
        return found


def run_luigi(  # noqa: PLR0913 - a run of Luigi has many sides
    folder, tasks, root="All", *, lineage="off", workers=1, method="fork", worker="", sections=None, within=()
):
    """Run a module of tasks by Luigi's command.

    `lineage` says how it is recorded: `off`, by the `line` in the configuration alone, or by an `import`
    in the module of the tasks. `sections` takes the place of the section that switches it on, and `within`
    is a command that runs another one.
    """
    folder.mkdir()
    (folder / "out").mkdir()
    (folder / "tasks.py").write_text(tasks)
    if sections is None:
        sections = f"[luigi_sinks.lineage]\nspool = {folder}/spool\n" if lineage != "off" else ""
    if lineage == "line" and "task_process_context" not in worker:
        worker += "\ntask_process_context = luigi_sinks.recording.luigi.TaskContext\n"
    (folder / "luigi.cfg").write_text(CONFIG.format(worker=worker, sections=sections))
    environment = {"PYTHONPATH": str(ROOT), "LINEAGE": lineage, "METHOD": method, "WORKERS": str(workers)}
    luigi = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "luigi",
        "--module",
        "tasks",
        root,
        "--workers",
        str(workers),
        "--no-lock",
    ]
    done = subprocess.run(
        [*within, *luigi], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=200
    )
    log = done.stdout + done.stderr
    mark = "===== Luigi Execution Summary ====="
    found = re.search(f"{mark}\n(.*?)\n{mark}", log, re.DOTALL)
    return Outcome(done.returncode, found[1] if found else "", log, folder)


@pytest.fixture
def luigi(tmp_path):
    """Return `run_luigi` for folders of this test."""

    def run(tasks, name="run", **options):
        return run_luigi(tmp_path / name, tasks, **options)

    return run
