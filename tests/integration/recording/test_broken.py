"""Whatever of lineage is missing or wrong, the tasks' outcomes are the same as without it."""

from pathlib import Path

import pytest

from luigi_sinks.recording import spool
from luigi_sinks.recording.events import End
from tests.integration.recording.conftest import ROOT, run_luigi

TASKS = Path(__file__).with_name("styles.py").read_text()

BROKEN = {
    "a wrong key": "[luigi_sinks.lineage]\nspol = {folder}/spool\n",
    "a wrong value": "[luigi_sinks.lineage]\nspool = {folder}/spool\nmax_bytes = many\n",
    "no section": "",
    "a file in the place of the folder": "[luigi_sinks.lineage]\nspool = {folder}/tasks.py\n",
    "a folder that cannot be made": "[luigi_sinks.lineage]\nspool = /proc/spool\n",
    "a folder that others can access": "[luigi_sinks.lineage]\nspool = {folder}/out\n",
    "a secret in another section": (
        "[luigi_sinks.lineage]\nspool = {folder}/spool\n[luigi_sinks.mariadb]\npassword = hunter2\n"
    ),
    "a wrong value of another section": (
        "[luigi_sinks.lineage]\nspool = {folder}/spool\n[luigi_sinks.mariadb]\nhost = %(nothing)s\n"
    ),
}

SAID = {
    "a wrong key": "'spol' is not a setting; did you mean 'spool'?",
    "a wrong value": "max_bytes must be a whole number",
    "no section": "as there is no section [luigi_sinks.lineage] that works",
    "a file in the place of the folder": "tasks.py must be a folder with mode 0700",
    "a folder that cannot be made": "lineage cannot be recorded in /proc/spool",
    "a folder that others can access": "out must be a folder with mode 0700",
    "a secret in another section": "'password', which must not be in configuration",
    "a wrong value of another section": "",
}
"""What is said of it, once in each process at most."""

MISSING = ("neo4j", "openlineage", "sqlalchemy", "mariadb", "elasticsearch", "typer", "rich", "boto3", "urllib3")
"""Modules of extras."""

FULL = ("prlimit", "--fsize=1200")
"""Runs a command that can make no file larger than so many bytes, as on a disk that becomes full."""


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """Return a function that gives the outcome without lineage, by the number of workers."""
    made = {}

    def run(workers):
        if workers not in made:
            made[workers] = run_luigi(tmp_path_factory.mktemp("without") / "run", TASKS, "Few", workers=workers)
        return made[workers]

    return run


def assert_same(outcome, without):
    assert (outcome.code, outcome.summary) == (without.code, without.summary)
    assert "ran successfully" in outcome.summary
    assert outcome.files == without.files
    assert outcome.log.count("Traceback") == without.log.count("Traceback")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("lineage", ["line", "import"])
@pytest.mark.parametrize("wrong", BROKEN)
def test_what_is_wrong_with_the_configuration_is_said_and_changes_nothing(tmp_path, without, lineage, workers, wrong):
    sections = BROKEN[wrong].format(folder=tmp_path / "run")
    outcome = run_luigi(tmp_path / "run", TASKS, "Few", lineage=lineage, workers=workers, sections=sections)
    assert_same(outcome, without(workers))
    if lineage == "line" or wrong != "no section":
        assert SAID[wrong] in outcome.log
    if workers == 1 or lineage == "import":
        assert outcome.log.count("lineage is not recorded") + outcome.log.count("lineage cannot be recorded") <= 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("lineage", ["line", "import"])
def test_tasks_are_recorded_where_no_extra_is_installed(tmp_path, without, lineage, workers):
    for module in MISSING:
        (tmp_path / f"{module}.py").write_text("raise ImportError('not installed')")
    sections = (
        f"[luigi_sinks.lineage]\nspool = {tmp_path}/run/spool\nopenlineage_url = http://127.0.0.1:1\n"
        "[luigi_sinks.neo4j]\nhost = 127.0.0.1\n"
    )
    within = ("env", f"PYTHONPATH={tmp_path}:{ROOT}")
    outcome = run_luigi(
        tmp_path / "run", TASKS, "Few", lineage=lineage, workers=workers, sections=sections, within=within
    )
    assert_same(outcome, without(workers))
    assert len(outcome.events(End)) == 11


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_changes_nothing_and_what_it_holds_is_whole(tmp_path, without, workers):
    spooled = tmp_path / "spool"
    spooled.mkdir(mode=0o700)
    outcome = run_luigi(
        tmp_path / "run",
        TASKS,
        "Few",
        lineage="import",
        workers=workers,
        sections=f"[luigi_sinks.lineage]\nspool = {spooled}\n",
        within=FULL,
    )
    assert_same(outcome, without(workers))
    assert "lineage cannot be recorded" in outcome.log
    kept = [event for path in spool.files(spooled) for _, event in spool.read(path)]
    assert None not in kept
    assert len(kept) > 3
    for path in spool.files(spooled):
        assert path.read_bytes().endswith(b"\n")
