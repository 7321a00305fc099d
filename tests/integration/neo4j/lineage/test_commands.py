"""`luigi-sinks lineage` answers as tables, JSON and Mermaid, and ends with 1 where --fail asks for it."""

import json
import re
import secrets

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app
from luigi_sinks.lineage.graph import keys, schema, writing
from luigi_sinks.lineage.questions import relations
from luigi_sinks.neo4j.connection import alone
from luigi_sinks.recording import clock, recorder, run
from luigi_sinks.recording.events import Dataset, End, Ended, Job, Need, Start, Task, Write
from tests.lineage_graph import forget
from tests.lineage_history import DAY, SECOND, History
from tests.lineage_model import Model, dataset_key, job_key


@pytest.fixture(scope="module")
def history(settings):
    ask = alone(settings)
    schema.prepare(ask)
    history = History(days=8, jobs=20, name=f"cli_{secrets.token_hex(4)}").make()
    writing.write(settings, history.events)
    yield history
    forget(ask, history.name)


@pytest.fixture(scope="module")
def model(history):
    return Model(history.events)


@pytest.fixture
def lineage(section, tmp_path):
    """Return a function that runs a command, and returns what it printed and how it ended."""
    section("lineage", spool=tmp_path / "spool", exit_seconds=0)
    recorder.active.cache_clear()

    def lineage(*words, code=0):
        done = CliRunner().invoke(app, ["lineage", *map(str, words)], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.output

    lineage.spool = tmp_path / "spool"
    yield lineage
    recorder.active.cache_clear()


@pytest.fixture
def last(history):
    return history.made[-1]


def name_of(made):
    return f"{made.place}.{made.name.lower()}"


def test_upstream_names_each_dataset_and_who_writes_it(lineage, history, model, last):
    printed = lineage("upstream", name_of(last))
    for dataset, *_ in model.by_dataset(model.upstream_of_dataset(dataset_key(last.dataset))):
        assert keys.shown(dataset) in printed
    assert job_key(history.made[0].job) in printed or dataset_key(history.made[0].dataset) not in printed


def test_downstream_of_a_job_is_found_by_its_name(lineage, history, model):
    first = history.made[2]
    printed = json.loads(lineage("downstream", job_key(first.job), "--json"))
    assert {each["dataset"] for each in printed["datasets"]} == model.related(job_key(first.job), downstream=True)


def test_upstream_as_of_a_time_is_of_the_version_that_was_the_head_then(lineage, history, model, last):
    as_of = history.epoch + 5 * DAY
    printed = json.loads(lineage("upstream", name_of(last), "--as-of", clock.moment(as_of).isoformat(), "--json"))
    version = model.newest_head(dataset_key(last.dataset), as_of)
    assert printed["of"] == version
    assert {each["dataset"] for each in printed["datasets"]} == {
        each[0] for each in model.by_dataset(model.upstream(version))
    }


def test_upstream_of_a_version_lists_each_version_and_its_run(lineage, model, last):
    version = model.newest_head(dataset_key(last.dataset))
    printed = lineage("upstream", "--version", model.writes[version].version, "--versions")
    for each in model.upstream(version):
        if "#" in each:
            assert each.split("#", 1)[1] in printed
            assert model.writes[each].run in printed


def test_upstream_of_a_run_takes_the_start_of_its_id(lineage, model, last):
    run = model.runs(job_key(last.job))[0]
    assert f"upstream of {run}" in lineage("upstream", "--run", run[:12])


def test_upstream_is_drawn_for_mermaid(lineage, last):
    printed = lineage("upstream", name_of(last), "--mermaid")
    assert printed.startswith("flowchart LR\n")
    assert "stroke-width" in printed


def test_of_version_run_and_time_only_one_can_be_given(lineage, last):
    assert "give one of --as-of, --version and --run" in lineage("upstream", "--version", "a", "--run", "b", code=2)
    assert "of what?" in lineage("upstream", code=2)


def test_a_dataset_had_no_version_before_the_first(lineage, last):
    assert "had no version then" in lineage("upstream", name_of(last), "--as-of", "2001-01-01", code=2)


def test_why_late_shows_each_step_and_what_cost_the_most(lineage, model, last):
    job = job_key(last.job)
    run = model.runs(job)[0]
    printed = lineage("why-late", run)
    for step in model.why_late(run):
        assert step[0] in printed
    assert "from the start of the build" in printed
    assert lineage("why-late", job) == printed
    assert lineage("why-late", run, "--mermaid").startswith("gantt\n")
    assert json.loads(lineage("why-late", run, "--json"))["path"][-1]["run"] == run


def test_why_late_fails_for_a_late_run_only_if_asked_to(lineage, settings, history):
    name = f"{history.name}_late"
    for number in range(1, 12):
        at, run = history.epoch + number * DAY, f"{number}{name}"
        ended = at + (60 if number < 11 else 600) * SECOND
        start = Start(at=at, run=run, task=Task(Job(name, "Slow"), f"Slow_{number}"), build=at)
        writing.write(settings, [start, End(at=ended, run=run, outcome=Ended.COMPLETE)])
    assert "it is late" in lineage("why-late", f"11{name}")
    assert "most of it beyond the usual: " in lineage("why-late", f"11{name}", "--fail", code=1)
    assert "late" not in lineage("why-late", f"9{name}", "--fail").replace(name, "")


def test_stale_datasets_are_listed_and_fail_if_asked_to(lineage, history):
    promised = [made for made in history.made if made.max_age]
    printed = lineage("stale")
    assert all(keys.shown(dataset_key(made.dataset)) in printed for made in promised)
    assert lineage("stale", "--fail", code=1) == lineage("stale", "--fail", code=1)
    listed = {each["dataset"]: each for each in json.loads(lineage("stale", "--json"))}
    assert listed[dataset_key(promised[0].dataset)]["max_age"] == promised[0].max_age


def test_slow_jobs_are_listed_with_their_longest_run(lineage, history):
    printed = lineage("slow", "--since", "2023-01-01", "--ratio", "1.2")
    assert history.name in printed
    assert "no job with 5 complete runs or more has" in lineage(
        "slow", "--since", "2023-01-01", "--ratio", "10000", "--fail"
    )


def test_runs_of_a_job_are_listed_newest_first(lineage, model, last):
    runs = model.runs(job_key(last.job))
    lines = lineage("runs", job_key(last.job), "--most", 3).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == runs[:3]


def test_who_wrote_a_version_is_told_with_its_parameters(lineage, model, last):
    version = model.newest_head(dataset_key(last.dataset))
    printed = lineage("who-wrote", version)
    assert model.writes[version].run in printed
    assert "day=7, level=" in printed


def test_two_runs_differ_in_inputs_and_parameters(lineage, model, last):
    later, earlier = [run for run in model.runs(job_key(last.job)) if model.outcome(run) == "complete"][:2]
    printed = lineage("diff", earlier, later)
    assert "inputs" in printed
    assert "params" in printed
    assert "both are the run" in lineage("diff", earlier, earlier, code=2)


def test_an_unknown_name_ends_with_2_and_a_similar_name(lineage, last):
    assert "did you mean" in lineage("upstream", name_of(last)[:-1], code=2)
    assert "there is no run, job or task" in lineage("why-late", "no_such_run", code=2)


def test_flush_says_what_it_delivered(lineage, settings):
    namespace = f"cli_{secrets.token_hex(4)}"
    with run("Report", f"Report {namespace}"):
        pass
    assert lineage("flush") == "neo4j: 2 events\n"
    assert lineage("flush").startswith("neo4j: nothing new; what a program records is delivered when it ends")
    forget(alone(settings), namespace)


def test_flush_fails_when_neo4j_is_down_and_says_where_it_stays(lineage, store_down):
    with run("Report"):
        pass
    assert "neo4j: the rest stays in the spool" in lineage("flush", code=1)


def test_without_neo4j_it_says_that_the_spool_answers_nothing(lineage, section, tmp_path):
    section("lineage", spool=tmp_path / "spool", graph="false")
    assert "lineage is not delivered to Neo4j" in lineage("stale", code=2)
    assert "nothing to deliver to" in lineage("flush", code=2)


def test_grants_of_lineage_are_printed_without_a_module(lineage):
    done = CliRunner().invoke(app, ["grants", "--lineage"], catch_exceptions=False)
    assert "CREATE ROLE `luigi_sinks_lineage` IF NOT EXISTS;" in done.output
    assert "of which module?" in CliRunner().invoke(app, ["grants"], catch_exceptions=False).output


def test_prune_counts_before_it_deletes(lineage):
    counted = lineage("prune", "--before", "1971-01-01")
    assert counted.startswith("older than that, to be deleted with --yes: ")
    assert "runs" not in counted, "others may have left versions that nothing is left of"


def test_answers_are_those_of_the_functions(lineage, settings, last):
    printed = json.loads(lineage("upstream", name_of(last), "--json"))
    answer = relations.upstream(alone(settings), dataset_key(last.dataset))
    assert [each["dataset"] for each in printed["datasets"]] == [each.dataset for each in answer.datasets]


@pytest.fixture
def months(settings):
    """Write a job that makes a file of each of two months, one that waits for a third, and one that only requires."""
    name = f"cli_{secrets.token_hex(4)}"
    flights, waiting, wrapper = Job(name, "Flights"), Job(name, "Late"), Job(name, "All")
    for month in (1, 2):
        run, task = f"{name}.{month}", Task(flights, f"Flights_{month}_{name}")
        file = Dataset("file", f"/{name}/flights{month}.csv")
        writing.write(
            settings,
            [
                Start(at=month * SECOND, run=run, task=task, params={"month": str(month)}),
                Write(
                    at=month * SECOND,
                    run=run,
                    job=flights,
                    dataset=file,
                    certainty="declared",
                    version=f"m{month}{name}",
                ),
                End(at=(month + 1) * SECOND, run=run, outcome=Ended.COMPLETE),
                Start(at=9 * SECOND, run=f"{name}.all", task=Task(wrapper, f"All_{name}"), requires=(task,)),
                End(at=9 * SECOND, run=f"{name}.all", outcome=Ended.COMPLETE),
            ],
        )
    writing.write(settings, [Need(at=0, task=Task(waiting, f"Late_{name}"), needs=Task(flights, f"Flights_3_{name}"))])
    yield name
    forget(alone(settings), name)


def test_files_are_shown_as_urls_and_found_by_them(lineage, months):
    url = f"file:///{months}/flights1.csv"
    assert f"dataset  {url}" in lineage("who-wrote", url)
    assert f"nothing is upstream of {url}" in lineage("upstream", url)


def test_who_wrote_takes_a_version_as_it_is_printed_or_a_dataset(lineage, months):
    by_dataset = lineage("who-wrote", f"{months}/flights2.csv")
    assert "month=2" in by_dataset
    for text in (f"m2{months}", f"#m2{months}"):
        assert lineage("who-wrote", text) == by_dataset


def test_a_task_is_named_by_its_id_as_it_is_printed_or_without_its_namespace(lineage, months):
    for text in (f"{months}/Flights_2_{months}", f"Flights_2_{months}"):
        assert f"{months}/Flights_2_{months}: complete" in lineage("why-late", text)
        assert f"upstream of {months}.2" in lineage("upstream", text, "--run", text) + lineage("upstream", text)
    assert "month" in lineage("diff", f"Flights_1_{months}", f"Flights_2_{months}")
    assert f"{months}/Late_{months}: waiting" in lineage("why-late", f"Late_{months}")


def test_the_same_job_twice_compares_its_last_two_runs(lineage, months):
    assert lineage("diff", f"{months}/Flights", f"{months}/Flights") == lineage("diff", f"{months}.1", f"{months}.2")
    assert "has not run twice" in lineage("diff", f"{months}/All", f"{months}/All", code=2)


def test_runs_of_different_jobs_are_compared_with_a_warning(lineage, months):
    assert "these are runs of different jobs" in lineage("diff", f"{months}.1", f"{months}.all")


def test_a_job_that_only_requires_says_so_instead_of_what_is_upstream(lineage, months):
    assert f"it requires {months}/Flights" in lineage("upstream", f"{months}/All")
    assert f"it requires {months}/Flights" in lineage("upstream", f"{months}/Late")


def test_a_job_that_never_ran_says_what_it_waits_for(lineage, months):
    printed = lineage("runs", f"{months}/Late")
    assert printed.startswith(f"{months}/Late has not run\n{months}/Late_{months}: waiting")


def test_versions_of_a_job_are_those_of_its_last_run(lineage, months):
    assert f"upstream of {months}.2" in lineage("upstream", f"{months}/Flights", "--versions")


def test_runs_show_their_parameters(lineage, months):
    assert "month=2" in lineage("runs", f"{months}/Flights")
    first, second = json.loads(lineage("runs", f"{months}/Flights", "--json"))
    assert (first["run"], first["params"]) == (f"{months}.2", {"month": "2"})
    assert second["run"] == f"{months}.1"


def test_json_and_mermaid_are_not_printed_at_once(lineage, last):
    assert "give one of --json and --mermaid" in lineage("upstream", name_of(last), "--json", "--mermaid", code=2)


def test_an_unknown_name_lists_some_known_ones_and_how_many_more(lineage, history):
    assert re.search(r"known are: .+ and \d+ more", lineage("upstream", "%%%%", code=2))
