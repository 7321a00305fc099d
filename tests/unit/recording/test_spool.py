"""A spool keeps whole events in the order in which they came, and says how many it could not keep."""

import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from luigi_sinks.errors import SinkError
from luigi_sinks.recording import spool
from luigi_sinks.recording.events import Dataset, End, Ended, Lost, Removal
from luigi_sinks.recording.spool import Spool

WRITER = """
import sys
from pathlib import Path
from luigi_sinks.recording.events import End, Ended
from luigi_sinks.recording.spool import Spool

Spool(Path(sys.argv[1])).append(End(at=1, run="run-1", outcome=Ended.COMPLETE))
print("written", flush=True)
sys.stdin.read()
"""
"""Writes an event, and waits to be killed."""

FLIGHTS = Dataset("file", "/data/flights.csv")


def removal(number):
    return Removal(at=number, dataset=FLIGHTS, partition="_all", version=f"v{number}")


def end(number):
    return End(at=number, run=f"run-{number}", outcome=Ended.COMPLETE)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def writer(folder):
    return Spool(folder)


def events(folder):
    return [event for path in spool.files(folder) for _, event in spool.read(path)]


def only_file(folder):
    (path,) = spool.files(folder)
    return path


@contextmanager
def full_disk(path, room=0):
    """Let files of this process grow to the size of this one and some bytes more, and not beyond."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)


def in_fork(act):
    """Run a function in a forked child; raise if it fails there."""
    child = os.fork()
    if not child:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_events_are_read_as_they_were_written(folder, writer):
    written = [removal(1), end(2), removal(3)]
    for event in written:
        writer.append(event)
    assert events(folder) == written


def test_no_file_is_made_before_the_first_event(folder, writer):
    writer.settle()
    assert not folder.exists()


def test_file_and_folder_are_accessible_to_this_user_alone(folder, writer):
    writer.append(end(1))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert only_file(folder).stat().st_mode & 0o777 == 0o600


def test_reading_goes_on_at_the_offset_where_it_stopped(folder, writer):
    writer.append(end(1))
    ((offset, _),) = spool.read(only_file(folder))
    writer.append(end(2))
    ((last, event),) = spool.read(only_file(folder), offset)
    assert event == end(2)
    assert last == only_file(folder).stat().st_size
    assert list(spool.read(only_file(folder), last)) == []


def test_the_first_line_says_which_process_writes_in_which_format(folder, writer):
    writer.append(end(1))
    header = spool.header(only_file(folder))
    assert (header.format, header.pid) == (2, os.getpid())
    assert only_file(folder).read_bytes()[8:].startswith(b' {"format":2,')


def test_a_file_of_a_later_format_is_refused(folder, writer, monkeypatch):
    monkeypatch.setattr(spool, "FORMAT", 3)
    writer.append(end(1))
    monkeypatch.undo()
    with pytest.raises(SinkError, match="has format 3, and this release reads up to 2; upgrade luigi-sinks here"):
        list(spool.read(only_file(folder)))


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_tail_is_left(folder, writer, cut):
    writer.append(end(1))
    writer.append(end(2))
    path = only_file(folder)
    os.truncate(path, path.stat().st_size - cut)
    assert events(folder) == [end(1)]


@pytest.mark.parametrize("at", [-2, -30])
def test_a_broken_line_in_the_middle_is_reported_and_the_next_ones_are_read(folder, writer, at):
    for number in range(3):
        writer.append(end(number))
    lines = only_file(folder).read_bytes().splitlines(keepends=True)
    damaged = bytearray(lines[2])
    damaged[at] ^= 1
    only_file(folder).write_bytes(b"".join([*lines[:2], bytes(damaged), *lines[3:]]))
    assert events(folder) == [end(0), None, end(2)]


def test_a_broken_first_line_is_reported(folder, writer):
    writer.append(end(1))
    content = only_file(folder).read_bytes()
    only_file(folder).write_bytes(b"0" + content[1:] if content[:1] != b"0" else b"1" + content[1:])
    assert events(folder) == [None, end(1)]
    assert spool.header(only_file(folder)) is None


def test_a_file_is_dead_once_its_process_has_ended(folder):
    child = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"written\n"
    assert not spool.is_dead(only_file(folder))
    child.kill()
    child.communicate()
    assert spool.is_dead(only_file(folder))
    assert events(folder) == [end(1)]


def test_a_file_of_this_process_is_not_dead(folder, writer):
    writer.append(end(1))
    assert not spool.is_dead(only_file(folder))


def test_a_fork_writes_a_file_of_its_own(folder, writer):
    writer.append(end(1))
    in_fork(lambda: writer.append(end(2)))
    writer.append(end(3))
    mine, of_fork = spool.files(folder)
    assert [event for _, event in spool.read(mine)] == [end(1), end(3)]
    assert [event for _, event in spool.read(of_fork)] == [end(2)]
    assert not spool.is_dead(mine)
    assert spool.is_dead(of_fork)


def test_a_fork_that_outlives_its_parent_does_not_keep_its_file_alive(folder, writer):
    told, tell = os.pipe()
    stopped, stop = os.pipe()

    def parent():
        writer.append(end(1))
        if not os.fork():
            os.write(tell, b"x")
            os.read(stopped, 1)
            os._exit(0)

    in_fork(parent)
    os.read(told, 1)
    assert spool.is_dead(only_file(folder))
    os.write(stop, b"x")


def test_a_fork_writes_while_another_thread_of_its_parent_was_at_it(folder, writer):
    with writer._lock:
        child = threading.Thread(target=in_fork, args=[lambda: writer.append(end(1))])
        child.start()
        child.join(20)
        assert not child.is_alive()
    assert events(folder) == [end(1)]


def test_threads_write_whole_lines(folder, writer):
    threads = [threading.Thread(target=lambda: [writer.append(end(number)) for number in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event.at for event in events(folder)) == sorted([*range(200)] * 4)


@pytest.mark.parametrize("room", [0, 1, 50])
def test_what_a_full_disk_does_not_take_is_counted_and_no_half_line_is_left(folder, writer, room):
    writer.append(end(1))
    with full_disk(only_file(folder), room):
        for number in range(5):
            writer.append(removal(number))
    writer.append(end(2))
    first, lost, last = events(folder)
    assert (first, last) == (end(1), end(2))
    assert (lost.count, lost.spool) == (5, only_file(folder).name)


def test_a_count_is_written_once_and_grows(folder, writer):
    writer.append(end(1))
    for _ in range(2):
        with full_disk(only_file(folder)):
            writer.append(end(2))
        writer.settle()
        writer.settle()
    assert [event.count for event in events(folder) if isinstance(event, Lost)] == [1, 2]


def test_what_was_lost_before_there_was_a_file_is_counted_too(folder, tmp_path, writer):
    folder.write_text("a file where the folder should be")
    writer.append(end(1))
    folder.unlink()
    writer.append(end(2))
    assert [event.count if isinstance(event, Lost) else event for event in events(folder)] == [1, end(2)]


def test_the_last_tenth_is_for_ends_and_a_full_file_says_how_much_was_lost(folder):
    writer = Spool(folder, max_bytes=100_000)
    for number in range(2_000):
        writer.append(removal(number))
    kept = sum(isinstance(event, Removal) for event in events(folder))
    assert 80_000 < only_file(folder).stat().st_size < 90_000 + 4096
    for number in range(2_000):
        writer.append(end(number))
    writer.settle()
    assert only_file(folder).stat().st_size <= 100_000
    found = events(folder)
    ends = sum(isinstance(event, End) for event in found)
    assert ends > 20
    assert found[-1].count == 2_000 - kept + 2_000 - ends


def test_a_file_that_was_removed_is_made_again(folder, writer):
    writer.append(end(1))
    only_file(folder).unlink()
    writer.append(end(2))
    assert events(folder) == [end(2)]


def test_a_count_is_of_one_file_so_that_the_next_one_begins_at_nothing(folder, writer, tmp_path):
    writer.append(end(1))
    writer.append(End(at=1, run="\ud800", outcome=Ended.FAILED))
    writer.append(end(2))
    only_file(folder).rename(tmp_path / "delivered.spool")
    (tmp_path / "delivered.spool").unlink()
    writer.append(end(3))
    writer.settle()
    assert events(folder) == [end(3)]


def test_a_descriptor_that_was_closed_and_taken_by_another_file_is_left_alone(folder, tmp_path, writer):
    writer.append(end(1))
    os.close(writer._file)
    with (tmp_path / "of the task").open("w") as other:
        assert other.fileno() == writer._file
        writer.append(end(2))
    assert (tmp_path / "of the task").read_text() == ""
    assert events(folder) == [end(1), end(2)]


def test_a_link_in_the_place_of_the_folder_is_refused_with_one_warning(folder, tmp_path, writer, said):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    writer.append(end(1))
    writer.append(end(2))
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (warning,) = said()
    assert f"{folder} must be a folder with mode 0700 that belongs to this user; events are lost" in warning


def test_a_folder_that_others_can_access_is_refused(folder, writer):
    folder.mkdir(mode=0o755)
    writer.append(end(1))
    assert list(folder.iterdir()) == []


def test_a_link_in_the_folder_is_not_read(folder, tmp_path, writer):
    writer.append(end(1))
    (folder / "0.spool").symlink_to(only_file(folder))
    with pytest.raises(PermissionError, match="is a symbolic link"):
        list(spool.read(folder / "0.spool"))


def test_a_file_whose_process_died_before_it_had_its_name_is_swept_once_it_is_old(folder, writer):
    writer.append(end(1))
    new, old = folder / "1.spool.new", folder / "2.spool.new"
    for path in (new, old):
        path.touch()
    os.utime(old, (0, 0))
    spool.sweep(folder)
    assert sorted(folder.iterdir()) == sorted([new, only_file(folder)])


def test_values_of_subclasses_of_basic_types_are_kept_as_these(folder, writer):
    class Name(str):
        __slots__ = ()

    class Count(int):
        pass

    writer.append(End(at=Count(1), run=Name("run-1"), outcome=Ended.COMPLETE))
    writer.append(End(at=1, run=object(), outcome=Ended.COMPLETE))
    writer.append(end(2))
    assert [event.count if isinstance(event, Lost) else event for event in events(folder)] == [end(1), 1, end(2)]


def test_an_event_that_is_no_valid_text_is_counted_as_lost(folder, writer):
    writer.append(End(at=1, run="\ud800", outcome=Ended.FAILED))
    writer.append(end(2))
    assert [event.count if isinstance(event, Lost) else event for event in events(folder)] == [1, end(2)]
