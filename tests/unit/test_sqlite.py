import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from luigi_sinks import versions
from luigi_sinks.columns import Column
from luigi_sinks.contract import Contract, Field, TupleShape
from luigi_sinks.errors import SinkError
from luigi_sinks.load import load
from luigi_sinks.sqlite import SQLiteCatalog, SQLiteSink, datasets
from luigi_sinks.testing.columns_suite import ColumnSuite
from luigi_sinks.testing.transitions import ORIGIN

FLOAT_MAX = 1.7976931348623157e308
SHAPE = TupleShape(
    (
        Field("id", Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]),
        Field("name", Annotated[str, Meta(max_length=20)]),
        Field("amount", Annotated[float, Meta(ge=-FLOAT_MAX, le=FLOAT_MAX)] | None),
    ),
    key=("id",),
)


COLUMNS = {"id": Column("INTEGER", fixed="is in a key"), "name": Column("VARCHAR(20)"), "amount": Column("DOUBLE")}
TYPES = {"whole": ("INTEGER", int), "optional": ("INTEGER", int | None), "long": ("BIGINT", int), "time": ("DATE", str)}


def with_columns(sink: Any, *allow_change: str, **columns: str | None) -> SQLiteSink:
    added = {name: TYPES[kind] for name, kind in columns.items() if kind}
    fields = (*SHAPE.fields, *(Field(name, kind) for name, (_, kind) in added.items()))
    contract = Contract(sink.dataset, {"": replace(SHAPE, fields=fields)})
    declared = COLUMNS | {name: Column(text) for name, (text, _) in added.items()}
    return replace(sink, contract=contract, stood_in_for=declared, allow_change=allow_change)


class TestSQLiteSink(ColumnSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_sink(self, dataset: str) -> SQLiteSink:
        return SQLiteSink(self.folder, "memory", dataset, Contract(dataset, {"": SHAPE}), COLUMNS)

    def with_columns(self, sink: Any, *allow_change: str, **columns: str | None) -> SQLiteSink:
        return with_columns(sink, *allow_change, **columns)

    def catalog(self, sink: Any) -> SQLiteCatalog:
        return SQLiteCatalog(self.folder, "memory", sink.dataset)

    def datasets(self, sink: Any) -> list[str]:
        del sink
        return datasets(self.folder, "memory")

    def shown_as(self, sink: Any, version: Any, name: str) -> int:
        del version
        with closing(sqlite3.connect(sink.file)) as file:
            ((count,),) = file.execute(f'SELECT count(*) FROM "{name}"')
            return count


DAYS = TupleShape((Field("id", int), Field("on", date | None)), key=("id",))
RETIRED, HEAD = {"id": 0, "on": date(2026, 1, 1)}, {"id": 2, "on": date(2026, 1, 3)}


class TestAFileOfFormat1:
    """A file as the first release wrote it; a crash followed the publication of the second version of 201302."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        with closing(sqlite3.connect(tmp_path / "mariadb.sqlite")) as file:
            file.executescript((Path(__file__).parent / "data" / "sqlite_format_1.sql").read_text())

    def catalog(self, dataset: str) -> SQLiteCatalog:
        return SQLiteCatalog(self.folder, "mariadb", dataset)

    def sink(self, dataset: str) -> SQLiteSink:
        return SQLiteSink(self.folder, "mariadb", dataset, Contract(dataset, {"": DAYS}))

    def test_its_datasets_heads_history_and_rows_can_be_read(self) -> None:
        assert datasets(self.folder, "mariadb") == ["monthly", "whole"]
        whole = self.catalog("whole")
        assert [record.state for record in whole.records()] == ["dropped", "retired", "published", "failed"]
        assert [record.is_complete for record in whole.records()] == [True, True, True, False]
        head = whole.head("_all")
        assert (head.epoch, head.record and head.record.rows) == (3, 3)
        assert len(list(whole.read(head.record.version))) == 3

    def test_a_version_that_a_crash_left_published_beside_the_head_is_retired(self) -> None:
        monthly = self.catalog("monthly")
        assert [record.state for record in monthly.records()] == ["published", "retired", "published", "staged"]
        assert {partition: head.epoch for partition, head in monthly.heads().items()} == {"201301": 1, "201302": 2}

    def test_a_load_upgrades_it_and_loses_nothing(self) -> None:
        sink = self.sink("whole")
        before = list(sink.records())
        load(sink, "_all", ORIGIN, [(7, None)])
        *old, new = self.catalog("whole").records()
        assert [record.version for record in old] == [record.version for record in before]
        assert [record.state for record in old] == ["dropped", "retired", "retired", "failed"]
        assert (new.state, new.publications[0].epoch) == ("published", 4)
        assert [bool(record.schema) for record in (*old, new)] == [False, False, False, False, True]
        assert RETIRED in list(sink.read(before[1].version))
        assert HEAD in list(sink.read(before[2].version))
        assert (2, "2026-01-03") in list(self.catalog("whole").read(before[2].version))

    def test_old_rows_that_do_not_fit_the_columns_of_today_are_refused_by_version(self) -> None:
        other = Contract("whole", {"": TupleShape((Field("id", int), Field("on", float)))})
        sink = SQLiteSink(self.folder, "mariadb", "whole", other)
        version = sink.head("_all").version
        with pytest.raises(SinkError, match=rf"{version}: its rows do not fit its fields"):
            list(sink.read(version))

    def test_a_dead_load_of_its_time_is_cleared_by_the_next_one(self) -> None:
        sink = self.sink("monthly")
        load(sink, "201301", replace(ORIGIN, partition_by=("month",)), [(8, None)])
        states = [record.state for record in sink.records(partition="201301")]
        assert states == ["retired", "failed", "published"]

    def test_an_old_version_can_be_published_again(self) -> None:
        whole = self.catalog("whole")
        _, old, now, _ = whole.records()
        assert versions.roll_back(whole, old.version).version == whole.head("_all").version
        assert whole.record(now.version).state == "retired"

    def test_a_file_that_is_not_a_database_is_named(self) -> None:
        (self.folder / "neo4j.sqlite").write_text("not a database at all, but long enough to be looked at as one" * 20)
        with pytest.raises(SinkError, match=r"neo4j\.sqlite is not a file that luigi_sinks can use"):
            SQLiteCatalog(self.folder, "neo4j", "d").head("_all")

    def test_a_file_of_a_newer_format_is_refused(self) -> None:
        with closing(sqlite3.connect(self.folder / "mariadb.sqlite")) as file:
            file.execute("PRAGMA user_version = 6")
        with pytest.raises(SinkError, match="has format 6, newer than this luigi_sinks"):
            self.catalog("whole").head("_all")
