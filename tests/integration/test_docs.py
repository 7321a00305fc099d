"""What the page on the catalog shows holds on each real store, with the servers' luigi.cfg and no task module."""

import secrets

import pytest


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
