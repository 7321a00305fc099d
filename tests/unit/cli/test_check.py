"""What `luigi-sinks check` says without any server."""

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app

MARIADB = "[luigi_sinks.{}]\nhost = 127.0.0.1\nport = 1\ndatabase = flights\nuser = loader\ncredential = db\n"


@pytest.fixture
def check(luigi_cfg):
    """Return a function that runs the command with this luigi.cfg."""

    def run(cfg):
        luigi_cfg(cfg)
        return CliRunner().invoke(app, ["check"], catch_exceptions=False)

    return run


def test_with_local_files_there_is_no_server_to_check(check):
    done = check("[luigi_sinks]\nlocal = data\n" + MARIADB.format("mariadb"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "[luigi_sinks] local = data is set: datasets are files there, and there is no server" in done.stdout
    assert done.stdout.endswith("; [luigi_sinks.mariadb] is not used\n")


@pytest.mark.parametrize("command", ["grants", "create"])
def test_with_local_files_there_is_nothing_to_grant_or_to_create(luigi_cfg, command):
    luigi_cfg("[luigi_sinks]\nlocal = data\n" + MARIADB.format("mariadb"))
    done = CliRunner().invoke(app, [command, "anything"], catch_exceptions=False)
    assert done.exit_code == 2
    assert "[luigi_sinks] local = data is set: datasets are files there, and no server" in done.stderr


def test_a_misspelled_section_is_named_with_the_closest_known_one(check):
    done = check(MARIADB.format("mariabd.archive"))
    assert done.exit_code == 2
    assert (
        "[luigi_sinks.mariabd.archive] in luigi.cfg is read by nothing: 'mariabd' is unknown; did you mean 'mariadb'?\n"
        in done.stdout
    )


def test_sections_that_are_no_stores_are_known(check):
    sections = "".join(f"[luigi_sinks.{name}]\n" for name in ("audit", "leases", "owner.ops", "credential.db"))
    done = check(sections)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "has no section of a store" in done.stderr
