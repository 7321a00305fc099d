import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luigi_sinks.testing.servers import process
from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.process import Command, Process

OURSELVES = Account(os.geteuid(), os.getegid())
SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{SLEEP}'])"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"


@pytest.fixture
def start(tmp_path):
    started = []

    def start_python(code):
        command = Command((sys.executable, "-c", code), {"ONLY": "this"})
        started.append(process.start(command, OURSELVES, folder=tmp_path, log=tmp_path / "log"))
        return started[-1]

    yield start_python
    for each in started:
        each.stop(0)


def eventually(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_started_process_has_a_session_of_its_own(start):
    assert os.getsid(start(SLEEP).pid) != os.getsid(0)


def test_a_started_process_sees_only_the_environment_it_is_given(start):
    pid = start(SLEEP).pid
    assert Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")[0] == b"ONLY=this"


def test_what_it_says_stands_in_the_log(start, tmp_path):
    started = start("print('hello'); raise SystemExit('and good-bye')")
    assert eventually(lambda: not started.alive)
    assert (tmp_path / "log").read_text().splitlines() == ["and good-bye", "hello"]


def test_a_stopped_process_takes_its_children_with_it(start):
    parent = start(PARENT)
    assert eventually(lambda: len(process._group(parent.pid)) == 2)
    members = process._group(parent.pid)
    parent.stop(10)
    assert not any(member.alive for member in members)


def test_a_process_that_does_not_listen_is_killed(start, tmp_path):
    stubborn = start(STUBBORN)
    assert eventually(lambda: "deaf" in (tmp_path / "log").read_text())
    stubborn.stop(0.2)
    assert not stubborn.alive


def test_a_zombie_has_ended():
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert eventually(lambda: process.find(child.pid) is None)
    child.wait()


def test_a_later_process_with_the_same_number_is_left_alone():
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        remembered = Process(stranger.pid, "12345@an-earlier-boot")
        remembered.stop(0.1)
        assert not remembered.alive
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_pid_file_names_the_very_process(start, tmp_path):
    started = start(SLEEP)
    process.save(started, tmp_path / "pid")
    assert process.load(tmp_path / "pid") == started == process.find(started.pid)


def test_a_pid_file_names_a_process_that_had_ended_before_it_was_found(start, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "find", lambda _: None)
    started = start("")
    process.save(started, tmp_path / "pid")
    assert process.load(tmp_path / "pid") == started
    assert not started.alive


@pytest.mark.parametrize("text", ["", "12", "not a pid file"])
def test_a_pid_file_that_says_nothing_names_no_process(tmp_path, text):
    (tmp_path / "pid").write_text(text)
    assert process.load(tmp_path / "pid") is None


def test_no_pid_file_names_no_process(tmp_path):
    assert process.load(tmp_path / "pid") is None
