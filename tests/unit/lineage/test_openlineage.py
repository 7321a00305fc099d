"""What was recorded of a run becomes events of OpenLineage."""

import subprocess
import sys

import msgspec
import pytest

from luigi_sinks.lineage.facets import own
from luigi_sinks.lineage.openlineage import Runs
from luigi_sinks.recording.clock import SECOND
from luigi_sinks.recording.events import Certainty, End, Ended, Lost, Publication
from tests.unit.lineage.one_run import BEGAN, FILE, RUN, TABLE, end, facet, last, read, sent, start, write


def test_a_run_is_sent_when_it_starts_and_when_it_ends():
    first, second = sent(start(), end())
    assert (first["eventType"], first["eventTime"]) == ("START", "2025-11-27T19:00:00Z")
    assert (second["eventType"], second["eventTime"]) == ("COMPLETE", "2025-11-27T19:00:09Z")
    assert first["run"]["runId"] == second["run"]["runId"] == RUN
    assert (first["job"]["namespace"], first["job"]["name"]) == ("luigi", "Flights")


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Ended.COMPLETE, "COMPLETE"),
        (Ended.FAILED, "FAIL"),
        (Ended.ABORTED, "ABORT"),
        (Ended.SUSPENDED, "COMPLETE"),
    ],
)
def test_an_outcome_is_sent_in_openlineages_terms_and_in_ours(outcome, kind):
    event = last(start(), end(outcome))
    assert event["eventType"] == kind
    assert facet(event["run"], own.EXECUTION)["outcome"] == outcome


def test_a_suspended_run_has_no_outputs_but_those_that_our_target_saw():
    declared = write(FILE, Certainty.DECLARED)
    assert last(start(), declared, end(Ended.SUSPENDED))["outputs"] == []
    (output,) = last(start(), declared, write(), end(Ended.SUSPENDED))["outputs"]
    assert output["name"] == TABLE.name


def test_what_is_recorded_twice_and_in_disorder_is_sent_as_if_once_in_order():
    events = [start(), read(rows=5), write(rows=3), end()]
    assert sent(*reversed(events), *events) == sent(*events)


def test_a_run_that_goes_on_has_started_only():
    assert [event["eventType"] for event in sent(start(), read())] == ["START"]


def test_a_run_whose_start_was_lost_ends_under_the_job_that_its_reads_name():
    (event,) = sent(read(), end())
    assert (event["eventType"], event["job"]["name"]) == ("COMPLETE", "Flights")


def test_nothing_is_sent_of_a_run_whose_job_nothing_names():
    assert sent(end()) == []


def test_what_a_run_said_of_its_end_counts_more_than_that_its_process_died_later():
    died = End(at=BEGAN + 60 * SECOND, run=RUN, outcome=Ended.ABORTED)
    assert last(died, start(), end())["eventType"] == "COMPLETE"


def test_a_missing_client_is_named_with_its_extra():
    program = """
import sys
sys.modules["openlineage"] = None
import luigi_sinks.lineage
try:
    import luigi_sinks.lineage.openlineage
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'luigi-sinks[openlineage]'" in done.stdout


# Events as they come


def taken(runs, *events):
    """Return the kinds of what is due with each event, None where nothing is."""
    return [due and due.eventType.value for due in map(runs.take, events)]


def test_each_event_tells_what_is_due_with_it():
    assert taken(Runs(), start(), read(), write(), end()) == ["START", None, None, "COMPLETE"]


def test_the_last_event_has_all_that_came_before():
    runs = Runs()
    *_, last = map(runs.take, [start(parent="build"), read(), write(), end()])
    assert (last.inputs[0].name, last.outputs[0].name) == (FILE.name, TABLE.name)
    assert "parent" in last.run.facets


def test_runs_that_go_on_at_the_same_time_are_kept_apart():
    another = "019c3f5e-7a1b-7c2d-8e3f-000000000002"
    runs = Runs()
    taken(
        runs,
        start(),
        msgspec.structs.replace(start(), run=another),
        read(),
        msgspec.structs.replace(write(), run=another),
    )
    last = runs.take(end())
    assert (len(last.inputs), len(last.outputs)) == (1, 0)


def test_what_comes_again_is_due_once():
    runs = Runs()
    assert taken(runs, start(), start(), end(), end()) == ["START", None, "COMPLETE", None]


def test_what_comes_after_a_run_has_ended_or_of_another_process_is_sent_by_itself():
    runs = Runs()
    assert taken(runs, write(), start(), end(), read()) == ["OTHER", "START", "COMPLETE", "OTHER"]


def test_what_is_of_no_run_is_not_for_openlineage():
    publication = Publication(at=1, dataset=TABLE, partition="_all", version="v1", epoch=1)
    assert taken(Runs(), publication, Lost(at=1, spool="a", count=1)) == [None, None]
