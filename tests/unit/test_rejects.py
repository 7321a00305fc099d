"""Bad rows that are set aside: what stays, what the file says, and when there are too many."""

import json
import stat
from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from luigi.parameter import ParameterException
from sqlalchemy import Column, Integer, String

from luigi_sinks import elasticsearch, listen, mariadb, neo4j, redaction, stop_listening
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import BadRow, BadSetting, CheckFailed
from luigi_sinks.neo4j import Node
from luigi_sinks.rejects import Rejects
from luigi_sinks.version import Version
from luigi_sinks.writer import Writer

COLUMNS = [Column("id", Integer, primary_key=True), Column("name", String(5), nullable=False)]


def task_of(given, **attributes):
    body = {"table": "items", "columns": COLUMNS, "rows": lambda self: given, "on_bad_row": "set_aside"}
    return type("Items", (mariadb.CopyToTable,), {**body, "most_bad_rows": 100, **attributes})()


def listed(folder):
    (file,) = (folder / "rejects").iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]


GIVEN = [(1, "a"), ("2", "b"), {"id": 3, "name": "too long"}, (4, "d"), (5,), {"id": 6}, (7, "g")]


def test_bad_rows_are_set_aside_and_the_others_are_published(memory):
    task = task_of(GIVEN)
    task.run()
    assert [row["id"] for row in task.output().rows()] == [1, 4, 7]
    record = task.output().record()
    assert (record.rows, record.set_aside) == (3, 4)
    assert [(each["row"], each["field"]) for each in listed(memory)] == [(2, "id"), (3, "name"), (5, ""), (6, "name")]
    assert listed(memory)[0] == {
        "dataset": "items",
        "partition": "_all",
        "version": record.version.id,
        "row": 2,
        "field": "id",
        "reason": "expected a whole number (int), got str '2'",
    }


def test_the_file_is_of_this_user_alone(memory):
    task_of(GIVEN).run()
    (file,) = (memory / "rejects").iterdir()
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)


def test_no_file_is_made_where_every_row_is_good(memory):
    task_of([(1, "a")]).run()
    assert not (memory / "rejects").exists()


@pytest.mark.parametrize(("given", "said"), [(GIVEN[1:3], "all 2 rows are bad"), (GIVEN[1:2], "the only row is bad")])
def test_a_load_whose_rows_are_all_bad_says_so_and_where_they_are_listed(memory, given, said):
    with pytest.raises(CheckFailed) as failed:
        task_of(given).run()
    (file,) = (memory / "rejects").iterdir()
    assert f"{said} and set aside; nothing was published. See {file}" in str(failed.value)
    assert "checks = ()" not in str(failed.value)
    with pytest.raises(CheckFailed, match=r"there are no rows; .* set checks = \(\)"):
        task_of([]).run()
    task_of(given, checks=()).run()
    assert list(task_of(given, checks=()).output().rows()) == []


def test_listeners_are_told_how_many_rows_were_set_aside(memory, caplog):
    told = []
    listener = listen(lambda event: told.append((event.action, event.outcome, event.rows, event.set_aside)))
    task_of(GIVEN).run()
    stop_listening(listener)
    assert told[-1] == ("publish", "success", 3, 4)
    assert "4 of 7 rows are bad and set aside; see" in caplog.text


@pytest.mark.parametrize("most", [3, 0.5])
def test_more_bad_rows_than_the_cap_fail_the_load_and_are_listed(memory, most):
    task = task_of(GIVEN, most_bad_rows=most)
    with pytest.raises(
        CheckFailed, match=r"which most_bad_rows allows; nothing was published\. .* lists them"
    ) as failed:
        task.run()
    assert "The first: items: row 2, field 'id'" in str(failed.value)
    assert not task.complete()
    assert len(listed(memory)) == 4


def test_a_share_of_bad_rows_is_of_all_rows(memory):
    task_of(GIVEN, most_bad_rows=0.6).run()


def test_a_key_that_repeats_is_refused_by_its_number_in_the_load(memory):
    with pytest.raises(BadRow, match=r"row 8, field 'id': repeats the key 4 of row 4"):
        task_of([*GIVEN, (4, "h")]).run()


def test_each_row_of_a_frame_is_set_aside_by_itself(memory):
    frame = pd.DataFrame({"id": [1, 2, 3], "name": ["a", "too long", "c"]})
    task = task_of([frame])
    task.run()
    assert [row["id"] for row in task.output().rows()] == [1, 3]
    assert listed(memory)[0]["row"] == 2


