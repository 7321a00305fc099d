import os
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
import yaml

from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import EVERY, SERVERS, compose
from luigi_sinks.testing.servers import state as states
from luigi_sinks.testing.servers.account import Account
from luigi_sinks.testing.servers.versions import IMAGES

DOCUMENT = yaml.safe_load(compose.FILE.read_text())
SERVICES = DOCUMENT["services"]
PLUGIN = shutil.which("docker") and compose._succeeds("docker", "compose", "version")


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv(states.VARIABLE, str(tmp_path / "state"))
    monkeypatch.setattr(states, "serving_account", lambda: Account(os.geteuid(), os.getegid()))
    with states.opened() as state:
        yield state


def test_containers_have_the_versions_of_the_processes():
    assert {name: service["image"] for name, service in SERVICES.items()} == IMAGES
    assert set(IMAGES) <= set(EVERY)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_says_when_it_is_healthy(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD-SHELL"


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_on_loopback_and_chosen_by_the_state_folder(name):
    (port,) = SERVICES[name]["ports"]
    assert port.startswith(f"127.0.0.1:${{LUIGI_SINKS_{name.upper()}_PORT")


@pytest.mark.parametrize("name", SERVERS)
def test_no_password_stands_in_the_file_but_the_path_of_one(name):
    variables = SERVICES[name]["environment"]
    assert not [key for key in variables if "PASSWORD" in key and not key.endswith(("_FILE", "_ROOT_PASSWORD"))]
    assert SERVICES[name]["secrets"] == [name]
    assert DOCUMENT["secrets"][name]["file"].endswith(f"/{name}.password")


def test_everything_that_is_mounted_is_made_before(state):
    compose.write_variables(list(EVERY.values()), state)
    mounted = re.findall(r"\$\{LUIGI_SINKS_STATE[^}]*\}(/[^:\s]+)", compose.FILE.read_text())
    assert len(mounted) > 10
    assert [path for path in mounted if not (state.root / path[1:]).exists()] == []


def test_every_variable_of_the_file_is_written(state):
    written = compose.write_variables(list(EVERY.values()), state).read_text()
    used = set(re.findall(r"\$\{(\w+)", compose.FILE.read_text()))
    assert used <= {line.partition("=")[0] for line in written.splitlines()}


def test_what_has_no_image_is_a_process_beside_the_containers(state):
    state.remember(way="compose")
    program = replace(SERVERS["mariadb"], name="program")
    ways = servers._by_way([SERVERS["mariadb"], program, SERVERS["neo4j"]], state)
    assert list(ways) == [(compose, [SERVERS["mariadb"], SERVERS["neo4j"]]), (servers.local, [program])]


def test_two_state_folders_are_two_projects(state):
    written = compose.write_variables([], state).read_text()
    assert re.search(r"^COMPOSE_PROJECT_NAME=luigi-sinks-[0-9a-f]{8}$", written, re.MULTILINE)


def test_without_a_docker_program_processes_are_used(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert not compose.available()


def test_a_docker_program_without_an_engine_is_not_enough(tmp_path, monkeypatch):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = compose ]\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not compose.available()
    docker.write_text("#!/bin/sh\n")
    assert compose.available()


def test_a_server_that_the_engine_calls_healthy_is_up(state, tmp_path, monkeypatch):
    compose.write_variables([], state)
    docker = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for said, meant in (
        ('{"State":"running","Health":"healthy"}', "up"),
        ('{"State":"running","Health":"starting"}', "not answering"),
        ('{"State":"exited","Health":""}', "dead"),
        ("", "down"),
    ):
        docker.write_text(f"#!/bin/sh\necho '{said}'\n")
        docker.chmod(0o755)
        assert compose.condition(SERVERS["mariadb"], state) == meant


def test_what_is_no_store_is_started_by_its_name_only():
    assert {name for name, service in SERVICES.items() if "profiles" in service} == set(IMAGES) - set(SERVERS)


@pytest.mark.skipif(not PLUGIN, reason="the compose plugin is not installed")
def test_docker_compose_itself_accepts_the_file(state):
    variables = compose.write_variables(list(EVERY.values()), state)
    words = ["docker", "compose", "--file", compose.FILE, "--env-file", variables, "config", "--quiet"]
    checked = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
