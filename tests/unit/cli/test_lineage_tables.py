"""What is printed of an answer says what held a run up, and what is not known."""

from luigi_sinks.cli import lineage
from luigi_sinks.cli import lineage_tables as tables
from luigi_sinks.lineage.flush import Delivery, Report
from luigi_sinks.lineage.network import Attempt, Step
from luigi_sinks.lineage.questions.comparison import Difference
from luigi_sinks.lineage.questions.job_runs import JobRun
from luigi_sinks.lineage.questions.lateness import Lateness

AT = 1_700_000_000_000_000
SECOND = 1_000_000


def step(job="luigi/Carriers", **how):
    facts = {"owner": "", "ready": AT, "started": AT + 10 * SECOND, "ended": AT + 11 * SECOND, "outcome": "complete"}
    return Step(**{**facts, "run": "r", "job": job, "task": job, "waited": 0.0, "failed": 0.0, "ran": 1.0, **how})


def last_line(*path, **how):
    return tables.of_lateness(Lateness(path, 11.0, **how)).splitlines()[-1]


def test_a_step_that_waited_for_a_worker_names_what_that_ran():
    held = step(waited=6.0, held_by="luigi/Flights", held_by_owner="flight_ops")
    assert (
        last_line(held) == "most of it: luigi/Carriers waited 6.0 s for a worker, which ran luigi/Flights of flight_ops"
    )


def test_a_step_that_luigi_retried_names_the_error_before():
    failed = Attempt("r0", "failed", AT, AT + SECOND, "RuntimeError")
    retried = step(waited=3.7, paused=3.7, attempts=(failed,))
    assert last_line(retried) == "most of it: luigi/Carriers waited 3.7 s to be retried after RuntimeError"


def test_what_took_most_is_what_is_beyond_the_usual():
    slow, usual = step("luigi/Slow", ran=9.0, usual=5.0), step("luigi/Long", ran=100.0, usual=99.0)
    assert last_line(slow, usual) == "most of it beyond the usual: luigi/Slow ran 4.0 s longer than usual"


def test_a_task_that_cannot_run_names_all_that_failed():
    waiting = step("luigi/Late", run="", started=0, ended=0, outcome="waiting", ran=0.0)
    failed = tuple(JobRun(name, f"luigi/{name}", AT, AT, "failed", "ValueError") for name in ("Broken", "Leak"))
    assert tables.of_lateness(Lateness((waiting,), failed=failed)).splitlines()[0] == (
        "luigi/Late: waiting; it cannot run: luigi/Broken (ValueError) and luigi/Leak (ValueError) failed"
    )


def test_a_task_whose_build_died_never_ran_and_is_not_late():
    waiting = step("luigi/Late", run="", started=0, ended=0, outcome="waiting", ran=0.0)
    died = JobRun("r", "luigi/Died", AT, AT, "aborted", "")
    answer = Lateness((waiting,), 1000.0, 1.0, 2.0, failed=(died,), build_ended=True)
    assert not answer.is_late
    assert tables.of_lateness(answer).startswith("luigi/Late: never ran: its build ended with luigi/Died (aborted)")


def test_of_an_aborted_run_is_said_when_it_was_last_heard_of_and_not_how_long_it_took():
    printed = tables.of_runs([JobRun("r", "luigi/Report", AT, AT + SECOND, "aborted", "exit code -9")])
    assert "aborted after 22:13:21Z" in printed
    assert "took" not in printed
    assert "ran" not in tables.of_lateness(Lateness((step(outcome="aborted"),))).splitlines()[1].split()


def test_runs_that_do_not_differ_say_in_what_and_how_they_ended():
    printed = tables.of_difference(Difference("r1", "r2", (), (), (), ("failed", "complete"), (2.0, 3.0)))
    assert [line.split() for line in printed.splitlines()[1:3]] == [
        ["run", "outcome", "failed", "complete"],
        ["run", "took", "2.0", "s", "3.0", "s"],
    ]
    assert printed.splitlines()[3] == "nothing differs in inputs, parameters and code"


def test_a_count_of_one_is_singular(capsys):
    lineage._tell(Report((Delivery("neo4j", 1),), aborted=1, broken=2))
    printed = capsys.readouterr()
    assert printed.out == "neo4j: 1 event\n"
    assert printed.err.splitlines() == ["1 run closed as the process was killed", "2 lines that could not be read"]