def test_documents_and_nodes_are_set_aside_too(memory):
    class Documents(elasticsearch.CopyToIndex):
        index, mapping = "items", {"id": {"type": "integer"}, "tags": {"type": "keyword"}}
        on_bad_row, most_bad_rows = "set_aside", 0.9

        def docs(self):
            return [{"id": 1, "tags": ["a"]}, {"id": 2, "extra": 1}, {"id": date(2013, 1, 31)}, {"id": 4}]

    class Nodes(neo4j.CopyToGraph):
        graph, nodes = "items", [Node("Item", "id", {"id": int})]
        on_bad_row, most_bad_rows = "set_aside", 1

        def rows(self):
            return [("Item", {"id": 1}), ("Item", {"id": "2"}), ("Item", {"id": 3})]

    for kind, rows, set_aside in ((Documents, 2, 2), (Nodes, 2, 1)):
        kind().run()
        record = kind().output().record()
        assert (record.rows, record.set_aside) == (rows, set_aside)


def test_no_secret_of_the_process_is_written(memory):
    redaction.hold("twelve-secret-characters")
    task_of([(1, "a"), ("twelve-secret-characters", "b")]).run()
    assert "[redacted]" in listed(memory)[0]["reason"]
    assert "secret" not in listed(memory)[0]["reason"]


def test_where_the_file_is_kept_is_set_in_luigi_cfg(luigi_cfg, tmp_path):
    luigi_cfg(f"[luigi_sinks]\nlocal = {tmp_path}/sinks\nrejects = {tmp_path}/own/rejects\n")
    task_of(GIVEN).run()
    assert len(listed(tmp_path / "own")) == 4


def test_the_file_is_beside_the_audit_log_unless_it_is_set(luigi_cfg, tmp_path):
    (tmp_path / "logs").mkdir(mode=0o700)
    luigi_cfg(f"[luigi_sinks]\nlocal = {tmp_path}/sinks\n[luigi_sinks.audit]\npath = {tmp_path}/logs/audit.log\n")
    from luigi_sinks import audit  # noqa: PLC0415 - its settings are read once a process

    audit.forget_settings()
    task_of(GIVEN).run()
    audit.forget_settings()
    assert len(listed(tmp_path / "logs")) == 4


def test_without_a_place_for_the_file_nothing_is_loaded(luigi_cfg):
    luigi_cfg("")
    with pytest.raises(BadSetting, match=r"set rejects = FOLDER in \[luigi_sinks\]"):
        Rejects(Version("items", "_all", "v20260101t000000_aaaaaa"), 1)


def test_a_folder_that_others_may_read_is_refused(memory):
    (memory / "rejects").mkdir(parents=True)
    (memory / "rejects").chmod(0o755)
    with pytest.raises(BadSetting, match="set rejects in"):
        task_of(GIVEN).run()


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"on_bad_row": "skip"}, "on_bad_row = 'skip' is unknown"),
        ({"most_bad_rows": None}, "needs most_bad_rows"),
        ({"most_bad_rows": 0}, "needs most_bad_rows"),
        ({"most_bad_rows": 1.5}, "needs most_bad_rows"),
        ({"most_bad_rows": True}, "needs most_bad_rows"),
        ({"on_bad_row": "refuse"}, "most_bad_rows is set without on_bad_row = 'set_aside'"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_the_task_is_made(attributes, said):
    with pytest.raises(ParameterException) as refused:
        task_of([], **attributes)
    assert said in str(refused.value)


class Stage:
    """Takes parts, and remembers the number of each row."""

    writers = 1

    def __init__(self):
        self.rows = {}

    def write(self, part):
        self.rows.update({part.row_number(index): row for index, row in enumerate(part.rows)})


@settings(deadline=None)
@given(st.lists(st.sampled_from(["good", "wrong", "short"]), max_size=1_200))
def test_each_row_keeps_its_number_whichever_others_are_set_aside(kinds):
    contract = Contract("items", {"": TupleShape((Field("id", int),))})
    rejects = Rejects.__new__(Rejects)
    rejects.count, found, stage = 0, [], Stage()
    rejects.add, rejects.settle = lambda bad: found.append(bad.row), lambda rows: None
    with Writer(stage, contract, rejects) as writer:
        for number, kind in enumerate(kinds, 1):
            writer.write({"good": (number,), "wrong": (f"{number}",), "short": ()}[kind])
    assert stage.rows == {number: (number,) for number, kind in enumerate(kinds, 1) if kind == "good"}
    assert sorted(found) == [number for number, kind in enumerate(kinds, 1) if kind != "good"]
    assert writer.rows == len(kinds)
