"""What is in a spool reaches an OpenLineage endpoint: all of it, whatever fails in between."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from luigi_sinks.lineage import endpoint, openlineage
from luigi_sinks.lineage.flush import DIED, flush_once
from luigi_sinks.recording.events import Certainty, Dataset, End, Ended, Job, Read, Start, Task
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.recording.spool import Spool

JOB = Job("luigi", "Flights")


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def flush(spool, receiver):
    """Return a function that flushes the spool as a new process would, and returns what the report says of it."""

    def flush(seconds=None, **settings):
        openlineage._known.clear()
        return followed(seconds, **settings)

    def followed(seconds=None, **settings):
        found = LineageSettings(spool.folder, **{"openlineage_url": receiver.url, **settings})
        report = flush_once(found, seconds=seconds)
        (delivery,) = report.deliveries
        return delivery

    flush.again = followed
    return flush


def run(number):
    return f"00000000-0000-7000-8000-{number:012x}"


def start(number=1):
    return Start(at=number * 100, run=run(number), task=Task(JOB, f"Flights_{number}"))


def read(number=1, name="/data/flights.csv"):
    return Read(
        at=number * 100 + 1, run=run(number), job=JOB, dataset=Dataset("file", name), certainty=Certainty.DECLARED
    )


def end(number=1):
    return End(at=number * 100 + 2, run=run(number), outcome=Ended.COMPLETE)


def record(spool, *events):
    for event in events:
        spool.append(event)


def whole(numbers):
    """Return the events of whole runs."""
    return [event for number in numbers for event in (start(number), read(number), end(number))]


def kinds(receiver):
    return [event["eventType"] for event in receiver.events]


def taken(receiver):
    """Count what the endpoint took, by run and kind."""
    return Counter((event["run"]["runId"], event["eventType"]) for event in receiver.events)


def once_each(numbers):
    return Counter((run(number), kind) for number in numbers for kind in ("START", "COMPLETE"))


def test_a_run_is_sent_once_however_often_the_spool_is_flushed(spool, flush, receiver):
    record(spool, start(), read(), end())
    assert flush().error == flush().error == ""
    assert kinds(receiver) == ["START", "COMPLETE"]


@pytest.mark.parametrize("is_followed", [True, False], ids=["one process", "a process each"])
def test_the_end_has_what_earlier_flushes_have_seen(spool, flush, receiver, is_followed):
    once_more = flush.again if is_followed else flush
    record(spool, start(), read(name="/a"))
    flush()
    record(spool, read(name="/b"))
    once_more()
    record(spool, end())
    once_more()
    assert kinds(receiver) == ["START", "COMPLETE"]
    assert [source["name"] for source in receiver.events[-1]["inputs"]] == ["/a", "/b"]


def test_the_run_of_a_process_that_was_killed_is_aborted(spool, flush, receiver):
    record(spool, start(), read())
    flush()
    spool.leave()
    flush()
    assert kinds(receiver) == ["START", "ABORT"]
    assert receiver.events[-1]["run"]["facets"]["errorMessage"]["message"] == DIED
    assert len(receiver.events[-1]["inputs"]) == 1


@pytest.mark.parametrize("answer", [503, 500, 429])
def test_what_the_endpoint_does_not_take_now_is_sent_by_the_next_flush(spool, flush, receiver, answer):
    record(spool, start(), read(), end())
    receiver.answers.append(answer)
    delivery = flush()
    assert f"says {answer}" in delivery.error
    assert receiver.events == []
    assert flush().error == ""
    assert kinds(receiver) == ["START", "COMPLETE"]


def test_an_endpoint_that_fails_now_and_then_gets_all_and_little_of_it_twice(spool, flush, receiver):
    numbers = range(100)
    record(spool, *whole(numbers))
    receiver.answers[:] = [*[201] * 40, 503, *[201] * 30, 503, *[201] * 50, 503]
    failed = [flush().error != "" for _ in range(4)]
    assert failed == [True, True, True, False]
    assert taken(receiver).keys() == once_each(numbers).keys()
    assert taken(receiver).total() - once_each(numbers).total() <= 3 * openlineage.ToOpenLineage.most
    assert max(taken(receiver).values()) <= 2


def test_a_cursor_moves_only_past_what_was_delivered(spool, flush, receiver):
    record(spool, *whole(range(30)))
    receiver.answers[:] = [*[201] * 20, 503]
    flush()
    (cursor,) = spool.folder.glob("*.cursor")
    offset = int(cursor.read_text().split()[0])
    (file,) = spool.folder.glob("*.spool")
    before = file.read_bytes()[:offset].decode().splitlines()[1:]
    sent = {event["run"]["runId"] for event in receiver.events}
    assert before
    assert {json.loads(line[9:])["run"] for line in before} <= sent


def test_an_answer_that_does_not_come_leaves_the_event_for_the_next_flush(spool, flush, receiver, monkeypatch):
    monkeypatch.setattr(endpoint, "TIMEOUT", 0.2)
    record(spool, start(), end())
    receiver.answers.append(lambda handler: receiver.late.wait(30))
    assert "took longer" in flush().error
    receiver.late.set()
    receiver.answers.clear()
    monkeypatch.undo()
    assert flush().error == ""
    assert kinds(receiver)[-2:] == ["START", "COMPLETE"]


def test_a_flush_at_exit_is_over_when_its_seconds_are(spool, flush, receiver):
    record(spool, start(), end())
    receiver.answers.append(lambda handler: receiver.late.wait(30))
    assert "exit_seconds = 0.2 s" in flush(seconds=0.2).error


def test_an_event_that_the_endpoint_never_accepts_is_counted_and_left_out(spool, flush, receiver, caplog):
    record(spool, *whole(range(3)))
    receiver.answers[:] = [201, 422]
    delivery = flush()
    assert (delivery.error, delivery.refused) == ("", 1)
    assert taken(receiver) == once_each(range(3)) - Counter({(run(0), "COMPLETE"): 1})
    assert "Flights is left out" in caplog.text
    assert "says 422" in caplog.text


def test_a_token_that_is_rotated_between_two_events_is_fetched_again(spool, flush, receiver, luigi_cfg, tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    luigi_cfg(f"[luigi_sinks.credential.marquez]\nsource = file\nholds = bearer\npath = {path}\n")

    def rotate(handler):
        path.with_suffix(".new").write_text("second")
        path.with_suffix(".new").rename(path)
        receiver.accepts = lambda headers: headers["Authorization"] == "Bearer second"
        handler.send_response(401)
        handler.send_header("content-length", "0")
        handler.end_headers()

    record(spool, *whole(range(2)))
    receiver.answers[:] = [201, rotate]
    assert flush(openlineage_credential="marquez").error == ""
    assert taken(receiver) == once_each(range(2))


def test_without_the_extra_the_report_names_it_and_the_events_stay(spool, receiver):
    record(spool, start(), end())
    program = f"""
import sys
sys.modules["openlineage"] = None
from pathlib import Path
from luigi_sinks.lineage.flush import flush_once
from luigi_sinks.recording.settings import LineageSettings
print(flush_once(LineageSettings(Path({os.fspath(spool.folder)!r}), openlineage_url="{receiver.url}")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'luigi-sinks[openlineage]'" in done.stdout
    assert list(spool.folder.glob("*.spool"))


def test_the_client_is_imported_by_the_flusher_alone():
    program = """
import sys
import luigi_sinks.recording, luigi_sinks.lineage.flush
print([name for name in sys.modules if name.startswith("openlineage")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
