"""The example pipeline on real servers, seen through the stores' own clients."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
TABLES = {"airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115, "flights": 336_776}
NETWORK = "MATCH (h:_SinkHead {dataset: 'network'}) "


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run the demonstration twice, in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    return [demo(folder), demo(folder)]


@pytest.fixture
def clients(runs, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    import clients  # noqa: PLC0415 - the example is no package

    return clients


def demo(folder):
    command = [sys.executable, EXAMPLE / "demo.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_in_mariadb(clients, table):
    assert clients.sql(f"SELECT COUNT(*) FROM {table}") == [(TABLES[table],)]


def test_every_flight_is_in_elasticsearch(clients):
    assert clients.search("flights/_count", {})["count"] == TABLES["flights"]


def test_every_airport_airline_and_plane_is_in_neo4j(clients):
    for label, table in (("Airport", "airports"), ("Airline", "airlines"), ("Plane", "planes")):
        found = clients.cypher(f"{NETWORK} MATCH (n:{label}__v {{_version: h.version}}) RETURN count(n)")
        assert found == [(TABLES[table],)]


def test_every_route_but_those_to_four_unknown_airports_is_in_neo4j(clients):
    unknown = clients.sql("SELECT COUNT(*) FROM flights WHERE dest IN ('BQN', 'PSE', 'SJU', 'STT')")[0][0]
    query = f"{NETWORK} MATCH (:Airport__v {{_version: h.version}})-[r:ROUTE__v]->() RETURN sum(r.flights)"
    assert clients.cypher(query) == [(TABLES["flights"] - unknown,)]


def test_readers_saw_whole_versions_only(runs):
    assert runs[0].count("27,004 → 26,483 → 27,004 flights, nothing else") == 2


def test_the_second_run_loads_nothing(runs):
    assert "32 versions were published" in runs[0]
    assert "0 versions were published" in runs[1]
