"""Registries of the first format, kept as data: release 0.1 made them, several versions in several states.

`old_months` has two partitions. In 201302 a crash left two versions recorded as published, a
third was left for a pruner, and a fourth staged by a process that died. `old_whole` has none.
"""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from luigi_sinks import Forbidden, Origin, SinkError, State, load, versions
from luigi_sinks.elasticsearch import ElasticsearchCatalog, names, registry
from luigi_sinks.elasticsearch.catalog import datasets
from luigi_sinks.version import WHOLE

MONTHS = [
    ("201301", State.DROPPED, 2),
    ("201301", State.RETIRED, 3),
    ("201301", State.FAILED, None),
    ("201301", State.PUBLISHED, 4),
    ("201302", State.RETIRED, 5),
    ("201302", State.PUBLISHED, 6),
    ("201302", State.ABANDONED, 1),
    ("201302", State.STAGED, None),
]
JANUARY = Origin("Load_201301", family="Load", owner="tests", partition_by=("month",))


@pytest.fixture
def catalog(settings, dataset):
    return ElasticsearchCatalog(settings, dataset)


def ids(catalog, version):
    return sorted(row["id"] for row in catalog.read(version))


def history(catalog):
    return [(record.version.partition, record.state, record.rows) for record in catalog.records()]


def formats(cluster, dataset):
    """Return the registry's own format, and those of its records."""
    body = cluster("GET", f"/{dataset}~registry")[f"{dataset}~registry"]
    hits = cluster("GET", f"/{dataset}~registry/_search?size=100&q=_exists_:seq")["hits"]["hits"]
    return body["mappings"].get("_meta"), {hit["_source"]["record"].get("format", 1) for hit in hits}


def test_a_catalog_reads_heads_history_and_rows_before_any_upgrade(restore, catalog, settings, cluster, dataset):
    restore("old_months")
    assert dataset in datasets(settings)
    records = list(catalog.records())
    assert history(catalog) == MONTHS
    assert [record.seq for record in records] == list(range(1, 9))
    assert {head.version: head.epoch for head in catalog.heads().values()} == {
        records[3].version: 3,
        records[5].version: 2,
    }
    assert catalog.head("201302").record == records[5]
    assert [ids(catalog, records[number].version) for number in (1, 3, 4, 5)] == [
        [0, 1, 2],
        [0, 1, 2, 3],
        [100, 101, 102, 103, 104],
        [0, 1, 2, 3, 4, 5],
    ]
    assert [catalog.count(record.version) for record in records] == [0, 3, 0, 4, 5, 6, 1, 2]
    assert [record.is_complete for record in records] == [True, True, False, True, True, True, False, False]
    assert [record.is_left for record in records].index(True) == 6
    assert records[1].origin == replace(JANUARY, rerun="again", params={"month": "201301"})
    assert formats(cluster, dataset)[0] is None


def test_a_load_upgrades_the_registry_and_loses_nothing(restore, sink, catalog, cluster, dataset):
    restore("old_months")
    before = list(catalog.records())
    load(sink, "201301", JANUARY, ({"id": number} for number in range(7)))
    after = list(catalog.records())
    expected = [
        replace(record, schema=sink.declared, state=State.RETIRED, retired_at=now.retired_at)
        if record.seq == 4
        else replace(record, schema=sink.declared)
        for record, now in zip(before, after, strict=False)
    ]
    assert after[:-1] == expected
    assert (after[-1].seq, after[-1].state, catalog.head("201301").epoch) == (9, State.PUBLISHED, 4)
    assert formats(cluster, dataset) == ({"format": 2}, {2})
    assert ids(catalog, before[1].version) == [0, 1, 2]


def test_a_version_of_an_older_release_is_rolled_back_to_pruned_and_cleared(restore, sink, catalog, cluster, dataset):
    restore("old_months")
    _, old, _, head, twice, _, left, dead = (record.version for record in catalog.records())
    versions.roll_back(catalog, old, why="an old one was right")
    assert catalog.head("201301").version == old
    assert [(each.epoch, each.why) for each in catalog.record(old).publications] == [
        (0, ""),
        (4, "an old one was right"),
    ]
    for version in (head, twice, left):
        versions.prune(catalog, version, min_age=timedelta(0))
    load(sink, "201302", replace(JANUARY, update_id="Load_201302"), [{"id": 1}])
    assert [record.state for record in catalog.records()] == [
        *(State.DROPPED, State.PUBLISHED, State.FAILED, State.DROPPED),
        *(State.DROPPED, State.RETIRED, State.DROPPED, State.FAILED, State.PUBLISHED),
    ]
    assert names.index(dead) not in cluster.indices(dataset)
    assert cluster.count(f"{dataset}~registry") == 9


