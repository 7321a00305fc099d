import logging
import os
import signal
import socket
import sys
import threading
import time

import pytest

from luigi_sinks.testing.servers import local, process
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.errors import NotReady, StartFailed
from luigi_sinks.testing.servers.needs import Need
from luigi_sinks.testing.servers.process import Command
from luigi_sinks.testing.servers.server import Server
from luigi_sinks.testing.servers.status import Condition

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"
DIE = "raise SystemExit('no memory left')"


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv(states.VARIABLE, str(tmp_path / "state"))
    monkeypatch.setattr(states, "serving_account", lambda: Account(os.geteuid(), os.getegid()))
    with states.opened() as state:
        yield state
    for each in (tmp_path / "state").glob("*/server.pid"):
        process.load(each).stop(0)


def a_server(name="small", code=LISTEN, **others):
    """Describe a server that is a Python one-liner, told its port."""
    return Server(
        **{
            "name": name,
            "user": "user",
            "database": None,
            "download": None,
            "patience": 10,
            "missing": list,
            "prepare": lambda _: None,
            "prepare_container": lambda _: None,
            "command": lambda place: Command((sys.executable, "-c", code, str(place.port)), {}),
            "answers": listens,
            **others,
        }
    )


def listens(place):
    try:
        socket.create_connection(("127.0.0.1", place.port), timeout=1).close()
    except OSError:
        return False
    return True


def pid_of(server, state):
    return process.load(state.place(server).pid_file).pid


def test_up_returns_when_the_server_answers(state):
    local.up([a_server()], state)
    assert listens(state.place(a_server()))
    assert local.condition(a_server(), state) is Condition.UP


def test_up_twice_starts_nothing_new(state):
    local.up([a_server()], state)
    first = pid_of(a_server(), state)
    local.up([a_server()], state)
    assert pid_of(a_server(), state) == first


def test_what_was_never_started_is_down(state):
    assert local.condition(a_server(), state) is Condition.DOWN
    assert local.last_log_lines(a_server(), state, 5) == []


def test_after_down_a_server_is_down_and_its_port_is_kept(state):
    local.up([a_server()], state)
    port = state.place(a_server()).port
    local.down([a_server()], state)
    assert local.condition(a_server(), state) is Condition.DOWN
    local.up([a_server()], state)
    assert state.place(a_server()).port == port


def test_a_server_that_dies_at_its_start_is_told_with_its_last_words(state):
    with pytest.raises(StartFailed, match=r"(?s)small died while it was started.*no memory left"):
        local.up([a_server(code=DIE)], state)
    assert local.condition(a_server(), state) is Condition.DEAD
    assert local.last_log_lines(a_server(), state, 5) == ["no memory left"]


def test_one_that_dies_does_not_keep_the_others_from_their_start(state):
    with pytest.raises(StartFailed, match="broken died"):
        local.up([a_server("broken", DIE), a_server()], state)
    assert local.condition(a_server(), state) is Condition.UP


def test_a_server_that_never_answers_is_told_after_its_patience(state):
    with pytest.raises(StartFailed, match=r"small did not answer in 0\.3 s"):
        local.up([a_server(answers=lambda _: False, patience=0.3)], state)


def test_a_server_that_runs_but_does_not_answer_is_silent(state):
    local.up([a_server()], state)
    assert local.condition(a_server(answers=lambda _: False), state) is Condition.SILENT


def test_a_killed_server_is_dead_and_the_next_up_says_so_and_starts_it(state, caplog):
    caplog.set_level(logging.WARNING)
    local.up([a_server()], state)
    first = pid_of(a_server(), state)
    os.kill(first, signal.SIGKILL)
    while process.find(first):
        time.sleep(0.01)
    assert local.condition(a_server(), state) is Condition.DEAD
    local.up([a_server()], state)
    assert "small had died" in caplog.text
    assert pid_of(a_server(), state) != first


def test_a_pid_file_of_an_earlier_boot_ends_nobody(state):
    local.up([a_server()], state)
    running = process.load(state.place(a_server()).pid_file)
    process.save(process.Process(os.getpid(), "1@an-earlier-boot"), state.place(a_server()).pid_file)
    local.down([a_server()], state)
    assert running.alive
    running.stop(5)


def test_all_that_is_missing_is_told_at_once_and_once(state):
    java, maven, mariadb = (Need(name, (), "here") for name in ("Java", "Maven", "MariaDB"))
    servers = [a_server("one", missing=lambda: [java, maven]), a_server("two", missing=lambda: [maven, mariadb])]
    with pytest.raises(NotReady) as told:
        local.up(servers, state)
    assert str(told.value).splitlines() == [
        "the servers need:",
        "Java: here",
        "Maven: here",
        "MariaDB: here",
        "or run the demonstration without servers: make demo SINKS=memory",
    ]


def test_what_runs_needs_nothing_more(state):
    local.up([a_server()], state)
    local.up([a_server(missing=lambda: [Need("Java", ("java",))])], state)


def test_servers_start_side_by_side(state):
    both = threading.Barrier(2, timeout=5)
    local.up([a_server(name, prepare=lambda _: both.wait()) for name in ("one", "two")], state)


def test_the_last_lines_of_a_log_are_the_last(tmp_path):
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(50)))
    assert local.tail(tmp_path / "log", 2) == ["line 48", "line 49"]
    assert local.tail(tmp_path / "no log", 2) == []
