"""What a load does when the disk of the audit log is full, on each real store.

A limit on the file size of the process emulates the full disk: the kernel refuses the
line that does not fit, and the servers are not affected.
"""

import json
import secrets
import subprocess
import sys

import pytest

from luigi_sinks import audit

PROGRAM = '''
import json, logging, os, resource, sys

import luigi
from luigi.configuration import add_config_path
from sqlalchemy import Column, Integer

from luigi_sinks import elasticsearch, mariadb, neo4j

STORE, DATASET, CONFIG, WHEN = sys.argv[1:]
add_config_path(CONFIG)
AUDIT = luigi.configuration.get_config().get("luigi_sinks.audit", "path")
WRITTEN = []


def fill_the_disk():
    """Leave space for half a line; nothing else writes files in this process."""
    room = os.path.getsize(AUDIT) + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))


class Common:
    partition_by = ()

    def numbers(self):
        for number in range(5):
            WRITTEN.append(number)
            yield number
        if WHEN == "during" and self.rerun:
            fill_the_disk()


class InMariaDB(Common, mariadb.CopyToTable):
    table = DATASET
    columns = [Column("id", Integer, primary_key=True)]

    def rows(self):
        return ({"id": number} for number in self.numbers())


class InElasticsearch(Common, elasticsearch.CopyToIndex):
    index = DATASET
    mapping = {"id": {"type": "integer"}}
    id_field = "id"

    def docs(self):
        return ({"id": number} for number in self.numbers())


class InNeo4j(Common, neo4j.CopyToGraph):
    graph = DATASET
    nodes = [neo4j.Node("Thing", key="id", properties={"id": int})]

    def rows(self):
        return (("Thing", {"id": number}) for number in self.numbers())


class Warnings(logging.Handler):
    said = []

    def emit(self, record):
        self.said.append(record.getMessage())


logging.getLogger("luigi_sinks.credentials").addHandler(Warnings(logging.WARNING))
task = {"mariadb": InMariaDB, "elasticsearch": InElasticsearch, "neo4j": InNeo4j}[STORE]()
rerun = task.clone(rerun="second")
if WHEN == "during":
    task.run()
    WRITTEN.clear()
else:
    rerun.complete()  # connects, so the token is already in the log
    fill_the_disk()
def kept():
    """Read by the sink itself: a read through the output is recorded too, and refused without the log."""
    return task.output().sink().read(task.output().record().version)


error = ""
try:
    rerun.run()
except Exception as raised:
    error = f"{type(raised).__name__}: {raised}"
print(json.dumps({
    "error": error,
    "given": WRITTEN,
    "states": [record.state for record in task.output().sink().records()],
    "rows": len(list(kept())) if WHEN == "during" else None,
    "complete": rerun.complete(),
    "warnings": Warnings.said,
}))
'''


@pytest.fixture(params=["mariadb", "elasticsearch", "neo4j"])
def load(request, luigi_config, tmp_path):
    """Return a function that loads in a separate process; if the disk fills during the load, over an older version."""
    log = tmp_path / "audit"
    (tmp_path / "program.py").write_text(PROGRAM)

    def load(disk_full, *, required):
        dataset = f"disk_{secrets.token_hex(4)}"
        with luigi_config.open("a") as config:
            config.write(f"[luigi_sinks.audit]\npath = {log}\nrequired = {required}\n")
        argv = [sys.executable, tmp_path / "program.py", request.param, dataset, luigi_config, disk_full]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert audit.verify(log).is_good
        return json.loads(done.stdout)

    return load


def test_a_required_log_that_cannot_be_written_stops_a_load_before_it_begins(load):
    told = load("before", required="true")
    assert told["error"].startswith("CredentialError: the audit log")
    assert "there is no space for a whole line" in told["error"]
    assert (told["given"], told["states"], told["complete"]) == ([], [], False)


def test_a_disk_that_fills_during_a_load_prevents_its_publication(load):
    told = load("during", required="true")
    assert told["error"].startswith("CredentialError: the audit log")
    assert (len(told["given"]), told["rows"], told["complete"]) == (5, 5, False)
    assert told["states"][0] == "published"
    assert told["states"][1:] == ["failed"]


def test_an_optional_log_that_cannot_be_written_causes_one_warning(load):
    told = load("before", required="false")
    assert (told["error"], told["states"], told["complete"]) == ("", ["published"], True)
    (warning,) = told["warnings"]
    assert "events are lost until it can" in warning
