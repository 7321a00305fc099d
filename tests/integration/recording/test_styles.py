"""Graphs of plain Luigi, in the styles of its documentation, do what they do without lineage, and are recorded."""

from collections import Counter
from pathlib import Path

import pytest

from luigi_sinks.recording.events import End, Interruption, Need, Read, Start, Write
from tests.integration.recording.conftest import run_luigi

TASKS = Path(__file__).with_name("styles.py").read_text()

RUNS = [
    pytest.param((1, "fork", "All"), id="one worker"),
    pytest.param((2, "fork", "All"), id="fork"),
    pytest.param((2, "spawn", "Some"), id="spawn"),
    pytest.param((2, "forkserver", "Some"), id="forkserver"),
]
CONTEXTS = {
    "off": "tasks.Timing",
    "import": "tasks.Timing",
    "line": "luigi_sinks.recording.luigi.around:tasks:Timing",
}

EXPECTED = {
    "Day": ["complete"] * 5,
    "Required": ["complete"],
    "Inherited": ["complete"],
    "Wrapper": ["complete"],
    "ListOut": ["complete"],
    "DictOut": ["complete"],
    "Dynamic": ["suspended", "suspended", "complete"],
    "Found": ["complete"] * 3,
    "UsesThere": ["complete"],
    "mynamespace.inner.Namespaced": ["complete"],
    "Batched": ["complete"],
    "NoOutput": ["complete"],
    "RangeDaily": ["complete"],
    "Fails": ["failed"],
    "Leaves": ["failed"],
}
"""How the runs of each job of `All` end where tasks run in processes of their own."""


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Return a function that gives the outcome of a run; each is made once."""
    made = {}

    def run(lineage, how):
        if (lineage, how) not in made:
            workers, method, root = how
            context = f"task_process_context = {CONTEXTS[lineage]}"
            folder = tmp_path_factory.mktemp("styles") / "run"
            made[lineage, how] = run_luigi(
                folder, TASKS, root, lineage=lineage, workers=workers, method=method, worker=context
            )
        return made[lineage, how]

    return run


@pytest.fixture(params=["line", "import"])
def recorded(request, run_of):
    """Return the outcome of a run with two workers, for each way to have it recorded."""
    return run_of(request.param, (2, "fork", "All"))


def by_job(outcome, kind):
    """Return events of one kind by the job whose run they are of."""
    jobs = {start.run: start.task.job.name for start in outcome.events(Start)}
    found = {}
    for event in outcome.events(kind):
        found.setdefault(jobs[event.run], []).append(event)
    return found


@pytest.mark.parametrize("lineage", ["line", "import"])
@pytest.mark.parametrize("how", RUNS)
def test_outcomes_are_those_without_lineage(run_of, lineage, how):
    without, recorded = run_of("off", how), run_of(lineage, how)
    assert recorded.code == without.code
    assert recorded.summary == without.summary
    assert "ran successfully" in recorded.summary
    assert recorded.files == without.files != []
    assert recorded.timing == without.timing != []
    assert without.events() == []


@pytest.mark.parametrize("lineage", ["line", "import"])
@pytest.mark.parametrize("how", RUNS)
def test_each_execution_is_recorded_with_how_it_ended(run_of, lineage, how):
    ends = run_of(lineage, how).ends()
    workers, _, root = how
    expected = EXPECTED | ({"Killed": ["failed"]} if workers == 1 else {})
    if root == "Some":
        expected = {job: expected[job] for job in ("Required", "Inherited", "Wrapper", "Dynamic", "Found", "Fails")}
        expected["Day"] = ["complete"]
    assert ends == expected


def test_a_task_that_was_killed_has_a_start_and_no_end(recorded):
    started = Counter(start.task.job.name for start in recorded.events(Start))
    ended = Counter(job for job, ends in recorded.ends().items() for _ in ends)
    assert started - ended == Counter(Killed=1, Slow=1)


def test_the_parent_tells_a_kill_from_a_timeout(run_of):
    for how in ((2, "fork", "All"), (2, "spawn", "Some"), (2, "forkserver", "Some")):
        found = {event.task.job.name: event.cause for event in run_of("import", how).events(Interruption)}
        assert found == {"Killed": "exit code -9", "Slow": "timeout"}
    assert run_of("line", (2, "fork", "All")).events(Interruption) == []


def test_the_end_names_static_and_dynamic_dependencies(recorded):
    required = {
        job: {task.job.name for task in ends[-1].requires} for job, ends in by_job(recorded, End).items() if ends
    }
    assert required["Required"] == required["Inherited"] == {"Day"}
    assert required["Wrapper"] == {"Required", "Inherited"}
    assert required["DictOut"] == {"ListOut", "Required"}
    assert required["Dynamic"] == {"Day", "Found"}
    assert required["UsesThere"] == {"There"}
    assert len(by_job(recorded, End)["ListOut"][0].requires) == 3
    assert [len(end.requires) for end in by_job(recorded, End)["Dynamic"]] == [2, 4, 4]


def test_what_tasks_wait_for_is_known_though_they_never_ran(run_of):
    waiting = {}
    for need in run_of("import", (2, "fork", "All")).events(Need):
        waiting.setdefault(need.task.job.name, set()).add(need.needs.job.name)
    assert waiting["UsesMissing"] == {"Missing", "Day"}
    assert waiting["AfterFailure"] == {"Fails"}
    assert "Slow" in waiting["All"]
    assert run_of("line", (2, "fork", "All")).events(Need) == []


def test_of_a_batch_only_the_task_that_stands_for_all_has_a_run(run_of):
    recorded = run_of("import", (2, "fork", "All"))
    (start,) = [start for start in recorded.events(Start) if start.task.job.name == "Batched"]
    members = {need.needs for need in recorded.events(Need) if need.needs.job.name == "Batched"}
    assert start.params == {"number": "3"}
    assert len(members - {start.task}) == 2, "the members are waited for, and no run tells that they are done"


def test_lists_and_dicts_of_files_are_declared_inputs_and_outputs(recorded):
    out = recorded.folder / "out"
    reads = {read.dataset.name: read.version for read in by_job(recorded, Read)["DictOut"]}
    writes = {write.dataset.name: write.version for write in by_job(recorded, Write)["ListOut"]}
    assert set(writes) == {f"{out}/list_1", f"{out}/list_2"}
    assert writes.items() <= reads.items()
    assert {write.dataset.name for write in by_job(recorded, Write)["DictOut"]} == {f"{out}/dict_a", f"{out}/dict_b"}
    assert [read.dataset.name for read in by_job(recorded, Read)["UsesThere"]] == [f"{recorded.folder}/tasks.py"]


def test_a_suspended_execution_reads_and_writes_nothing(recorded):
    complete = by_job(recorded, End)["Dynamic"][-1]
    assert {read.run for read in by_job(recorded, Read)["Dynamic"]} == {complete.run}
    assert {write.run for write in by_job(recorded, Write)["Dynamic"]} == {complete.run}


def test_all_runs_of_a_build_name_it_and_when_it_began(run_of):
    for how in ((1, "fork", "All"), (2, "fork", "All"), (2, "spawn", "Some"), (2, "forkserver", "Some")):
        starts = run_of("line", how).events(Start)
        assert len({start.parent for start in starts}) == 1
        builds = [start.build for start in starts]
        assert max(builds) - min(builds) < 100_000
        assert 0 <= min(start.at for start in starts) - max(builds) < 20_000_000


def test_errors_are_recorded_by_class(recorded):
    errors = {job: ends[-1].error for job, ends in by_job(recorded, End).items() if ends[-1].error}
    assert errors == {"Fails": "ValueError", "Leaves": "SystemExit"}
