import os
import subprocess
import sys

import pytest

from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import local
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.__main__ import main
from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.needs import Need

START = """
import runpy, sys
sys.modules[{absent!r}] = None
sys.argv[1:] = ["config"]
runpy.run_module("luigi_sinks.testing.servers", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def nothing_started(tmp_path, monkeypatch):
    monkeypatch.setenv(states.VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


def test_status_where_nothing_was_started_is_down(capsys):
    assert main(["status"]) == 0
    assert capsys.readouterr().out.splitlines() == ["mariadb: down", "elasticsearch: down", "neo4j: down"]


@pytest.mark.parametrize("command", ["env", "config"])
def test_settings_of_servers_that_are_not_up_are_an_error_that_says_what_to_do(command, capsys):
    assert main([command]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "no server is up: start them with up\n"


@pytest.mark.parametrize("absent", ["cryptography", "jwt", "platformdirs", "rich", "trustme"])
def test_a_package_that_is_missing_names_the_extra(absent):
    done = subprocess.run([sys.executable, "-c", START.format(absent=absent)], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        f"luigi_sinks.errors.NotInstalled: the local servers need {absent};"
        " install it with: pip install 'luigi-sinks[servers]'"
    )
    assert done.returncode == 1


def test_the_command_without_its_extra_prints_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['trustme'] = None\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "luigi_sinks.testing.servers", "status"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("the local servers need trustme; install it with: pip install 'luigi-sinks[servers]'\n")


@pytest.fixture
def up(monkeypatch):
    """Return a function that says which servers are up, of which none runs."""
    monkeypatch.setattr(states, "serving_account", lambda: Account(os.geteuid(), os.getegid()))

    def up(*names):
        with states.opened() as state:
            state.remember(way="processes")
            states.choose_ports(state, list(servers.EVERY))
            for name in servers.EVERY:
                state.folder(name).mkdir()
        condition = {True: servers.Condition.UP, False: servers.Condition.DOWN}
        monkeypatch.setattr(local, "condition", lambda server, _: condition[server.name in names])

    return up


@pytest.mark.parametrize(
    ("also", "said"),
    [
        ([], "keycloak, bolt_gate and aws are not up: start them with up --passwordless\n"),
        (["keycloak"], "bolt_gate and aws are not up: start them with up --passwordless\n"),
        (["keycloak", "bolt_gate"], "aws is not up: start it with up --passwordless\n"),
    ],
)
def test_a_configuration_without_passwords_is_not_written_while_nothing_gives_tokens(up, also, said, capsys):
    up(*servers.ALL, *also)
    assert main(["config", "--passwordless"]) == 1
    assert capsys.readouterr() == ("", said)


def test_a_configuration_without_passwords_is_written_when_all_is_up_that_it_takes(up, capsys):
    up(*servers.PASSWORDLESS)
    assert main(["config", "--passwordless"]) == 0
    assert capsys.readouterr().out == servers.passwordless_config() != ""


def test_a_configuration_with_passwords_takes_the_stores_only(up, capsys):
    up(*servers.ALL)
    assert main(["config"]) == 0
    assert capsys.readouterr().out == servers.config() != ""


@pytest.mark.parametrize("words", [["down"], ["down", "--purge"]])
def test_down_where_nothing_was_started_does_nothing(words, nothing_started):
    assert main(words) == 0
    assert not nothing_started.exists()


def test_an_unknown_server_is_an_error_that_names_those_there_are(capsys, nothing_started):
    assert main(["up", "oracle"]) == 1
    assert "there is no server oracle: there are mariadb, elasticsearch, neo4j" in capsys.readouterr().err
    assert not nothing_started.exists()


def test_up_says_where_each_server_is(monkeypatch, capsys):
    given = []
    monkeypatch.setattr(servers, "up", lambda names: given.extend(names) or [servers.Status("neo4j", "up", "host:1")])
    assert main(["up", "neo4j"]) == 0
    assert given == ["neo4j"]
    assert capsys.readouterr().out == "neo4j: up host:1\n"


def test_up_without_names_starts_all(monkeypatch):
    given = []
    monkeypatch.setattr(servers, "up", lambda names: given.extend(names) or [])
    main(["up"])
    assert given == ["mariadb", "elasticsearch", "neo4j"]


def test_up_for_logins_by_tokens_starts_the_identity_provider_too(monkeypatch):
    given = []
    monkeypatch.setattr(servers, "up", lambda names: given.extend(names) or [])
    main(["up", "--passwordless"])
    assert {*servers.ALL, "keycloak"} <= set(given)


def test_install_installs_what_the_named_servers_lack(monkeypatch):
    lacking, installed = Need("luck", ("luck",)), []
    monkeypatch.setattr(local, "missing", lambda servers: [lacking] * len(servers))
    monkeypatch.setattr(servers.needs, "install", installed.extend)
    monkeypatch.setattr(servers.compose, "available", lambda: False)
    assert main(["install", "neo4j", "keycloak"]) == 0
    assert installed == [lacking, lacking]


def test_what_runs_in_a_container_needs_nothing_installed(monkeypatch):
    asked = []
    monkeypatch.setattr(local, "missing", lambda servers: asked.extend(each.name for each in servers) or [])
    monkeypatch.setattr(servers.compose, "available", lambda: True)
    assert main(["install", "--passwordless"]) == 0
    assert asked == ["bolt_gate", "aws"]


def test_a_dead_server_is_told_with_its_last_lines_and_a_code(monkeypatch, capsys):
    dead = servers.Status("neo4j", servers.Condition.DEAD, "127.0.0.1:1")
    monkeypatch.setattr(servers, "status", lambda: [dead])
    monkeypatch.setattr(servers, "last_log_lines", lambda _: ["out of memory"])
    assert main(["status"]) == 1
    assert capsys.readouterr().out.splitlines() == ["neo4j: dead 127.0.0.1:1", "  out of memory"]


def test_env_prints_lines_that_any_program_reads(monkeypatch, capsys):
    monkeypatch.setattr(servers, "env", lambda: {"LUIGI_SINKS_NEO4J_PORT": "1", "LUIGI_SINKS_NEO4J_USER": "neo4j"})
    assert main(["env"]) == 0
    assert capsys.readouterr().out == "LUIGI_SINKS_NEO4J_PORT=1\nLUIGI_SINKS_NEO4J_USER=neo4j\n"
