"""A store that restarts within its patience fails no load, whichever steps its loads are at.

The suite restarts MariaDB; `make faults` each store. The servers are the test's own: others would be disturbed.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Column, Integer, String

from luigi_sinks import Origin, elasticsearch, load, mariadb, neo4j, versions
from luigi_sinks.testing import servers
from luigi_sinks.testing.servers import local, state

EVERY = os.environ.get("LUIGI_SINKS_KILLS") == "every"
LOADS = 4

COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(20))]
MAPPING = {"id": {"type": "integer"}, "name": {"type": "keyword"}}
NODES = [neo4j.Node("Restarted", key="id", properties={"id": int, "name": str})]


def target(store, partition):
    options = {"update_id": f"Load {partition}", "partition": partition}
    if store == "mariadb":
        return mariadb.MariaDBTarget("restarts", columns=COLUMNS, **options)
    if store == "elasticsearch":
        return elasticsearch.ElasticsearchTarget("restarts", mapping=MAPPING, id_field="id", **options)
    return neo4j.Neo4jTarget("restarts", nodes=NODES, **options)


def restart(name):
    with state.opened() as found:
        local.down([servers.SERVERS[name]], found)
        local.up([servers.SERVERS[name]], found)


@pytest.mark.parametrize("store", servers.ALL if EVERY else ["mariadb"])
@pytest.mark.timeout(500)
def test_loads_go_on_after_a_restart(store, own_server):
    own_server(store)
    restarted, loaded = threading.Event(), []

    def load_again_and_again(partition):
        given = [{"id": number, "name": f"name {number}"} for number in range(20)]
        sink, after = target(store, partition).sink(), 0
        while after < 2:
            load(
                sink, partition, Origin(partition), [("Restarted", row) for row in given] if store == "neo4j" else given
            )
            loaded.append(partition)
            after += restarted.is_set()

    with ThreadPoolExecutor(LOADS) as pool:
        loads = [pool.submit(load_again_and_again, f"p{number}") for number in range(LOADS)]
        while len(loaded) < LOADS and not any(each.done() for each in loads):
            threading.Event().wait(0.1)
        restart(store)
        restarted.set()
        assert [each.result() for each in loads] == [None] * LOADS
    sink = target(store, "p0").sink()
    assert [head.record.rows for head in sink.heads().values()] == [20] * LOADS
    assert versions.sweep(sink) == []
    assert {record.state for record in sink.records()} == {"retired", "published"}
