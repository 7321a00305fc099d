"""A frame that is larger than the memory of the executors that load it."""

from luigi_sinks import stores
from tests.spark_faults import Fault, written

ROWS = 6_000_000
"""Of 264 bytes each, 1.6 GB; an executor has 1 GB."""

MOST = 400 << 10
"""Kilobytes that a Python worker may take."""


def test_a_frame_larger_than_an_executors_memory_loads_in_python_workers_of_under_400_mb(spark, dataset, tmp_path):
    spark.load(store="mariadb", dataset=dataset, is_keyed=False, rows=ROWS, fault=Fault(tmp_path))
    assert stores.find("mariadb").catalog(dataset).head("_all").record.rows == ROWS
    _, memory, _ = written(tmp_path)
    assert max(memory) < MOST
    stores.find("mariadb").catalog(dataset).drop()
