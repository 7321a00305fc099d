"""What the commands on what exists refuse without any server."""

import pytest
from typer.testing import CliRunner

from luigi_sinks.cli.app import app

TASKS = """
import luigi
from luigi_sinks import mariadb, elasticsearch
from luigi_sinks.mariadb import Marker as Mark
from sqlalchemy import Column, Integer

class Orders(mariadb.CopyToTable):
    table, columns = "orders", [Column("id", Integer, primary_key=True)]

class Chosen(mariadb.CopyToTable):
    table, columns, partition_by = luigi.Parameter(), Orders.columns, ()

class Totals(luigi.Task):
    day = luigi.DateParameter()
    def output(self):
        return mariadb.Marker("totals", task=self)

class Yearly(luigi.Task):
    year = luigi.IntParameter()
    def output(self):
        return Mark("yearly", task=self)

class Feed(luigi.ExternalTask):
    def output(self):
        return luigi.LocalTarget("feed.csv")

class Daily(luigi.Task):
    day = luigi.DateParameter()
    def output(self):
        return mariadb.MariaDBTarget("orders", columns=Orders.columns, task=self, partition_by="day")

class Two(luigi.Task):
    def output(self):
        return [
            mariadb.MariaDBTarget("orders", columns=Orders.columns, task=self),
            elasticsearch.ElasticsearchTarget("orders", mapping={"id": {"type": "long"}}, task=self),
        ]
"""
CONFIG = """
[luigi_sinks.mariadb]
host = 127.0.0.1
database = d
user = u
credential = c
[luigi_sinks.elasticsearch]
host = 127.0.0.1
user = u
credential = c
[luigi_sinks.credential.c]
source = file
path = nowhere
"""


@pytest.fixture
def run(luigi_cfg, monkeypatch, tmp_path):
    """Return what runs `luigi-sinks` with these tasks in the module `loads`."""
    luigi_cfg(CONFIG)
    (tmp_path / "adopted_loads.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda *words: CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("Orderz",), "module 'adopted_loads' defines no task 'Orderz' that loads; did you mean 'Orders'"),
        (("Nope",), "defines no task 'Nope' that loads; known are: Chosen, Daily, Orders, Two\n"),
        (("Feed",), "defines no task 'Feed' that loads; known are: Chosen, Daily, Orders, Two\n"),
        (
            ("Totals",),
            "Totals is complete by a Marker, which has no rows, so there is nothing to adopt; `luigi-sinks adopt-m",
        ),
        (("Yearly",), "Yearly is complete by a Marker"),
        (
            ("Daily",),
            "its output() may depend on parameters; adopt it by a task that declares it, such as a subclass of",
        ),
        (("Two",), "Two has 2 outputs in stores; adopt each by a task of its own"),
        (
            ("Chosen",),
            "Chosen: its dataset is not known before the task is made: its table is a parameter; adopt it",
        ),
        (("Orders", "--partition", "north"), "--partition north: Orders has no partition_by; remove the option"),
    ],
)
def test_a_task_that_does_not_name_one_dataset_is_refused(run, words, refusal):
    ended = run("adopt", "adopted_loads", *words)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert refusal in ended.stderr


def test_a_declaration_without_a_store_is_refused_where_there_are_several(run):
    ended = run("declare", "orders")
    assert ended.exit_code == 2
    assert "of which store? Name it as STORE:NAME; luigi.cfg has: elasticsearch, mariadb" in ended.stderr


@pytest.mark.parametrize("words", [("adopt", "adopted_loads", "Orders"), ("declare", "mariadb:orders")])
def test_files_of_local_datasets_hold_nothing_to_adopt(memory, run, luigi_cfg, words):
    luigi_cfg(f"[luigi_sinks]\nlocal = {memory}\n")
    ended = run(*words)
    assert ended.exit_code == 2
    assert f"[luigi_sinks] local = {memory} is set" in ended.stderr
