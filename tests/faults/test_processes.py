"""How many token exchanges many tasks in many processes make, and who revokes the leases of a killed worker."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

LEASING = '''
from pathlib import Path
from uuid import uuid4

from luigi_sinks.credentials import TokenInfo, Request, Token

HERE = Path(__file__).parent


class Leasing:
    """Returns a new leased secret for each request, and records revocations."""

    def __init__(self, name, use):
        pass

    def scope(self, request):
        return Request(host=request.host)

    def fetch(self, request):
        lease = f"lease-{uuid4()}"
        (HERE / "leased" / lease).touch()
        return Token(f"secret of {lease}", TokenInfo(lifetime=600, lease=lease))

    def renew(self, token):
        return token

    def revoke(self, lease):
        (HERE / "revoked" / lease).write_text(str(os.getpid()))
'''

PIPELINE = '''
import multiprocessing, os, signal, sys, threading
from pathlib import Path

import luigi

from luigi_sinks import CopyTask, VersionedTarget
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.credentials import use

HERE = Path(__file__).parent


class Target(VersionedTarget):
    """Kept in SQLite: only the provider is tested here."""

    store = "memory"

    @property
    def contract(self):
        return Contract(self.name, {"": TupleShape((Field("id", int),))})


class Load(CopyTask):
    """Uses one credential for two servers, many times, in several threads."""

    number = luigi.IntParameter()
    credential = luigi.Parameter(default="file")
    dies = luigi.BoolParameter(default=False)
    partition_by = ()

    def output(self):
        return Target(f"d{self.number}", self._target_options())

    def rows(self):
        threads = [threading.Thread(target=self.connect) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (HERE / "methods" / str(os.getpid())).write_text(multiprocessing.get_start_method())
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        yield (self.number,)

    def connect(self):
        for _ in range(5):
            for host in ("one.example", "two.example"):
                use(self.credential, lambda token: token.reveal(), host=host)


class All(luigi.WrapperTask):
    count = luigi.IntParameter()
    credential = luigi.Parameter(default="file")

    def requires(self):
        return [Load(number=number, credential=self.credential) for number in range(self.count)]


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    import pipeline  # under the name by which the children import it

    tasks = [pipeline.All(count=int(sys.argv[2]), credential=sys.argv[3])]
    sys.exit(not luigi.build(tasks, workers=2, local_scheduler=True, no_lock=True))
'''

CONFIGURATION = """
[core]
autoload_range = false
[worker]
wait_interval = 0.05
[luigi_sinks]
local = {folder}/data
[luigi_sinks.audit]
path = {folder}/audit
[luigi_sinks.leases]
folder = {folder}/leases
[luigi_sinks.credential.file]
source = file
path = {folder}/secret
[luigi_sinks.credential.leasing]
source = leasing
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs Python with the pipeline and the leasing source on its path."""
    for name in ("leases", "leased", "revoked", "methods", "leasing-1.dist-info"):
        (tmp_path / name).mkdir(mode=0o700)
    known = tmp_path / "leasing-1.dist-info"
    (known / "entry_points.txt").write_text("[luigi_sinks.credential_sources]\nleasing = leasing:Leasing\n")
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: leasing\nVersion: 1\n")
    (tmp_path / "leasing.py").write_text(f"import os\n{LEASING}")
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "secret").write_text("a secret")
    (tmp_path / "luigi.cfg").write_text(CONFIGURATION.format(folder=tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "LUIGI_CONFIG_PATH": str(tmp_path / "luigi.cfg")}

    def run(*argv):
        command = [sys.executable, *map(str, argv)]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def exchanges(tmp_path):
    """Return a function that counts the exchanges in the audit log, by process and server."""

    def count():
        lines = map(json.loads, (tmp_path / "audit").read_text().splitlines())
        return Counter((line["pid"], line.get("server", "")) for line in lines if line["action"] == "exchange")

    return count


def luigi(*argv):
    return ("-m", "luigi", "--module", "pipeline", *argv, "--local-scheduler", "--no-lock")


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_two_hundred_tasks_in_four_workers_make_one_exchange_per_process_and_key(run, exchanges):
    done = run(*luigi("All", "--count", 200, "--workers", 4))
    assert done.returncode == 0, done.stderr
    assert "This progress looks :)" in done.stderr
    assert set(exchanges().values()) == {1}
    assert len(exchanges()) == 200, "Luigi forks a process for each task, and the file is one key for both servers"


def test_each_process_and_key_makes_one_exchange_and_each_lease_is_revoked(run, exchanges, tmp_path):
    done = run(*luigi("All", "--count", 20, "--workers", 4, "--credential", "leasing"))
    assert done.returncode == 0, done.stderr
    assert set(exchanges().values()) == {1}
    assert len(exchanges()) == 40
    assert Counter(host for _, host in exchanges()) == {"one.example": 20, "two.example": 20}
    assert len(names(tmp_path / "leased")) == 40
    assert names(tmp_path / "revoked") == names(tmp_path / "leased")
    assert names(tmp_path / "leases") == set()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_each_start_method_makes_one_exchange_per_process_and_key(run, exchanges, tmp_path, method):
    done = run(tmp_path / "pipeline.py", method, 4, "leasing")
    assert done.returncode == 0, done.stderr
    assert set(exchanges().values()) == {1}
    assert len(exchanges()) == 8
    assert len({pid for pid, _ in exchanges()}) == 4
    assert {path.read_text() for path in (tmp_path / "methods").iterdir()} == {method}
    assert names(tmp_path / "revoked") == names(tmp_path / "leased")


def test_the_leases_of_a_killed_worker_are_revoked_by_its_parent(run, exchanges, tmp_path):
    done = run(*luigi("Load", "--number", 1, "--credential", "leasing", "--dies", "--workers", 2))
    assert "died unexpectedly with exit code -9" in done.stderr
    assert names(tmp_path / "revoked") == names(tmp_path / "leased")
    assert len(names(tmp_path / "leased")) == 2
    (worker,) = {pid for pid, _ in exchanges()}
    assert {int(path.read_text()) for path in (tmp_path / "revoked").iterdir()}.isdisjoint({worker})
    assert names(tmp_path / "leases") == set()
