import json
import subprocess
import sys

import luigi_sinks

SDKS = {"sqlalchemy", "mariadb", "elasticsearch", "elastic_transport", "neo4j", "polars", "pyarrow", "numpy", "orjson"}
COST = """
import json, sys, time
import luigi
start = time.process_time()
import luigi_sinks
print(json.dumps([time.process_time() - start, sorted(sys.modules)]))
"""


def imported():
    return json.loads(subprocess.run([sys.executable, "-c", COST], check=True, capture_output=True, text=True).stdout)


def test_all_public_names_exist_and_are_sorted():
    assert sorted(luigi_sinks.__all__) == luigi_sinks.__all__
    assert all(hasattr(luigi_sinks, name) for name in luigi_sinks.__all__)


def test_importing_the_package_loads_no_stores_sdk():
    _, modules = imported()
    assert SDKS.isdisjoint(modules)


def test_importing_the_package_costs_at_most_30_ms_of_processor_time():
    assert any(imported()[0] <= 0.030 for _ in range(20))  # what else the machine does only makes it dearer