def test_a_dataset_without_partitions_is_upgraded_too(restore, sink, catalog, cluster, dataset):
    restore("old_whole")
    assert history(catalog) == [("_all", State.RETIRED, 3), ("_all", State.PUBLISHED, 2), ("_all", State.VALIDATED, 1)]
    load(sink, WHOLE, Origin("Load_1", family="Load"), [{"id": 1}])
    assert [state for _, state, _ in history(catalog)] == [State.RETIRED, State.RETIRED, State.FAILED, State.PUBLISHED]
    assert formats(cluster, dataset) == ({"format": 2}, {2})


def test_an_owner_upgrades_without_a_load(restore, sink, catalog, cluster, dataset):
    restore("old_months")
    sink.create()
    assert formats(cluster, dataset) == ({"format": 2}, {2})
    assert history(catalog) == MONTHS


def test_an_old_version_keeps_the_mapping_that_its_index_has(restore, make_sink, catalog, load_rows):
    restore("old_whole")
    mapping = {"id": {"type": "long"}, "new": {"type": "keyword"}}
    other = make_sink(mapping=mapping, allow_change=("name", "amount"))
    load_rows(other, [{"id": 1, "new": "x"}])
    old, _, dead, new = catalog.records()
    assert old.schema["mapping"]["properties"]["id"] == {"type": "integer"}
    assert old.schema["id_field"] == "id"
    assert dead.schema == new.schema == other.declared


def test_an_upgrade_that_was_cut_short_is_done_again(restore, make_sink, sink, proxy, cluster, dataset, catalog):
    restore("old_months")
    proxy.lose_requests("PUT", "registry/_mapping", times=4)
    with pytest.raises(SinkError):
        make_sink(settings=proxy.settings).create()
    assert formats(cluster, dataset) == (None, {2})
    sink.create()
    assert formats(cluster, dataset) == ({"format": 2}, {2})
    assert history(catalog) == MONTHS


def test_a_record_that_changes_during_the_upgrade_is_upgraded_as_it_is_then(
    restore, make_sink, sink, proxy, cluster, dataset, catalog
):
    restore("old_months")
    first = next(catalog.records()).version
    proxy.before("PUT", "registry/_bulk", lambda: catalog.change(first, lambda it, _: replace(it, pinned=True)))
    make_sink(settings=proxy.settings).create()
    assert formats(cluster, dataset) == ({"format": 2}, {2})
    assert (catalog.record(first).pinned, catalog.record(first).schema) == (True, sink.declared)


def test_a_registry_of_a_newer_format_is_refused(sink, cluster, dataset, load_rows):
    first, second = (load_rows(sink, [{"id": number}]) for number in (1, 2))
    before = list(sink.records())
    cluster("PUT", f"/{dataset}~registry/_mapping", {"_meta": {"format": 3}})
    registry._known.clear()  # as in another process
    for change in (
        lambda: load_rows(sink, [{"id": 3}]),
        lambda: versions.roll_back(sink, first),
        lambda: versions.prune(sink, first, min_age=timedelta(0)),
        lambda: sink.delete_rows(first),
    ):
        with pytest.raises(
            SinkError, match=re.escape("has format 3, newer than this luigi_sinks; install a newer one")
        ):
            change()
    assert list(sink.records()) == before
    assert sink.head("_all").version == second
    assert (cluster.count(dataset), len(list(sink.read(first)))) == (1, 1)


def test_changes_ask_once_for_the_format_of_a_registry(make_sink, proxy, load_rows):
    first, _ = (load_rows(make_sink(), [{"id": number}]) for number in (1, 2))
    sink = make_sink(settings=proxy.settings)
    for why in ("once", "twice"):
        sink.publish(first, replacing=sink.head("_all"), why=why)
        sink.change(first, lambda record, _: replace(record, pinned=not record.pinned))
    assert sum("_mapping" in path for _, path, _ in proxy.requests) == 1


def test_a_login_that_may_not_upgrade_is_told_to_ask_the_owner(restore, make_sink, proxy, cluster, dataset, load_rows):
    restore("old_months")
    proxy.refuse(403, lambda method, path, _: method == "PUT" and "_mapping" in path, body=DENIED)
    with pytest.raises(
        Forbidden, match=r"is not permitted to upgrade it; run `luigi-sinks create` as the owner: .*put"
    ):
        load(make_sink(settings=proxy.settings), "201301", JANUARY, [{"id": 1}])
    assert cluster.count(f"{dataset}~registry") == 9


DENIED = {"error": {"type": "security_exception", "reason": "action [indices:admin/mapping/put] is unauthorized"}}
