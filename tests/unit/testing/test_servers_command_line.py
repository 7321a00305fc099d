import pytest

from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.__main__ import main


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
