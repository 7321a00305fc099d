"""Every event reaches every destination at least once, whatever ends a flush, and a file goes when all have it."""

import fcntl
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from luigi_sinks.errors import NotInstalled, Unavailable
from luigi_sinks.lineage import destinations, flush
from luigi_sinks.lineage.flush import DIED, flush_once
from luigi_sinks.recording import spool
from luigi_sinks.recording.events import End, Ended, Job, Lost, Start, Task
from luigi_sinks.recording.settings import LineageSettings
from luigi_sinks.recording.spool import Spool

TASK = Task(Job("luigi", "Load"), "Load_2013_01")


class Kept:
    """A destination that keeps what it is given, or raises."""

    name = "kept"
    most = 3

    def __init__(self):
        self.batches = []
        self.error = None
        self.closed = 0
        self.after = None

    def deliver(self, parts):
        if self.error is not None:
            raise self.error
        self.batches.append([event for part in parts for event in part.events])
        self.parts = parts
        if self.after is not None:
            self.after()
        return 0

    def close(self):
        self.closed += 1

    @property
    def events(self):
        return [event for batch in self.batches for event in batch]


@pytest.fixture
def settings(tmp_path):
    return LineageSettings(tmp_path / "spool", graph=False)


@pytest.fixture
def to(monkeypatch):
    """Return a function that adds a destination."""
    kinds = {}
    monkeypatch.setattr(destinations, "_KINDS", kinds)
    monkeypatch.setattr(destinations, "_made", lambda place, settings, seconds: made[place])
    made = {}

    def to(name):
        made[name] = Kept()
        made[name].name = name
        kinds[name] = (lambda settings: True, name)
        return made[name]

    return to


@pytest.fixture
def record(settings):
    """Return a function that writes events as a process does, which ends after that unless it is to live on."""
    living = []

    def record(*events, is_dead=True):
        written = Spool(settings.spool)
        for event in events:
            written.append(event)
        living.append(written)
        if is_dead:
            written.leave()
        return written

    return record


def start(number, at=None):
    return Start(at=number if at is None else at, run=f"run{number}", task=TASK)


def end(number, at=None):
    return End(at=number + 100 if at is None else at, run=f"run{number}", outcome=Ended.COMPLETE)


def whole(number):
    return start(number), end(number)


def left(settings):
    return sorted(path.name.partition(".")[2] for path in settings.spool.iterdir() if path.name != ".flusher")


def test_each_event_is_delivered_once_in_the_order_of_its_file(to, record, settings):
    kept = to("kept")
    record(*whole(1), *whole(2), is_dead=False)
    flush_once(settings)
    flush_once(settings)
    assert kept.events == [*whole(1), *whole(2)]


def test_what_comes_later_follows_from_the_cursor(to, record, settings):
    kept = to("kept")
    written = record(start(1), is_dead=False)
    flush_once(settings)
    written.append(end(1))
    flush_once(settings)
    assert kept.batches == [[start(1)], [end(1)]]


def test_events_of_several_files_go_together_in_batches_that_a_destination_takes(to, record, settings):
    kept = to("kept")
    for number in range(4):
        record(*whole(number))
    flush_once(settings)
    assert [len(batch) for batch in kept.batches] == [2, 2, 2, 2]
    Kept.most, before = 5, Kept.most
    try:
        for number in range(4):
            record(*whole(number))
        flush_once(settings)
    finally:
        Kept.most = before
    assert [len(batch) for batch in kept.batches[4:]] == [4, 4]


def test_a_file_larger_than_a_batch_is_delivered_in_parts(to, record, settings):
    kept = to("kept")
    record(*(event for number in range(4) for event in whole(number)))
    flush_once(settings)
    assert [len(batch) for batch in kept.batches] == [3, 3, 2]


def test_a_file_of_a_dead_process_is_removed_once_every_destination_has_it(to, record, settings):
    one, other = to("one"), to("other")
    other.error = Unavailable("it does not answer")
    record(*whole(1))
    report = flush_once(settings)
    assert (report.removed, report.is_complete) == (0, False)
    assert [(each.name, each.events, each.error) for each in report.deliveries] == [
        ("one", 2, ""),
        ("other", 0, "it does not answer"),
    ]
    other.error = None
    report = flush_once(settings)
    assert (report.removed, report.is_complete) == (1, True)
    assert left(settings) == []
    assert one.events == other.events == [*whole(1)]


