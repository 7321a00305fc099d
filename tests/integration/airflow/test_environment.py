"""The package beside Airflow's own packages, and what it costs Airflow's commands."""

import json
import subprocess

import pytest

from tests import airflow_environment

PLUGIN = """
import json, sys
from luigi_sinks_airflow import plugin, provider
print(json.dumps([plugin.LuigiSinksPlugin.name, provider.get_provider_info()["name"], "luigi_sinks" in sys.modules]))
"""
NAMES = """
import json
from importlib import import_module
from luigi_sinks import airflow
from luigi_sinks_airflow.provider import get_provider_info
(uris,) = get_provider_info()["asset-uris"]
module, _, name = uris["to_openlineage_converter"].rpartition(".")
public = [getattr(airflow, each).__name__ for each in airflow.__all__]
print(json.dumps([*public, callable(getattr(import_module(module), name))]))
"""

MISSPELLED = """
from luigi_sinks import airflow, errors
for options in ({"colums": []}, {"nodes": []}, {"keeep": 3}, {"shared_with": "Flights"}):
    try:
        airflow.Dataset("mariadb", "flights", **options)
    except errors.BadSetting as error:
        print(error)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a program in Airflow's environment, in an empty home of it."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))

    def run(program, *words):
        argv = [airflow_environment.programs() / program, *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    return run


def test_the_packages_fit_together(run):
    assert "No broken requirements found" in run("python", "-m", "pip", "check")


def test_airflow_knows_the_provider(run):
    found = json.loads(run("airflow", "providers", "list", "--output", "json"))
    assert "luigi-sinks" in {each["package_name"] for each in found}


def test_what_airflow_loads_with_every_command_imports_nothing_of_the_package(run):
    assert json.loads(run("python", "-c", PLUGIN)) == ["luigi_sinks", "Luigi sinks", False]


def test_every_public_name_and_the_converter_can_be_imported(run):
    assert json.loads(run("python", "-c", NAMES)) == ["Dataset", "LoadOperator", "Neo4jHook", "RunCypherOperator", True]


def test_a_dag_with_an_option_that_no_target_has_is_refused_when_it_is_parsed(run):
    said = [line for line in run("python", "-c", MISSPELLED).splitlines() if line.startswith("dataset")]
    assert [words.split(";")[0] for words in said] == [
        "dataset 'flights': colums is unknown",
        "dataset 'flights': nodes is unknown",
        "dataset 'flights': keeep is unknown",
        "dataset 'flights': shared_with = 'Flights' must be a tuple of task families, such as ('LoadFlights',)",
    ]
