"""The examples of the README work as they are."""

import re
from datetime import date
from pathlib import Path

import luigi
import pytest
from typer.testing import CliRunner

from luigi_sinks import config, mariadb
from luigi_sinks.cli.app import app

README = (Path(__file__).parents[2] / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
EXPECTED = {
    "Departures": [{"id": 1, "carrier": "UA"}],
    "Delays": [{"id": 1, "carrier": "UA"}],
    "Airports": [
        ("Airport", {"faa": "JFK", "lat": 40.6}),
        ("Airport", {"faa": "LAX", "lat": 33.9}),
        ("ROUTE", {"start": "JFK", "end": "LAX", "flights": 11262}),
    ],
}


def task_of(snippet):
    names = {"__name__": "readme"}
    exec(snippet, names)
    (family,) = (value for value in names.values() if getattr(value, "__module__", "") == "readme")
    return family(**{name: date(2013, 1, 1) for name, _ in family.get_params() if name in {"month", "day"}})


def test_there_are_three_ways_in():
    assert len(SNIPPETS) == 3


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_loads_its_rows(snippet, memory):
    task = task_of(snippet)
    assert luigi.build([task], local_scheduler=True, no_lock=True, log_level="WARNING")
    assert list(task.output().open("r")) == EXPECTED[task.task_family]


def test_the_configuration_is_understood(luigi_cfg):
    luigi_cfg(re.search(r"```ini\n(.*?)```", README, re.DOTALL)[1])
    settings = config.read_connection(mariadb.MariaDBSettings, "mariadb")
    assert (settings.host, settings.credential) == ("db.internal", "db")
    assert config.read_credential("db")["source"] == "file"


@pytest.mark.parametrize("command", re.findall(r"^luigi-sinks (grants \w+ --format \w+)", README, re.MULTILINE))
def test_grants_are_printed_for_the_tasks(command, luigi_cfg, tmp_path, monkeypatch):
    owned = SNIPPETS[0].replace('table = "departures"', 'table, owner = "departures", "flight_ops"')
    (tmp_path / f"{command.split()[1]}.py").write_text(owned)
    monkeypatch.syspath_prepend(tmp_path)
    luigi_cfg("\n".join(re.findall(r"```ini\n(.*?)```", README, re.DOTALL)))
    printed = CliRunner().invoke(app, command.split())
    assert "GRANT INSERT, SELECT ON `flights__v`.`departures__g1` TO `flight_ops`;" in printed.output


@pytest.mark.parametrize("command", re.findall(r"^luigi-sinks ([^#\n]+)", README, re.MULTILINE))
def test_every_command_and_option_is_there(command):
    words = [word for word in command.split() if word not in {"my_tasks", "sql", "NAME"}]
    shown = CliRunner().invoke(app, [*(word for word in words if word[0] != "-"), "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert all(word in shown.output for word in words)


@pytest.mark.parametrize("target", re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE))
def test_every_make_target_is_there(target):
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert re.search(rf"^([\w -]+ )?{target}( [\w -]+)?:", makefile, re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"`((?:examples|luigi_sinks)/[\w/.]+)`", README))
def test_every_file_it_names_is_there(path):
    assert (Path(__file__).parents[2] / path).exists()
