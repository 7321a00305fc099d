"""Tasks and targets of Luigi on the real server."""

import datetime as dt

import luigi
import pytest
from sqlalchemy import Column, Date, Integer, String

from luigi_sinks import BadSetting
from luigi_sinks.mariadb import CopyToTable, MariaDBTarget

pytestmark = pytest.mark.usefixtures("settings")

COLUMNS = [
    Column("id", Integer, primary_key=True),
    Column("day", Date, nullable=False),
    Column("carrier", String(2)),
]


class Flights(CopyToTable):
    day = luigi.DateParameter()
    table = luigi.Parameter()
    partition_by = ("day",)
    connection = "tests"
    columns = COLUMNS

    def rows(self):
        for number in range(3):
            yield {"id": number, "day": self.day, "carrier": "UA"}


def build(*tasks, workers=1):
    return luigi.build(tasks, local_scheduler=True, workers=workers, log_level="ERROR")


def test_tasks_in_several_processes_load_their_partitions_once(table, ask):
    tasks = [Flights(dt.date(2013, 1, day), table=table) for day in range(1, 7)]
    assert build(*tasks, workers=3)
    assert ask(f"SELECT day, COUNT(*) FROM {table} GROUP BY day") == [(task.day, 3) for task in tasks]
    assert build(*tasks)
    assert len(list(tasks[0].output().sink().records())) == 6


def test_a_task_is_incomplete_until_it_ran_and_bulk_complete_agrees(table):
    days = [dt.date(2013, 1, day) for day in (1, 2)]
    first, second = (Flights(day, table=table) for day in days)
    assert not first.complete()
    build(first)
    assert (first.complete(), second.complete()) == (True, False)
    given = [{"day": day, "table": table} for day in days]
    assert Flights.bulk_complete(given) == given[:1]


def test_a_target_is_written_and_read_in_a_plain_task(table):
    target = MariaDBTarget(table, columns=COLUMNS, update_id="x", connection="tests")
    with target.open("w") as sink:
        sink.write((1, "2013-01-31", None))
        sink.write({"carrier": "B6", "id": 2, "day": dt.date(2013, 2, 1)})
    with target.open() as rows:
        assert sorted(rows, key=lambda row: row["id"]) == [
            {"id": 1, "day": dt.date(2013, 1, 31), "carrier": None},
            {"id": 2, "day": dt.date(2013, 2, 1), "carrier": "B6"},
        ]


def test_a_reader_that_stops_early_gives_nothing_back_half_read(table):
    target = MariaDBTarget(table, columns=COLUMNS, update_id="x", connection="tests")
    with target.open("w") as sink:
        for number in range(20_000):
            sink.write((number, "2013-01-31", None))
    with target.open() as rows:
        next(rows)
    assert len(list(target.rows())) == 20_000


def test_columns_that_cannot_work_are_refused_when_the_output_is_asked_for(table):
    class Wrong(Flights):
        columns = [Column("id", Integer), Column("zone", Date, nullable=False), ("id", Integer)]

    with pytest.raises(BadSetting, match="must be SQLAlchemy's"):
        Wrong(dt.date(2013, 1, 1), table=table).output()
