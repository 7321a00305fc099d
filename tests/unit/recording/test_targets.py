"""Plain data are named as OpenLineage names them, the same in each run, and without secrets."""

import os
from datetime import timedelta
from pathlib import Path

import luigi
import pytest
from luigi.mock import MockTarget
from luigi.target import FileSystemTarget

from luigi_sinks.recording import luigi_targets, targets  # noqa: F401 - registers Luigi's targets
from luigi_sinks.recording.events import Dataset


def name(data):
    return targets.named(data).dataset


@pytest.mark.parametrize(
    ("url", "namespace", "expected"),
    [
        ("s3://bucket/flights/2013 01.csv", "s3://bucket", "flights/2013 01.csv"),
        ("s3a://bucket/odd#name?x=1", "s3://bucket", "odd#name?x=1"),
        ("s3n://key:secret@bucket/flights", "s3://bucket", "flights"),
        ("gs://bucket/flights", "gs://bucket", "flights"),
        ("hdfs://namenode:8020/data/flights", "hdfs://namenode:8020", "/data/flights"),
        ("abfss://container@account.dfs.core.windows.net/a", "abfss://container@account.dfs.core.windows.net", "/a"),
        ("abfss://user:secret@account/a", "abfss://account", "/a"),
        ("https://user:secret@host:8443/a/b?token=abc#x", "https://host:8443", "/a/b"),
        ("file:///data/flights.csv", "file", "/data/flights.csv"),
    ],
)
def test_a_url_is_named_by_server_and_path_without_user_and_query(url, namespace, expected):
    assert name(url) == Dataset(namespace, expected)


@pytest.mark.parametrize("make", [str, Path, luigi.LocalTarget])
def test_a_file_is_named_by_its_whole_path_and_its_version_is_age_and_size(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("12345")
    os.utime("a.csv", ns=(0, 1_764_270_000_000_000_123))
    found = targets.named(make("x/../a.csv"))
    assert found.dataset == Dataset("file", f"{tmp_path}/a.csv")
    assert found.version == "m1764270000000000s5"


def test_a_file_that_is_missing_has_no_version(tmp_path):
    assert targets.named(tmp_path / "missing").version == ""


def test_a_folder_has_the_version_of_its_last_change(tmp_path):
    os.utime(tmp_path, ns=(0, 5_000))
    assert targets.named(tmp_path).version == "m5s0"


def test_a_target_of_a_file_system_is_named_by_its_url_or_by_class_and_path():
    class Remote(FileSystemTarget):
        fs = None
        open = None

    assert name(Remote("s3://bucket/key")) == Dataset("s3://bucket", "key")
    assert name(Remote("/data/a")) == Dataset("luigi", "Remote(/data/a)")
    assert name(MockTarget("a")) == Dataset("luigi", "MockTarget(a)")


class Table(luigi.Target):
    def __init__(self, password="hunter2", private="hidden"):
        self.host, self.port, self.database, self.table = "db", 3306, "flights", "delays"
        self.user, self.password, self.private, self.update_id = "me", password, private, "Load_1"

    def exists(self):
        return True


def test_another_target_is_named_by_class_and_by_what_says_where_it_is():
    assert name(Table()) == Dataset("luigi", "Table(host=db, port=3306, database=flights, table=delays)")


def test_another_target_that_describes_itself_is_named_by_that_without_its_address():
    class Described(Table):
        def __repr__(self):
            return f"Described({self.table}, <object object at 0x7f12ab>)"

    assert name(Described()) == Dataset("luigi", "Described(delays, <object object>)")


def test_a_target_that_nothing_says_anything_of_has_no_name():
    class Flag(luigi.Target):
        def exists(self):
            return True

    assert targets.named(Flag()) is None
    assert targets.named(object()) is None


@pytest.mark.parametrize(("max_age", "seconds"), [(timedelta(hours=2), 7200.0), (60, 60.0), (None, 0.0), ("1h", 0.0)])
def test_the_age_that_a_target_may_have_is_taken_from_it(max_age, seconds):
    target = luigi.LocalTarget("a")
    target.max_age = max_age
    assert targets.named(target).max_age == seconds
