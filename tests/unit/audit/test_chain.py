"""The audit log file: no line of many writers is lost, and every change is detected."""

import fcntl
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from luigi_sinks.audit.chain import Log, verify


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return Log(folder / "audit", anchor=folder / "anchor")


@pytest.fixture
def written(log):
    """Return a log with ten lines."""
    for number in range(10):
        log.append({"n": number})
    return log


def faults(log, **options):
    return [str(fault) for fault in verify(log.path, log.anchor, **options).faults]


def edit(log, change):
    lines = log.path.read_bytes().splitlines(keepends=True)
    change(lines)
    log.path.write_bytes(b"".join(lines))


def test_an_unchanged_log_is_valid(written):
    verdict = verify(written.path, written.anchor)
    assert (verdict.is_good, verdict.records, verdict.head.number) == (True, 10, 10)


def test_written_lines_can_be_read(written):
    assert [json.loads(line)["n"] for line in written.path.read_text().splitlines()] == list(range(10))


def changed(lines):
    lines[3] = lines[3].replace(b'"n":3', b'"n":4')


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed, "audit, line 5: the previous record, 4, was changed"),
        (lambda lines: lines.pop(3), "audit, line 4: records 4 to 4 are missing before this line"),
        (lambda lines: lines.pop(0), "audit, line 1: records 1 to 1 are missing before this line"),
        (lambda lines: lines.insert(4, lines[3]), "audit, line 5: record 4 comes after record 4"),
        (lambda lines: lines.insert(4, b"{}\n"), "audit, line 5: is not a record"),
        (lambda lines: lines.insert(4, b"\n"), "audit, line 5: is not a record"),
        (lambda lines: lines.pop(), "audit: the log ends with record 9, but the anchor knows 10"),
        (lambda lines: lines.clear(), "audit: the log ends with record 0, but the anchor knows 10"),
        (
            lambda lines: lines.append(lines.pop().replace(b'"n":9', b'"n":0')),
            "audit, line 10: record 10 differs from the one in the anchor",
        ),
        (
            lambda lines: lines.append(lines.pop()[:-5]),
            "audit: the log ends with record 9, but the anchor knows 10",
        ),
    ],
    ids=["edited", "deleted", "first-deleted", "doubled", "added", "blank", "cut", "emptied", "last-edited", "torn"],
)
def test_a_change_is_detected(written, change, complaint):
    edit(written, change)
    assert complaint in faults(written)


def test_reordered_lines_are_detected(written):
    edit(written, lambda lines: lines.insert(3, lines.pop(5)))
    assert len(faults(written)) >= 2


def test_a_log_that_was_forged_as_a_whole_is_detected_by_its_anchor(written):
    written.path.unlink()
    for _ in range(10):
        Log(written.path).append({"n": "forged"})
    assert faults(written) == ["audit, line 10: record 10 differs from the one in the anchor"]


@pytest.mark.parametrize("cut", [lambda lines: lines.pop(), list.clear])
def test_nothing_is_appended_to_a_truncated_log(written, cut):
    edit(written, cut)
    with pytest.raises(OSError, match="ends before record 10, which its anchor knows"):
        written.append({"n": 10})
    assert not verify(written.path, written.anchor).is_good


def test_a_child_that_was_forked_during_an_append_does_not_hold_the_lock(written, monkeypatch):
    forked = []
    whole = os.write

    def fork(file, text):
        if not forked:
            forked.append(os.fork())
            if not forked[0]:
                time.sleep(60)
                os._exit(0)
        return whole(file, text)

    with monkeypatch.context() as context:
        context.setattr(os, "write", fork)
        written.append({"n": 10})
    try:
        with written.path.with_name(".audit.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if the child has it
    finally:
        os.kill(forked[0], signal.SIGKILL)
        os.waitpid(forked[0], 0)


def test_an_older_anchor_verifies_the_lines_up_to_its_head(written):
    written.anchor.rename(written.anchor.with_name("kept"))
    written.append({"n": 10})
    assert verify(written.path, written.anchor.with_name("kept")).is_good


def test_a_copy_in_a_read_only_folder_can_be_verified(written, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "audit").write_bytes(written.path.read_bytes())
    copy.chmod(0o500)
    assert verify(copy / "audit", written.anchor).records == 10
    assert [path.name for path in copy.iterdir()] == ["audit"]


def test_without_an_anchor_a_truncation_is_not_detected(written):
    edit(written, lambda lines: lines.pop())
    assert verify(written.path).is_good


def test_a_line_that_a_crash_truncated_is_detected_and_later_lines_are_valid(written):
    with written.path.open("ab") as file:
        file.write(b'{"seq":11,"pre')
    written.append({"n": 11})
    assert faults(written) == ["audit, line 11: is not a record"]
    assert json.loads(written.path.read_text().splitlines()[-1])["seq"] == 11


def test_archived_files_are_no_fault_if_first_is_given(tmp_path):
    log = Log(tmp_path / "audit", max_bytes=1000)
    for number in range(50):
        log.append({"n": number})
    first, *rest = log.files()
    assert rest
    assert verify(log.path).is_good
    last = json.loads(first.read_text().splitlines()[-1])["seq"]
    first.unlink()
    assert faults(log) == [f"{rest[0].name}, line 1: records 1 to {last} are missing before this line"]
    assert verify(log.path, first=last + 1).is_good


def test_the_files_are_accessible_to_this_user_only(written):
    modes = {path.name: path.stat().st_mode & 0o777 for path in written.path.parent.iterdir()}
    assert modes == {"audit": 0o600, ".audit.lock": 0o600, "anchor": 0o600}


def test_a_file_that_others_can_write_is_not_written(written):
    written.path.chmod(0o660)
    with pytest.raises(PermissionError, match="set its mode to 0600"):
        written.append({})


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "audit").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Log(tmp_path / "audit").append({})


def test_a_line_that_does_not_fit_on_the_disk_leaves_no_trace(written, monkeypatch):
    before = written.path.read_bytes()
    whole = os.write
    with monkeypatch.context() as full, pytest.raises(OSError, match="no space for a whole line"):
        full.setattr(os, "write", lambda file, text: whole(file, text[:7]))
        written.append({"n": "lost"})
    assert written.path.read_bytes() == before
    written.append({"n": 10})
    assert faults(written) == []


PROCESSES, LINES = 6, 1000


def write_lines(path, anchor, process):
    log = Log(Path(path), max_bytes=100_000, anchor=Path(anchor))
    for number in range(LINES):
        log.append({"process": process, "n": number, "text": "x" * 80})


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_many_processes_lose_no_line_through_many_rotations(log, method):
    context = multiprocessing.get_context(method)
    arguments = [(str(log.path), str(log.anchor), number) for number in range(PROCESSES)]
    if method == "spawn":
        arguments = arguments[:2]
    writers = [context.Process(target=write_lines, args=each) for each in arguments]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if log.path.exists():
            assert verify(log.path, log.anchor if log.anchor.exists() else None).is_good, "also while others write"
        writers[0].join(0.3)
    assert [writer.exitcode for writer in writers] == [0] * len(writers)
    found = [json.loads(line) for path in log.files() for line in path.read_text().splitlines()]
    assert len(log.files()) > 3
    assert sorted((line["process"], line["n"]) for line in found) == [
        (process, number) for process in range(len(writers)) for number in range(LINES)
    ]
    assert [line["seq"] for line in found] == list(range(1, len(found) + 1))
    assert verify(log.path, log.anchor).is_good
