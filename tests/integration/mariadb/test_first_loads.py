"""A first load that failed leaves nothing that keeps the corrected task from loading."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Integer, String

from luigi_sinks import BadRow, BadSetting, Conflict, Origin, State, load, loading, versions
from luigi_sinks import record as rules
from luigi_sinks.claim import held
from luigi_sinks.mariadb import MariaDBSink, connection, creation, parse_schema
from luigi_sinks.testing.suite import run_together
from luigi_sinks.version import WHOLE, new_version
from tests.parts import part

ORIGIN = Origin("first")
ID = Column("id", Integer, primary_key=True)
WRONG = [ID, Column("name", Integer)]
RIGHT = [ID, Column("name", String(20)), Column("twice", Integer, sa.Computed("id * 2"))]


@pytest.fixture
def sink_of(settings, table):
    """Return a function that gives the table, with columns."""
    return lambda columns: MariaDBSink(settings, table, parse_schema(table, columns))


def fail(sink, partition=WHOLE):
    with pytest.raises(BadRow):
        load(sink, partition, ORIGIN, [*((number, None) for number in range(20_000)), (20_000, "x")])


def left(ask, sink):
    counted = ask(f"SELECT _seq, COUNT(*) FROM {sink.names.base} GROUP BY 1")
    return counted, ask(f"SELECT seq, number, row_count FROM {sink.names.parts}")


def test_the_corrected_task_loads(sink_of, ask):
    fail(sink_of(WRONG))
    right = sink_of(RIGHT)
    load(right, WHOLE, ORIGIN, [(1, "one")])
    assert ask(f"SELECT * FROM {right.dataset}") == [(1, "one", 2)]
    assert [record.state for record in right.records()] == [State.FAILED, State.PUBLISHED]
    assert left(ask, right) == ([(2, 1)], [(2, 0, 1)])


def test_a_corrected_partition_by_loads(sink_of, ask):
    fail(sink_of(WRONG), "201301")
    right = sink_of(WRONG)
    load(right, WHOLE, ORIGIN, [(1, 2)])
    assert ask(f"SELECT * FROM {right.dataset}") == [(1, 2)]
    other = MariaDBSink(right.settings, f"{right.dataset}_p", right.schema)
    fail(other)
    for partition in ("201301", "201302"):
        load(other, partition, ORIGIN, [(1, 2)])
    assert ask(f"SELECT * FROM {other.dataset}") == [(1, 2), (1, 2)]


def test_what_a_killed_load_left_is_cleared_too(sink_of, ask):
    wrong, right = sink_of(WRONG), sink_of(RIGHT)
    for partition in ("201301", "201302"):  # of which the corrected load clears but one itself
        version = new_version(wrong.dataset, partition)
        with held(version.id) as claim:
            stage = wrong.begin(rules.staged(version, ORIGIN, claim))
        stage.write(part(stage, [(1, 2)]))
    wrong.attach(version).seal()
    wrong.change(version, rules.approve)
    load(right, "201301", ORIGIN, [(1, "one")])
    assert [record.state for record in right.records()] == [State.FAILED, State.FAILED, State.PUBLISHED]
    assert left(ask, right) == ([(3, 1)], [(3, 0, 1)])
    with pytest.raises(Conflict, match="is failed; it cannot be published"):
        right.publish(version, replacing=right.head("201302"))


def test_the_table_of_a_load_at_work_is_left_alone(sink_of, ask):
    wrong, right = sink_of(WRONG), sink_of(RIGHT)
    with loading(wrong, "201301", ORIGIN) as writer:
        writer.write((1, 2))
        with pytest.raises(
            Conflict, match=rf"'name' is int.*declared as varchar.*{wrong.dataset}/201301/\w+ is being loaded by"
        ):
            load(right, "201302", ORIGIN, [(1, "one")])
    assert ask(f"SELECT * FROM {right.dataset}") == [(1, 2)]
    with pytest.raises(BadSetting, match=r"'name' is int.*declared as varchar"):
        load(right, "201302", ORIGIN, [(1, "one")])


def test_what_was_ever_published_keeps_its_columns(sink_of, ask):
    wrong = sink_of(WRONG)
    for number in (1, 2):
        load(wrong, WHOLE, ORIGIN, [(number, None)])
    first, head = wrong.records()
    versions.prune(wrong, first.version, min_age=timedelta(0))
    with pytest.raises(BadSetting, match=r"'name' is int.*declared as varchar"):
        load(sink_of(RIGHT), WHOLE, ORIGIN, [(1, "one")])
    with pytest.raises(BadSetting, match="is loaded as a whole so far"):
        connection.run(wrong.settings, creation.prepare, wrong.names, wrong.schema, "201301")
    assert list(wrong.read(head.version)) == [{"id": 2, "name": None}]


def test_a_view_is_never_dropped_once_a_version_was_published(sink_of, ask):
    sink = sink_of(WRONG)
    load(sink, WHOLE, ORIGIN, [(1, None)])
    ask(f"RENAME TABLE {sink.names.base} TO {sink.settings.database}__v.elsewhere_{sink.dataset}")
    with pytest.raises(BadSetting, match="is missing, or hidden from this login"):
        load(sink, WHOLE, ORIGIN, [(2, None)])
    ask(f"RENAME TABLE {sink.settings.database}__v.elsewhere_{sink.dataset} TO {sink.names.base}")
    assert ask(f"SELECT id FROM {sink.dataset}") == [(1,)]


def test_corrected_loads_at_once_publish_or_end_in_a_conflict(sink_of, ask):
    fail(sink_of(WRONG), "201301")
    right, done = sink_of(RIGHT), []

    def load_one(number):
        with suppress(Conflict):
            load(right, f"2013{number:02}", ORIGIN, [(number, "new")])
            done.append(number)

    run_together([partial(load_one, number) for number in range(1, 5)])
    assert done
    assert sorted(ask(f"SELECT id FROM {right.dataset}")) == [(number,) for number in sorted(done)]


@pytest.mark.parametrize("number", range(12, 40, 2))
def test_a_crash_while_tables_are_made_again_is_made_up_for(sink_of, ask, number):
    fail(sink_of(WRONG), "201301")
    right = sink_of(RIGHT)

    class Cut(Exception):
        pass

    class Cursor:
        def __init__(self, cursor):
            self.cursor, self.left = cursor, number

        def execute(self, *args):
            if not self.left:
                raise Cut
            self.left -= 1
            self.cursor.execute(*args)

        def fetchall(self):
            return self.cursor.fetchall()

    with suppress(Cut):
        connection.run(
            right.settings, lambda cursor: creation.prepare(Cursor(cursor), right.names, right.schema, WHOLE)
        )
    load(right, WHOLE, ORIGIN, [(1, "one")])
    assert ask(f"SELECT * FROM {right.dataset}") == [(1, "one", 2)]
    assert [record.state for record in right.records()] == [State.FAILED, State.PUBLISHED]
    assert left(ask, right) == ([(2, 1)], [(2, 0, 1)])


def test_rows_of_columns_with_many_keys_are_described_in_the_record(settings, table):
    given = sa.Table(
        table,
        sa.MetaData(),
        Column("id", Integer, primary_key=True, comment="a number"),
        Column("code", String(9, collation="utf8mb4_nopad_bin"), unique=True),
        Column("kind", sa.Enum("a", "B c", name="kinds"), index=True, nullable=False),
        Column("twice", Integer, sa.Computed("id * 2", persisted=True)),
        mysql_collate="utf8mb4_bin",
    )
    sink = MariaDBSink(settings, table, parse_schema(table, given))
    load(sink, WHOLE, ORIGIN, [(1, "x", "a")])
    assert sink.head(WHOLE).record.schema == {
        "columns": {
            "id": {"type": "INTEGER", "nullable": False, "comment": "a number"},
            "code": {"type": "VARCHAR(9) COLLATE utf8mb4_nopad_bin", "nullable": True},
            "kind": {"type": "ENUM('a','B c')", "nullable": False},
            "twice": {"type": "INTEGER", "nullable": True, "computed": "id * 2", "persisted": True},
        },
        "unique": {"PRIMARY": ["id"], "uq_code": ["code"]},
        "indexes": {f"ix_{table}_kind": ["kind"]},
        "collation": "utf8mb4_bin",
    }
    assert list(replace(sink).read(sink.head(WHOLE).version)) == [{"id": 1, "code": "x", "kind": "a"}]


def test_a_first_load_that_ends_while_another_one_looks_is_not_taken_for_a_lost_table(sink_of, monkeypatch):
    sink, look = sink_of(RIGHT), creation._kind
    others = iter([partial(load, sink, WHOLE, ORIGIN, [(1, "one")])])

    def look_and_be_late(cursor, database, name):
        found = look(cursor, database, name)
        if name == sink.names.base_table:
            for other in others:
                other()
        return found

    monkeypatch.setattr(creation, "_kind", look_and_be_late)
    with pytest.raises(Conflict, match="the head moved on to"):
        load(sink, WHOLE, ORIGIN, [(2, "two")])
    assert [record.state for record in sink.records()] == [State.PUBLISHED, State.FAILED]
