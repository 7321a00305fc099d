"""All tests in this folder need the real servers."""

import configparser
import secrets
import sys

import pytest
from luigi.configuration import get_config
from typer.testing import CliRunner

from luigi_sinks import config, writer
from luigi_sinks.cli.app import app
from luigi_sinks.testing import servers


@pytest.fixture(scope="session", autouse=True)
def _servers(servers_config):
    """Have them up, and luigi's configuration say where."""


@pytest.fixture
def section():
    """Return a function that adds a section to luigi.cfg until the test ends."""
    made = []

    def add(name, **values):
        made.append(f"luigi_sinks.{name}")
        get_config().read_dict({made[-1]: {key: str(value) for key, value in values.items()}})

    yield add
    for name in made:
        get_config().remove_section(name)


@pytest.fixture
def credential(section):
    """Return a function that makes a credential, and names it."""

    def make(**values):
        name = f"made_{secrets.token_hex(4)}"
        section(f"credential.{name}", **values)
        return name

    return make


@pytest.fixture
def by_tokens(section, credential):
    """Return a function that gives a store's settings, as the servers' luigi.cfg without passwords has them.

    What is said by name is said of the credential.
    """

    def login(store, settings, **others):
        known = configparser.ConfigParser(interpolation=None)
        known.read_string(servers.passwordless_config())
        name = credential(**{**known[f"luigi_sinks.credential.local_{store}"], **others})
        section(f"{store}.tokens", **{**known[f"luigi_sinks.{store}"], "credential": name})
        return config.read_connection(settings, store, "tokens")

    return login


@pytest.fixture
def command_of(monkeypatch, tmp_path):
    """Return a function that makes a module of tasks, and returns one that runs `luigi-sinks` for it."""
    made = []
    monkeypatch.syspath_prepend(tmp_path)

    def command_of(tasks):
        made.append(f"tasks_{secrets.token_hex(4)}")
        (tmp_path / f"{made[-1]}.py").write_text(tasks)

        def run(command, *options):
            return CliRunner().invoke(app, [command, run.module, *options], catch_exceptions=False)

        run.module = made[-1]
        return run

    yield command_of
    for module in made:
        sys.modules.pop(module, None)


@pytest.fixture
def small_parts(monkeypatch):
    """Have a part take about a hundred rows."""
    for most in ("_RUN_ROWS", "_PART_ROWS"):
        monkeypatch.setattr(writer, most, 100)
