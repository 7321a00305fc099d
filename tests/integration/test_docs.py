"""What the pages on the catalog and on commands show holds on each real store, without a task module."""

import re
import secrets
from datetime import date

import luigi
import pytest

from luigi_sinks import config, dropping, stores
from luigi_sinks.neo4j import Neo4jSettings, connection

RELEASED = [
    ("mariadb", "carriers"),
    ("mariadb", "arrivals"),
    ("elasticsearch", "late_arrivals"),
    ("mariadb", "hours"),
    ("mariadb", "days"),
]
"""Other datasets that the page loads."""


@pytest.mark.parametrize("store", ["mariadb", "elasticsearch", "neo4j"])
def test_the_catalogs_page_holds_on_each_real_store(page, departures, store, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    dataset = f"docs_{secrets.token_hex(4)}"
    departures(store, dataset)
    found = page("docs/catalog.md").run(compare=False, **{'"mariadb"': f'"{store}"', '"departures"': f'"{dataset}"'})
    assert dataset in found.store.datasets()
    first, second = found.departures.records()
    assert [first.state, second.state] == ["published", "dropped"]
    assert found.head.version == first.version
    assert [publication.why for publication in first.publications] == ["", "the second file was February's"]
    assert found.departures.count(first.version) == 2


@pytest.mark.parametrize("store", ["mariadb", "elasticsearch", "neo4j"])
def test_the_commands_on_versions_work_on_each_store(page, departures, store):
    dataset = f"commands_{secrets.token_hex(4)}"
    departures(store, dataset)
    catalog = stores.find(store).catalog(dataset)
    named = [f"{store}:{record.version}" for record in catalog.records()]
    found = page("docs/versions.md")
    shown = sorted(set(re.findall(r"v\d{8}t\d{6}_[a-z2-7]{6}", found.text)))
    others = {"luigi-sinks datasets": "luigi-sinks head departures", "departures": f"{store}:{dataset}"}
    others["nightly"] = f"nightly_{secrets.token_hex(4)}"  # other tests have a release of this name
    found.run(compare=False, **dict(zip(shown, named, strict=True)), **others)
    for place, name in RELEASED:
        dropping.drop_dataset(stores.find(place).catalog(name), really=name)
    assert dataset not in stores.find(store).datasets()
    assert list(catalog.records()) == []


def test_merge_statements_over_mixed_rows_are_moved_over_as_the_page_shows(page):
    suffix = secrets.token_hex(4)
    before, after = (block for block in page("docs/migrating.md").blocks("python") if "Authors" in block)
    names = {}
    for block in (before, after):
        for word in ("Person", "Book", "library"):
            block = block.replace(f'"{word}"', f'"{word}{suffix}"')  # noqa: PLW2901 - as each other user names them
        exec(block, names)
    names["ROWS"].reverse()
    task = names["Authors"](day=date(2013, 1, 31))
    assert luigi.build([task], local_scheduler=True, log_level="WARNING")
    asked = f"MATCH (p:Person{suffix})-[:WROTE]->(b:Book{suffix}) RETURN p.name AS name, b.isbn AS isbn"
    settings = config.read_connection(Neo4jSettings, "neo4j")
    assert connection.query(settings, asked) == [{"name": "Ann", "isbn": "978-1"}]
