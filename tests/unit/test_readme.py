"""The examples of the README work as they are."""

import re
import tomllib
from datetime import date
from pathlib import Path

import luigi
import pytest

from luigi_sinks.testing.servers import versions

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXPECTED = {
    "Delays": [{"id": 1, "carrier": "UA"}],
    "Airports": [
        ("Airport", {"faa": "JFK", "lat": 40.6}),
        ("Airport", {"faa": "LAX", "lat": 33.9}),
        ("ROUTE", {"start": "JFK", "end": "LAX", "flights": 11262}),
    ],
}
SUPPORT = re.findall(r"^\| ([\w() ]+) \| ([\d.]*) ?\| `([\w\[\]-]+)` \| (\S+) \| (\S+) \|$", README, re.MULTILINE)
TESTED = {
    "MariaDB": versions.MARIADB_IMAGE.partition(":")[2],
    "Elasticsearch": versions.ELASTICSEARCH.version,
    "OpenSearch": versions.OPENSEARCH.version,
    "Neo4j Community": versions.NEO4J.version,
    "(all)": "",
}


def test_the_first_load_and_the_three_ways_in_work_as_they_stand(page, memory):
    found = page("README.md").run()
    for family, rows in EXPECTED.items():
        kind = getattr(found, family)
        task = kind(**{name: date(2013, 1, 1) for name, _ in kind.get_params() if name == "day"})
        assert luigi.build([task], local_scheduler=True, no_lock=True, log_level="WARNING")
        assert list(task.output().open("r")) == rows


def test_it_can_be_read_in_two_minutes():
    prose = re.sub(r"^```.*?^```$|^\|.*?$", "", README, flags=re.DOTALL | re.MULTILINE)  # not code, nor tables
    assert sum(any(map(str.isalnum, word)) for word in prose.split()) <= 725  # some 700


def test_the_versions_it_calls_tested_are_those_that_are_tested():
    assert {store for store, *_ in SUPPORT} == TESTED.keys()
    pinned = [*(ROOT / "constraints.txt").read_text().split(), *(ROOT / "Makefile").read_text().split()]
    accepted = {
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    }
    for store, server, client, bounds, tested in SUPPORT:
        assert TESTED[store].startswith(server), store
        assert f"{client}{bounds}" in accepted, f"README.md and pyproject.toml differ in {client}"
        assert f"{client.partition('[')[0]}=={tested}" in pinned, f"README.md and what is tested differ in {client}"


@pytest.mark.parametrize(
    "extra", re.findall(r"`([\w-]+)`", README[README.index("More extras") : README.index("## A first")])
)
def test_every_extra_it_names_is_there(extra):
    assert extra in PROJECT["optional-dependencies"] | PROJECT["scripts"]
