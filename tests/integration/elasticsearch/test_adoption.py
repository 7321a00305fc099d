"""An index, or an alias of one, becomes a dataset while others read it."""

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from functools import partial

import pytest
import urllib3

from luigi_sinks import BadSetting, CheckFailed, Origin, load, versions
from luigi_sinks.adoption import adopt
from luigi_sinks.checks import unique_across_partitions
from luigi_sinks.elasticsearch import ElasticsearchCatalog, ElasticsearchSink
from luigi_sinks.elasticsearch.adoption import ExistingIndex
from luigi_sinks.elasticsearch.declaration import declare
from luigi_sinks.elasticsearch.schema import parse_schema
from luigi_sinks.version import WHOLE

MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}, "at": {"properties": {"city": {"type": "text"}}}}
ORIGIN = Origin("Items_1", family="Items")
DOCUMENTS = [{"id": n, "name": f"name {n}", "at": {"city": "Bern"}} for n in range(200)]


@pytest.fixture
def existing(cluster, settings, dataset):
    """Return a function that makes an index with documents, and returns what is found under the dataset's name."""
    made = []

    def make(index, name=dataset, **body):
        made.append(index)
        cluster("PUT", f"/{index}", {"mappings": {"properties": MAPPING}, **body})
        lines = [line for each in DOCUMENTS for line in ({"index": {"_id": str(each["id"])}}, each)]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        cluster("POST", f"/{index}/_bulk?refresh=true", text.encode())
        return ExistingIndex(ElasticsearchSink(settings, name, parse_schema(name, MAPPING, {}, "id")))

    yield make
    for index in made:
        if index in cluster.indices(index):
            cluster("DELETE", f"/{index}")


def test_an_index_becomes_the_first_version_and_its_name_an_alias(existing, cluster, dataset):
    found = existing(dataset)
    before = cluster.documents(dataset)
    adopted = adopt(found, WHOLE, ORIGIN)
    assert cluster.documents(dataset) == before
    assert (adopted.record.seq, adopted.record.rows, adopted.record.origin) == (1, 200, ORIGIN)
    assert adopted.kept == "the index is gone, and the version has its documents"
    assert list(cluster("GET", f"/{dataset}")) == [f"{dataset}~_all~{adopted.record.version.id}"]
    load(found.of, WHOLE, ORIGIN, [{"id": 7, "name": "new", "at": {"city": "Biel"}}])
    assert list(cluster.documents(dataset)) == ["7"]
    versions.roll_back(found.of, adopted.record.version)
    assert cluster.documents(dataset) == before
    assert sorted(found.of.read(adopted.record.version), key=lambda each: each["id"]) == DOCUMENTS


def test_the_index_of_an_alias_is_kept_and_takes_no_writes(existing, cluster, dataset):
    found = existing(f"{dataset}-2020", aliases={dataset: {}})
    before = cluster.documents(dataset)
    adopted = adopt(found, WHOLE, ORIGIN)
    assert cluster.documents(dataset) == before
    assert adopted.kept == f"the index {dataset}-2020 is kept, takes no writes, and is no longer read by this name"
    for name in (dataset, f"{dataset}-2020"):
        assert cluster("POST", f"/{name}/_doc", {"id": 1})["status"] == 403
    assert list(cluster("GET", f"/{dataset}-2020")[f"{dataset}-2020"]["aliases"]) == []


def test_what_is_adopted_already_is_refused(existing, dataset):
    found = existing(dataset)
    adopt(found, WHOLE, ORIGIN)
    with pytest.raises(BadSetting, match="is a dataset already, and there is nothing to adopt"):
        adopt(ExistingIndex(found.of), WHOLE, ORIGIN)


def test_readers_see_the_same_documents_all_the_time(existing, cluster, dataset):
    found, seen, stop = existing(dataset), Counter(), threading.Event()

    def read():
        while not stop.is_set():
            answer = cluster("GET", f"/{dataset}/_count")
            seen[answer.get("count", answer.get("status"))] += 1

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    time.sleep(0.5)
    adopt(found, WHOLE, ORIGIN)
    time.sleep(0.5)
    stop.set()
    for reader in readers:
        reader.join()
    assert seen[200] > 20
    assert set(seen) <= {200, 503}, seen


def test_who_writes_meanwhile_is_refused_and_nothing_is_lost(existing, cluster, dataset):
    found, taken, stop = existing(dataset), [], threading.Event()

    def write():
        for number in range(1_000, 100_000):
            answer = cluster("PUT", f"/{dataset}/_doc/{number}", {"id": number, "name": "late"})
            taken.extend([number] if "result" in answer else [])
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.3)
    adopted = adopt(found, WHOLE, ORIGIN)
    stop.set()
    writer.join()
    assert taken
    assert adopted.record.rows == cluster.count(dataset) == 200 + len(taken)


