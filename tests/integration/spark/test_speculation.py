"""Two attempts at one partition write at once, as Spark speculates that one of them hangs."""

import shutil

import pytest

from luigi_sinks import State
from tests.integration.spark.conftest import spark_session
from tests.spark_faults import PARTITIONS, ROWS, Fault, ids_of, records_of, written

SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "200ms",
    "spark.speculation.multiplier": "1.2",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.minTaskRuntime": "1s",
}


@pytest.fixture(scope="module")
def speculating(servers_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("speculating")
    with spark_session(servers_config, folder, **SPECULATION) as session:
        yield session
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("store", ["mariadb", "elasticsearch", "neo4j"])
@pytest.mark.parametrize("is_keyed", [True, False])
def test_a_duplicate_of_a_slow_attempt_writes_the_same_parts_and_each_counts_once(
    speculating, loaded, dataset, tmp_path, store, is_keyed
):
    speculating.load(store=store, dataset=dataset, is_keyed=is_keyed, fault=Fault(tmp_path, "sleep", part=1))
    assert ids_of(store, loaded(store), is_keyed=is_keyed) == list(range(ROWS))
    parts, _, _ = written(tmp_path)
    assert len(parts) == 3 * PARTITIONS
    assert sorted(parts[1, 0]) == [0, 1], "the first part was not written by both attempts"
    assert [record.state for record in records_of(store, dataset)] == [State.PUBLISHED]