def test_without_a_destination_everything_stays(to, record, settings):
    record(*whole(1))
    assert flush_once(settings).removed == 0
    assert left(settings) == ["spool"]


def test_a_file_of_a_living_process_stays_and_its_runs_stay_open(to, record, settings):
    kept = to("kept")
    record(start(1), is_dead=False)
    report = flush_once(settings)
    assert (report.removed, report.aborted) == (0, 0)
    assert kept.events == [start(1)]


def test_runs_that_a_dead_process_left_open_are_aborted_at_the_time_of_its_last_line(to, record, settings):
    kept = to("kept")
    record(start(1), *whole(2), start(3, at=500))
    report = flush_once(settings)
    aborted = [End(at=500, run=run, outcome=Ended.ABORTED, error=DIED) for run in ("run1", "run3")]
    assert kept.events[-2:] == aborted
    assert report.aborted == 2


def test_a_run_is_aborted_though_its_start_was_delivered_while_its_process_lived(to, record, settings):
    kept = to("kept")
    written = record(start(1), is_dead=False)
    flush_once(settings)
    written.leave()
    flush_once(settings)
    assert kept.events == [start(1), End(at=1, run="run1", outcome=Ended.ABORTED, error=DIED)]
    assert left(settings) == []


def test_a_flush_that_is_killed_after_a_delivery_delivers_that_again(to, record, settings):
    kept = to("kept")
    record(start(1), *whole(2))

    def die():
        raise KeyboardInterrupt

    kept.after = die
    with pytest.raises(KeyboardInterrupt):
        flush_once(settings)
    kept.after = None
    report = flush_once(settings)
    aborted = End(at=102, run="run1", outcome=Ended.ABORTED, error=DIED)
    assert kept.batches == [[start(1), *whole(2)], [start(1), *whole(2)], [aborted]]
    assert kept.closed == 2
    assert (report.aborted, report.removed) == (1, 1)


def test_a_process_that_is_killed_before_its_files_are_removed_leaves_nothing_for_long(to, record, settings):
    to("kept")
    record(*whole(1))
    (path,) = spool.files(settings.spool)
    flush._write(flush._cursor_file(path, "kept"), "1 done")
    path.unlink()
    flush_once(settings)
    assert left(settings) == []


def test_a_broken_line_is_counted_and_what_is_around_it_is_delivered(to, record, settings):
    kept = to("kept")
    record(*whole(1), *whole(2))
    (path,) = spool.files(settings.spool)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:20] + b"x" + lines[2][21:]
    path.write_bytes(b"".join(lines))
    report = flush_once(settings)
    aborted = End(at=102, run="run1", outcome=Ended.ABORTED, error=DIED)
    lost = Lost(at=102, spool=f"{path.name} (broken lines)", count=1)
    assert kept.events == [start(1), *whole(2), aborted, lost]
    assert (report.broken, report.aborted) == (1, 1)


def test_a_torn_tail_is_waited_for_while_the_process_lives_and_counted_when_it_is_dead(to, record, settings):
    kept = to("kept")
    written = record(*whole(1), is_dead=False)
    (path,) = spool.files(settings.spool)
    with path.open("ab") as file:
        file.write(b'12345678 {"kind":"sta')
    flush_once(settings)
    assert kept.events == [*whole(1)]
    written.leave()
    flush_once(settings)
    assert kept.events[2:] == [Lost(at=101, spool=f"{path.name} (broken lines)", count=1)]
    assert left(settings) == []


def test_events_that_were_lost_are_in_the_report(to, record, settings):
    to("kept")
    record(Lost(at=1, spool="a.spool", count=2), Lost(at=2, spool="a.spool", count=5))
    assert flush_once(settings).lost == 5


def test_one_process_at_a_time_flushes_a_folder(to, record, settings):
    kept = to("kept")
    record(*whole(1))
    with (settings.spool / ".flusher").open("w") as other:
        (settings.spool / ".flusher").chmod(0o600)
        fcntl.flock(other, fcntl.LOCK_EX)
        report = flush_once(settings)
    assert (report.is_busy, report.is_complete, kept.events) == (True, False, [])
    assert flush_once(settings).is_complete


def test_a_file_that_cannot_be_read_does_not_keep_the_others_back(to, record, settings):
    kept = to("kept")
    record(*whole(1))
    (path,) = spool.files(settings.spool)
    path.chmod(0o644)
    record(*whole(2))
    report = flush_once(settings)
    assert kept.events == [*whole(2)]
    assert (len(report.unread), report.is_complete, report.removed) == (1, False, 1)
    assert "set its mode to 0600" in report.unread[0]


