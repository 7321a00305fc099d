"""No secret of a task is in any spool; the same search finds one that is planted there."""

import pytest

from luigi_sinks.recording.events import End, Ended
from luigi_sinks.recording.spool import Spool
from tests.integration.recording.conftest import run_luigi
from tests.secret_search import found

CANARIES = {
    name: f"canary-{name}-9f2c71e4d05b48a6"
    for name in ("private", "hidden", "token", "password", "path", "target", "url")
}

TASKS = f"""
import os
import luigi
import luigi_sinks.recording
from luigi.parameter import ParameterVisibility
from luigi.target import FileSystemTarget
from pathlib import Path

OUT = Path(__file__).parent / "out"


class Table(luigi.Target):
    def __init__(self):
        self.host, self.table, self.password = "db", "flights", "{CANARIES["target"]}"

    def __repr__(self):
        return f"Table({{self.host}}, password={{self.password}})"

    def exists(self):
        return (OUT / "there").exists()


class Remote(FileSystemTarget):
    fs = open = None

    def exists(self):
        return (OUT / "there").exists()


class Secretive(luigi.Task):
    key = luigi.Parameter(default="{CANARIES["private"]}", visibility=ParameterVisibility.PRIVATE)
    customer = luigi.Parameter(default="{CANARIES["hidden"]}", visibility=ParameterVisibility.HIDDEN)
    api_token = luigi.Parameter(default="{CANARIES["token"]}")
    source = luigi.Parameter(default="mysql://me:{CANARIES["url"]}@db/flights")

    def output(self):
        file = luigi.LocalTarget(OUT / f"{{self.key}}-{{self.customer}}.txt")
        return [file, Table(), Remote("s3://me:{CANARIES["path"]}@bucket/x")]

    def run(self):
        self.output()[0].open("w").close()
        (OUT / "there").touch()


class Uses(luigi.Task):
    def requires(self):
        return Secretive()

    def run(self):
        yield Again(api_token="{CANARIES["token"]}-2")


class Again(Secretive):
    def output(self):
        return luigi.LocalTarget(OUT / f"again-{{self.key}}")

    def run(self):
        raise ValueError("login failed with {CANARIES["private"]}: password={CANARIES["password"]}")


class Failing(luigi.Task):
    def run(self):
        raise OSError("cannot reach https://me:{CANARIES["url"]}@host/, Bearer {CANARIES["token"]}")


class All(luigi.WrapperTask):
    def requires(self):
        return [Uses(), Failing()]
"""


def leaks(folder):
    """Return the names of the canaries that any file of a spool holds, in whichever encoding."""
    contents = b"".join(path.read_bytes() for path in folder.rglob("*"))
    return {name for name, canary in CANARIES.items() if found(canary, contents)}


@pytest.mark.parametrize("messages", ["false", "true"])
@pytest.mark.parametrize("workers", [1, 2])
def test_no_secret_is_in_the_spool_and_the_search_finds_a_planted_one(tmp_path, messages, workers):
    folder = tmp_path / "run"
    sections = f"[luigi_sinks.lineage]\nspool = {folder}/spool\nmessages = {messages}\n"
    outcome = run_luigi(folder, TASKS, lineage="import", workers=workers, sections=sections)
    assert outcome.ends()["Secretive"] == ["complete"]
    assert outcome.ends()["Again"] == outcome.ends()["Failing"] == ["failed"]
    assert {canary for canary in CANARIES.values() if canary in outcome.log}, "Luigi itself logs some of them"
    assert leaks(folder / "spool") == set()

    Spool(folder / "spool").append(End(at=1, run="planted", outcome=Ended.FAILED, message=" ".join(CANARIES.values())))
    assert leaks(folder / "spool") == set(CANARIES)


def test_what_is_no_secret_is_there(tmp_path):
    outcome = run_luigi(tmp_path / "run", TASKS, lineage="import")
    contents = b"".join(path.read_bytes() for path in outcome.spools)
    assert found("Secretive", contents)
    assert found("[redacted]", contents)
