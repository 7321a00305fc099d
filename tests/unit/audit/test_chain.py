"""The audit log file: no line of many writers is lost, and every change is detected."""

import fcntl
import hashlib
import json
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from luigi_sinks import private_files
from luigi_sinks.audit.chain import Log, begin, verify


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    begin(folder / "audit", folder / "anchor")
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
    kept = written.anchor.with_name("kept")
    kept.write_bytes(written.anchor.read_bytes())
    written.append({"n": 10})
    assert verify(written.path, kept).is_good


def forged(lines, *, since, count):
    """Return the lines with one changed, the hashes of all later ones computed anew, and more lines to `count`."""
    made = list(lines[:since])
    for number in range(since, count):
        last = hashlib.sha256(made[-1]).hexdigest() if made else "0" * 64
        made.append(json.dumps({"seq": number + 1, "prev": last, "n": "forged"}).encode())
    return made


@pytest.mark.parametrize("since", [0, 3, 9])
@pytest.mark.parametrize("count", [10, 11, 30])
def test_the_anchor_does_not_move_to_the_end_of_a_forged_log(written, since, count):
    known = written.anchor.read_bytes()
    lines = forged(written.path.read_bytes().splitlines(), since=since, count=count)
    written.path.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(OSError, match="record 10 or a later one is not what its anchor vouches for"):
        written.append({"n": 10})
    assert written.anchor.read_bytes() == known
    assert faults(written)


def test_the_anchor_does_not_move_to_the_end_of_a_log_that_was_forged_in_an_older_file(tmp_path):
    log = Log(tmp_path / "audit", max_bytes=1000, anchor=tmp_path / "anchor")
    begin(log.path, log.anchor)
    for number in range(10):
        log.append({"n": number})
    kept = log.anchor.read_bytes()
    for number in range(40):
        log.append({"n": number})
    log.anchor.write_bytes(kept)
    oldest = next(path for path in log.files() if b'"seq":10,' in path.read_bytes())
    oldest.write_bytes(oldest.read_bytes().replace(b'"seq":10,', b'"seq":10, '))
    with pytest.raises(OSError, match="record 10 or a later one is not what its anchor vouches for"):
        log.append({})
    assert log.anchor.read_bytes() == kept


def test_a_log_whose_process_died_before_it_moved_the_anchor_goes_on(written):
    kept = written.anchor.read_bytes()
    for number in (10, 11):
        written.append({"n": number})
    written.anchor.write_bytes(kept)
    written.append({"n": 12})
    assert (written.anchor.read_text()[:20], faults(written)) == (f"{13:020d}", [])


def test_a_missing_anchor_is_a_fault_until_it_is_begun(written):
    written.anchor.unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing.*is its folder mounted.*luigi-sinks audit begin"):
        written.append({"n": 10})
    assert not written.anchor.exists()
    assert "anchor: its anchor" in faults(written)[0]
    assert begin(written.path, written.anchor).head.number == 10
    written.append({"n": 10})
    assert faults(written) == []


def test_an_anchor_whose_folder_is_not_mounted_is_a_fault(written):
    unmounted = Log(written.path, anchor=written.path.parent / "mnt" / "anchor")
    with pytest.raises(FileNotFoundError, match="is its folder mounted"):
        unmounted.append({"n": 10})
    assert len(faults(unmounted)) == 1


@pytest.mark.parametrize(
    "text", ["", "\n", "10", "no head", f"{10:020d} {'g' * 64}", f"{-1:020d} {'0' * 64}", "\0" * 86], ids=repr
)
def test_an_anchor_that_holds_no_head_is_a_fault(written, text):
    written.anchor.write_text(text)
    with pytest.raises(OSError, match="does not hold the head of a log"):
        written.append({"n": 10})
    assert "does not hold the head of a log" in faults(written)[0]
    assert written.anchor.read_text() == text


def test_an_anchor_is_not_begun_over_another_one(written):
    kept = written.anchor.read_bytes()
    with pytest.raises(FileExistsError, match="is there already"):
        begin(written.path, written.anchor)
    assert written.anchor.read_bytes() == kept


def test_an_anchor_is_not_begun_for_a_log_with_faults(written):
    written.anchor.unlink()
    edit(written, changed)
    assert not begin(written.path, written.anchor).is_good
    assert not written.anchor.exists()


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


def socket_at(path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def link_at(path):
    path.with_name("elsewhere").touch(0o600)
    path.hardlink_to(path.with_name("elsewhere"))


KINDS = {
    "a symbolic link": lambda path: path.symlink_to(path.with_name("elsewhere")),
    "a folder": lambda path: path.mkdir(),
    "a FIFO": lambda path: os.mkfifo(path, 0o600),
    "a socket": socket_at,
    "a second name, a hard link": link_at,
}


@pytest.mark.parametrize("of", ["path", "anchor", "lock"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_of_its_own_is_not_written(written, of, kind):
    path = {"path": written.path, "anchor": written.anchor, "lock": written.path.with_name(".audit.lock")}[of]
    path.unlink()
    KINDS[kind](path)
    with pytest.raises(PermissionError, match=kind):
        written.append({"n": 10})


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a socket"])
def test_a_log_or_an_older_file_of_it_that_is_no_regular_file_is_not_read(written, kind):
    KINDS[kind](written.path.with_name("audit.7"))
    with pytest.raises(PermissionError, match=kind):
        verify(written.path, written.anchor)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/zero"])
def test_a_device_is_not_a_log(device):
    with pytest.raises(PermissionError, match="is a device"), private_files.opened(Path(device), os.O_RDWR):
        pass


def test_a_file_of_another_user_is_not_written(written, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match=f"belongs to uid {os.getuid()}, not to this user"):
        written.append({"n": 10})


def test_a_full_file_is_not_renamed_over_another_one(tmp_path):
    log = Log(tmp_path / "audit", max_bytes=300)
    log.append({"n": "x" * 100})
    (tmp_path / "audit.1").write_text("kept")
    with pytest.raises(FileExistsError, match="is not overwritten"):
        log.append({"n": "x" * 100})
    assert (tmp_path / "audit.1").read_text() == "kept"


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