def test_a_destination_whose_extra_is_missing_does_not_keep_the_others_back(to, record, settings, monkeypatch):
    kept = to("kept")
    made = destinations._made

    def missing(place, *args):
        if place == "other":
            raise NotInstalled("openlineage", "no module named openlineage")
        return made(place, *args)

    to("other")
    monkeypatch.setattr(destinations, "_made", missing)
    record(*whole(1))
    report = flush_once(settings)
    assert kept.events == [*whole(1)]
    assert "pip install 'luigi-sinks[openlineage]'" in report.deliveries[1].error


def test_a_flush_ends_when_its_time_is_over_and_the_next_goes_on(to, record, settings):
    kept = to("kept")
    kept.after = lambda: time.sleep(0.2)
    record(*(event for number in range(6) for event in whole(number)))
    report = flush_once(settings, seconds=0.1)
    assert len(kept.batches) == 1
    assert report.deliveries[0].error == "the time for the flush was over"
    flush_once(settings)
    assert kept.events == [event for number in range(6) for event in whole(number)]


def test_what_is_written_during_a_flush_is_for_the_next_one(to, record, settings):
    kept = to("kept")
    written = record(*whole(0), start(1), is_dead=False)
    kept.after = lambda: written.append(start(len(kept.events)))
    flush_once(settings)
    assert len(kept.events) == 3


def test_earlier_events_of_a_part_can_be_read_again(to, record, settings):
    kept = to("kept")
    written = record(*whole(1), is_dead=False)
    flush_once(settings)
    written.append(start(2))
    flush_once(settings)
    (part,) = kept.parts
    assert list(part.earlier()) == [*whole(1)]
    assert part.events == (start(2),)


def test_at_exit_no_error_comes_out_and_the_reason_is_logged(to, record, settings, caplog):
    kept = to("kept")
    kept.error = Unavailable("it does not answer")
    record(*whole(1))
    flush.at_exit(settings)
    assert "it does not answer" in caplog.text


@pytest.fixture
def no_threads(monkeypatch):
    """Have no thread start, as at the end of a program from Python 3.12 on."""

    def refuse(_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(flush.threading.Thread, "start", refuse)


def test_at_exit_it_is_delivered_where_no_thread_can_be_started(to, record, settings, no_threads):
    kept = to("kept")
    record(*whole(1))
    flush.at_exit(settings)
    assert kept.events == [*whole(1)]


def test_at_exit_a_destination_that_hangs_is_interrupted_where_no_thread_can_be_started(
    to, record, settings, no_threads, caplog
):
    kept = to("kept")
    kept.after = lambda: time.sleep(5)
    record(*whole(1))
    before, handler = time.monotonic(), signal.getsignal(signal.SIGALRM)
    flush.at_exit(LineageSettings(settings.spool, graph=False, exit_seconds=0.2))
    assert time.monotonic() - before < 4
    assert "not delivered within exit_seconds = 0.2" in caplog.text
    assert signal.getsignal(signal.SIGALRM) == handler


def test_at_exit_a_destination_that_hangs_is_left_behind(to, record, settings, caplog):
    kept = to("kept")
    kept.after = lambda: time.sleep(5)
    record(*whole(1))
    before = time.monotonic()
    flush.at_exit(LineageSettings(settings.spool, graph=False, exit_seconds=0.2))
    assert time.monotonic() - before < 4
    assert "not delivered within exit_seconds = 0.2" in caplog.text


def _write_forever(folder):
    written = Spool(Path(folder))
    for number in range(10_000):
        written.append(start(number))
        time.sleep(0.001)


def test_a_process_that_was_killed_is_known_to_be_dead(to, settings):
    kept = to("kept")
    process = multiprocessing.get_context("fork").Process(target=_write_forever, args=(os.fspath(settings.spool),))
    process.start()
    while not spool.files(settings.spool):
        time.sleep(0.01)
    flush_once(settings)
    assert not any(isinstance(event, End) for event in kept.events)
    process.kill()
    process.join()
    report = flush_once(settings)
    runs = {event.run for event in kept.events if isinstance(event, Start)}
    assert {event.run for event in kept.events if isinstance(event, End)} == runs
    assert (report.aborted, report.removed) == (len(runs), 1)