def test_after_a_kill_at_any_request_a_rerun_adopts_it(existing, cluster, dataset, settings):
    every = os.environ.get("LUIGI_SINKS_KILLS") == "every"
    number, ended, step = 1, None, 1 if every else 5
    while ended != 0:
        name = f"{dataset}{number}"
        found = existing(name, name)
        ended = killed_at(number, partial(adopt, found, WHOLE, ORIGIN))
        assert cluster.count(name) == 200, number
        if name in cluster("GET", f"/{name}"):
            adopt(ExistingIndex(found.of), WHOLE, ORIGIN)
        head = ElasticsearchCatalog(settings, name).head(WHOLE)
        assert (cluster.count(name), head.record.rows) == (200, 200), number
        assert list(cluster("GET", f"/{name}")) == [f"{name}~_all~{head.version.id}"], number
        versions.sweep(found.of)
        assert len(cluster.indices(f"{name}~")) == 2 + sum(1 for each in found.of.records() if each.retired_at), number
        cluster.delete(f"{name}~")
        number += step
    assert number > 10


def killed_at(number, act):
    """Run a function in a child that dies before it sends this request; return how the child ended."""
    child = os.fork()
    if not child:
        counted, send = iter(range(1, number)), urllib3.HTTPConnectionPool.urlopen

        def send_or_die(*args, **kwargs):
            if next(counted, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return send(*args, **kwargs)

        urllib3.HTTPConnectionPool.urlopen = send_or_die
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize(
    ("mapping", "others", "refusal"),
    [
        ({"id": {"type": "integer"}}, {}, "field 'at' is not there, and declared as object"),
        ({**MAPPING, "id": {"type": "keyword"}}, {}, "field 'id' is keyword, and declared as integer"),
        (MAPPING, {"final_pipeline": "some"}, "remove final_pipeline = 'some' from settings"),
    ],
)
def test_an_index_that_is_declared_otherwise_is_refused_and_stays(existing, cluster, dataset, mapping, others, refusal):
    found = existing(dataset, mappings={"dynamic": False, "properties": mapping}, settings=others)
    with pytest.raises(BadSetting, match=refusal):
        adopt(found, WHOLE, ORIGIN)
    assert cluster.indices(dataset) == [dataset]
    assert "blocks" not in cluster("GET", f"/{dataset}")[dataset]["settings"]["index"]


def test_a_name_of_several_indices_or_of_none_is_refused(existing, dataset):
    found = existing(f"{dataset}-1", aliases={dataset: {}})
    existing(f"{dataset}-2", aliases={dataset: {}})
    with pytest.raises(BadSetting, match=f"stands for {dataset}-1, {dataset}-2; only one index"):
        adopt(found, WHOLE, ORIGIN)


def test_a_load_of_an_index_that_is_there_names_the_command(existing, dataset):
    with pytest.raises(BadSetting, match="Adopt it by `luigi-sinks adopt MODULE TASK`, or delete it"):
        load(existing(dataset).of, WHOLE, ORIGIN, [{"id": 1}])


def test_an_index_whose_documents_have_no_field_for_their_id_is_adopted_without_one(cluster, settings, dataset):
    cluster("PUT", f"/{dataset}", {"mappings": {"properties": {"name": MAPPING["name"]}}})
    cluster("PUT", f"/{dataset}/_doc/7?refresh=true", {"name": "old"})
    with_id = {"id": {"type": "keyword"}, "name": MAPPING["name"]}
    by_id = ElasticsearchSink(settings, dataset, parse_schema(dataset, with_id, {}, "id"))
    without = ElasticsearchSink(settings, dataset, parse_schema(dataset, {"name": MAPPING["name"]}, {}, ""))
    with pytest.raises(
        BadSetting, match=r"have no field 'id', which is the id_field\. Adopt it without 'id' in mapping"
    ):
        adopt(ExistingIndex(by_id), "adopted", ORIGIN)
    adopt(ExistingIndex(without), "adopted", ORIGIN)
    load(by_id, "a", ORIGIN, [{"id": "new", "name": "new"}])
    hits = cluster("GET", f"/{dataset}/_search")["hits"]["hits"]
    assert {hit["_id"]: hit["_source"] for hit in hits} == {"7": {"name": "old"}, "new": {"id": "new", "name": "new"}}
    with pytest.raises(CheckFailed, match=r"adopted/v.* has id = '7' too, so readers would see that key twice"):
        load(by_id, "b", ORIGIN, [{"id": "7", "name": "again"}], checks=(unique_across_partitions,))


TASK = """
from luigi_sinks import elasticsearch

class Items(elasticsearch.CopyToIndex):
    {}
"""


def test_the_command_adopts_what_the_other_command_declares(existing, dataset, command_of, settings):
    existing(
        dataset,
        settings={
            "number_of_replicas": 0,
            "analysis": {"analyzer": {"a": {"type": "custom", "tokenizer": "standard"}}},
        },
    )
    declared = declare(settings, dataset)
    assert declared.code == declare(settings, dataset).code
    assert declared.undeclared == ("whether each document has this id_field; 100 of them were looked at",)
    run = command_of(TASK.format(declared.code.replace("\n", "\n    ")))
    done = run("adopt", "Items", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == 200
    items = sys.modules[run.module].Items
    assert items().complete()
    assert items().output().sink().schema.properties == MAPPING
    assert items.id_field == "id"
