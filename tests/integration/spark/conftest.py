"""A session of Spark on a cluster of two executors, in Spark's own virtual environment (`make .venv-spark/ready`)."""

import json
import os
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from luigi_sinks import stores, versions
from luigi_sinks.testing.servers import java

ROOT = Path(__file__).parents[3]
PYTHON = "LUIGI_SINKS_SPARK_PYTHON"
"""The variable with the path of a Python that has the extra `spark`. Default: that of `make test`."""

EVERY = os.environ.get("LUIGI_SINKS_SPARK") == "every"
"""Whether to take what takes long too, as `make spark` does."""

collect_ignore = [] if EVERY else ["test_large_frames.py", "test_leaks.py", "test_speculation.py"]

CLUSTER = {
    "spark.master": "local-cluster[2,1,1024]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "America/New_York",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}


class Session:
    """A session in a process of its own. Its attributes are the functions of `tests.spark_loads`."""

    def __init__(self, process, log):
        self._process, self._log = process, log

    def __getattr__(self, name):
        def call(**given):
            self.begin(name, **given)
            return self.end()

        return call

    def begin(self, name, **given):
        """Call a function; `end` waits for it."""
        pickle.dump((name, given), self._process.stdin)
        self._process.stdin.flush()

    def end(self):
        """Return what the function returned, or raise what it raised."""
        try:
            outcome, value = pickle.load(self._process.stdout)
        except EOFError:
            frames = ("\tat ", "\t...")
            said = [line for line in self._log.read_text().splitlines() if not line.startswith(frames)]
            pytest.fail("\n".join(["the session of Spark ended:", *said[:50]]))
        if outcome == "raised":
            raise value
        return value

    def interrupt(self):
        """Do what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)


def spark_python():
    """Return the Python that has pyspark; a test fails without one."""
    python = os.environ.get(PYTHON) or f"{sys.prefix}-spark/bin/python"
    if not Path(python).exists():
        pytest.fail(f"there is no {python}, with pyspark: make {Path(sys.prefix).name}-spark/ready, or set {PYTHON}")
    return python


@contextmanager
def spark_session(config, folder, **settings):
    """Give a session of Spark, which logs in to the servers of a luigi.cfg."""
    python = spark_python()
    (folder / "luigi.cfg").write_text(config)
    environment = {
        **os.environ,
        "JAVA_HOME": str(java.find(17)),
        "LUIGI_CONFIG_PATH": str(folder / "luigi.cfg"),
        "PYSPARK_PYTHON": python,
        "PYTHONPATH": str(ROOT),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "TMPDIR": str(folder),
    }
    log = folder / "session.log"
    command = [python, "-m", "tests.spark_driver", json.dumps({**CLUSTER, **settings})]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output
        )
        try:
            yield Session(process, log)
        finally:
            process.stdin.close()
            try:
                process.wait(60)
            finally:
                process.kill()


@pytest.fixture(scope="session")
def hasty_config(servers_config):
    """Give the servers' luigi.cfg with a connection that soon gives up."""
    section = servers_config.split("[luigi_sinks.mariadb]")[1].split("[")[0]
    return f"{servers_config}\n[luigi_sinks.mariadb.hasty]{section}patience = 0.2\n"


@pytest.fixture(scope="session")
def spark(hasty_config, tmp_path_factory):
    """Give a session on two executors."""
    folder = tmp_path_factory.mktemp("spark")
    with spark_session(hasty_config, folder) as session:
        yield session
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def dataset():
    """A name that no other test uses."""
    return f"spark_{secrets.token_hex(4)}"


@pytest.fixture
def loaded(dataset):
    """Return a function that returns the rows that readers see of the dataset; the dataset is dropped in the end."""
    asked = []

    def loaded(store):
        asked.append(store)
        if dataset not in stores.find(store).datasets():
            return []
        catalog = stores.find(store).catalog(dataset)
        head = catalog.head("_all").version
        return [] if head is None else list(versions.read(catalog, head))

    yield loaded
    for store in map(stores.find, set(asked)):
        if dataset in store.datasets():
            store.catalog(dataset).drop()
