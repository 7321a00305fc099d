"""Two attempts at one partition write at once, as Spark speculates that one of them hangs.

Spark starts no duplicate on the host of the first attempt, so the two workers have addresses of
their own, both of this machine's loopback network; those of a local-cluster have one.
"""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from luigi_sinks import State
from luigi_sinks.testing.servers import java
from tests.integration.spark.conftest import spark_python, spark_session
from tests.spark_faults import PARTITIONS, ROWS, Fault, ids_of, records_of, written

SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "200ms",
    "spark.speculation.multiplier": "1.2",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.minTaskRuntime": "1s",
    "spark.speculation.efficiency.enabled": "false",  # a frame that is made as it is read counts no input
}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def daemons(folder):
    """Start a master of Spark and two workers; give the master's address, and end the three by their ids."""
    where = "import pyspark; print(pyspark.__path__[0])"
    home = subprocess.run([spark_python(), "-c", where], check=True, capture_output=True, text=True).stdout.strip()
    address = f"127.0.0.1:{free_port()}"
    host, port = address.split(":")
    commands = {host: ["org.apache.spark.deploy.master.Master", "--host", host, "--port", port, "--webui-port", "0"]}
    for worker in ("127.0.0.2", "127.0.0.3"):
        sizes = ["--cores", "1", "--memory", "1024m", "--webui-port", "0", "--work-dir", str(folder / worker)]
        commands[worker] = ["org.apache.spark.deploy.worker.Worker", "--host", worker, *sizes, f"spark://{address}"]
    started = []
    try:
        for name, command in commands.items():
            environment = {**os.environ, "JAVA_HOME": str(java.find(17)), "SPARK_HOME": home, "SPARK_LOCAL_IP": name}
            with (folder / f"{name}.log").open("wb") as log:
                full = [str(Path(home) / "bin" / "spark-class"), *command]
                started.append(subprocess.Popen(full, env=environment, cwd=folder, stdout=log, stderr=log))
        yield f"spark://{address}"
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def speculating(servers_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("speculating")
    with (
        daemons(folder) as master,
        spark_session(servers_config, folder, **{**SPECULATION, "spark.master": master}) as session,
    ):
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
    assert {0, 1} <= set(parts[1, 0]), "the first part was not written by both attempts"
    assert [record.state for record in records_of(store, dataset)] == [State.PUBLISHED]
