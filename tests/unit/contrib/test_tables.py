"""Tasks that are written for luigi.contrib.sqla and luigi.contrib.mysqldb load by a changed import."""

from datetime import date, datetime, time
from decimal import Decimal

import luigi
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from luigi.mock import MockTarget
from luigi.parameter import ParameterException
from luigi.tools.range import RangeDaily
from sqlalchemy import Boolean, DateTime, Float, Integer, Numeric, String

from luigi_sinks import mariadb
from luigi_sinks.contrib import mysqldb, sqla
from luigi_sinks.contrib.casting import cast_for
from luigi_sinks.contrib.columns import as_columns
from luigi_sinks.errors import BadRow, BadSetting

pytestmark = pytest.mark.usefixtures("memory")


def build(*tasks):
    return luigi.build(tasks, local_scheduler=True, no_lock=True, log_level="WARNING")


def rows_of(task):
    return [tuple(row.values()) for row in task.output().rows()]


class ItemsFile(luigi.Task):
    def output(self):
        return MockTarget("items.tsv")

    def run(self):
        with self.output().open("w") as file:
            file.writelines(f"item{number}\tproperty{number}\n" for number in range(10))


class FromFile(sqla.CopyToTable):
    columns = [(["item", String(64)], {}), (["note", String(64)], {})]
    table = "item_property"
    chunk_size = 1

    def requires(self):
        return ItemsFile()


def test_the_lines_of_the_input_are_the_rows(caplog):
    assert build(FromFile())
    assert rows_of(FromFile()) == [(f"item{number}", f"property{number}") for number in range(10)]
    assert "FromFile: chunk_size has no effect: rows are sent in parts" in caplog.text


def test_connection_attributes_are_refused_by_name_until_they_are_removed():
    class Connected(FromFile):
        connection_string = "mysql://me:hunter2@db.internal/x"
        connect_args = {"ssl": True}

    with pytest.raises(ParameterException, match="connection_string, connect_args: remove it") as refused:
        Connected()
    assert "hunter2" not in str(refused.value)


def test_another_separator_divides_the_lines():
    class Semicolons(mysqldb.CopyToTable):
        table, column_separator = "semicolons", ";"
        columns = (("words", "text"), ("n", "int"))

        def input(self):
            source = MockTarget("semicolons")
            with source.open("w") as file:
                file.write("tea;1\ncake ; 2 \r\n")
            return source

    Semicolons().run()
    assert rows_of(Semicolons()) == [("tea", 1), ("cake ", 2)]


def test_values_are_cast_to_the_types_of_their_columns():
    class Cast(sqla.CopyToTable):
        table = "cast"
        columns = [
            (["id", Integer], {"primary_key": True}),
            (["name", String(20)], {}),
            (["price", Float], {}),
        ]

        def rows(self):
            return [("1", "a", "1.5"), (2, "b", 2), ["3", 4, "500\n"], ("4.0", Decimal("1.5"), True)]

    Cast().run()
    assert rows_of(Cast()) == [(1, "a", 1.5), (2, "b", 2.0), (3, "4", 500.0), (4, "1.5", 1.0)]


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        (Integer(), " 7\n", 7),
        (Integer(), "7.5", "7.5"),
        (Integer(), "seven", "seven"),
        (Boolean(), "1", True),
        (Boolean(), 2, 2),
        (Numeric(9, 2), " 1.50 ", "1.50"),
        (sa.Double(), "1e3", 1000.0),
        (sa.Date(), datetime(2013, 1, 31, 5), date(2013, 1, 31)),
        (sa.Date(), "2013-01-31 00:00:00", "2013-01-31"),
        (DateTime(), date(2013, 1, 31), datetime(2013, 1, 31)),
        (DateTime(), "2013-01-31", datetime(2013, 1, 31)),
        (DateTime(), datetime(2013, 1, 31, 5, 0, 0, 999_999), datetime(2013, 1, 31, 5)),
        (sa.dialects.mysql.DATETIME(fsp=6), datetime(2013, 1, 31, 5, 0, 0, 7), datetime(2013, 1, 31, 5, 0, 0, 7)),
        (String(40), datetime(2013, 1, 31, 5), "2013-01-31 05:00:00"),
        (sa.LargeBinary(), "abc", b"abc"),
    ],
)
def test_a_value_becomes_what_its_column_keeps_or_stays_to_be_refused(kind, given, taken):
    (found,) = cast_for([sa.Column("value", kind)], (None,)).row([given])
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (Integer(), "1e3000000", "expected a whole number"),
        (Integer(), Decimal("1e3000000"), "expected a whole number"),
        (Integer(), "1_000", "expected a whole number"),
        (Integer(), "\u0661\u0662", "expected a whole number"),
        (Numeric(9, 2), "1_000.5", "digits are not plain"),
        (Numeric(9, 2), "\u0661", "digits are not plain"),
        (Numeric(9, 2), "1e3000000", "more than 7 digits before the point"),
        (sa.Double(), "1_000", "expected a number"),
        (sa.Double(), "1e-400", "expected a number"),
        (sa.Double(), "-1e400", "finite numbers only"),
        (sa.Double(), "9007199254740993", "an int that a float cannot hold"),
        (sa.Double(), 2**53 + 1, "an int that a float cannot hold"),
        (sa.Double(), np.int64(2**53 + 1), "an int that a float cannot hold"),
        (sa.Double(), Decimal(2**53 + 1), "an int that a float cannot hold"),
        (sa.Double(), 10**400, "up to about 1.8e308"),
        (Float(), "16777217", "an int that FLOAT, of 24 bits, cannot hold"),
        (sa.Double(), float("nan"), "is nan; the field takes finite numbers only; give None where there is no value"),
        (sa.Double(), "nan", "expected a number"),
        (String(9), float("nan"), "got float nan; give None where there is no value"),
        (String(9), pd.NaT, "is NaT, a time that is missing; give None"),
        (sa.Date(), pd.NaT, "NaT"),
        (sa.Time(), "1112", "expected a time of day"),
        (sa.Time(), "05", "expected a time of day"),
        (sa.Date(), "2013-01-31 25:99", "expected a date"),
        (DateTime(), "2013-W05-4", "expected a time"),
        (DateTime(), "2013013110500", "expected a time"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_value_that_cannot_be_cast_without_loss_is_refused_by_its_row_and_field(kind, given, said):
    class Lossy(sqla.CopyToTable):
        table, columns = "lossy", [(["value", kind], {})]

        def rows(self):
            return [[given]]

    with pytest.raises(BadRow, match="row 1, field 'value': ") as refused:
        Lossy().run()
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        (sa.Double(), "0e-400", 0.0),
        (sa.Double(), str(2**60), 2.0**60),
        (sa.Double(), "1e23", 1e23),
        (Float(), "0.1", 0.1),
        (Integer(), np.int64(7), 7),
        (Integer(), "1e3", 1000),
        (sa.Time(), "05:00", time(5)),
        (DateTime(), "20130131", datetime(2013, 1, 31)),
        (DateTime(), " 2013-01-31T05:00:07.25 ", datetime(2013, 1, 31, 5, 0, 7)),
    ],
)
def test_a_value_that_loses_nothing_is_cast_however_it_is_spelled(kind, given, taken):
    (found,) = cast_for([sa.Column("value", kind)], (None,)).row([given])
    assert (found, type(found)) == (taken, type(taken))


def test_whatever_yields_the_values_of_a_row_is_one():
    class Loose(sqla.CopyToTable):
        table, columns = "loose", [(["id", Integer], {}), (["name", String(9)], {})]

        def rows(self):
            yield map(str, (1, "a"))
            yield {"id": "2", "name": "b"}.values()
            yield {"name": "c", "id": "3"}
            yield np.array(["4", "d"])
            yield (value for value in (5, "e"))

    Loose().run()
    assert rows_of(Loose()) == [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ((["name", String], {}), "column 'name'"),
        ((["id", Integer], {"autoincrement": True}), "autoincrement"),
        ((["at", DateTime], {"default": datetime.now}), "default"),
        ((["parent", Integer, sa.ForeignKey("t.id")], {}), "foreign key"),
        ((["id"], {}), "column 'id' has no type"),
        (("year", "YEAR"), "not supported"),
        (("id", "INT NOT NULL AUTO_INCREMENT PRIMARY KEY"), "remove AUTO_INCREMENT"),
    ],
)
def test_a_column_that_no_version_can_have_is_refused_when_the_task_is_made(column, said):
    with pytest.raises(ParameterException) as refused:
        type("Wrong", (sqla.CopyToTable,), {"table": "t", "columns": [column]})()
    assert said in str(refused.value)


def test_what_cannot_be_cast_is_refused_with_its_row_and_field():
    class Wrong(mysqldb.CopyToTable):
        table, columns = "wrong", [("n", "INT")]

        def rows(self):
            return [("1",), ("two",)]

    with pytest.raises(BadRow, match=r"wrong: row 2, field 'n': expected a whole number .*, got str 'two'"):
        Wrong().run()


def test_a_row_with_another_number_of_values_is_refused():
    class Short(FromFile):
        def rows(self):
            return [("a", "b"), ("c",)]

    with pytest.raises(BadRow, match=r"row 2: has 1 values for 2 fields \(item, note\)"):
        Short().run()


@pytest.mark.parametrize("container", [(None, "", "NULL"), {"", "NULL"}, ["", "NULL"]])
def test_values_that_stand_for_null_are_loaded_as_null(container):
    class Nulls(mysqldb.CopyToTable):
        table, null_values = "nulls", container
        columns = [("word", "VARCHAR(9)"), ("n", "INT")]

        def rows(self):
            return [("NULL", ""), ("a", "0"), (None, None)]

    Nulls().run()
    assert rows_of(Nulls()) == [(None, None), ("a", 0), (None, None)]


@pytest.mark.parametrize("given", ["NULL", "", None, b"NULL", 7, {"NULL": None}])
def test_what_holds_no_values_is_refused_as_null_values_when_the_task_is_made(given):
    body = {"table": "nulls", "columns": [("word", "TEXT")], "null_values": given}
    with pytest.raises(ParameterException, match="is no tuple, list or set of values; write null_values = "):
        type("Nulls", (mysqldb.CopyToTable,), body)()


class Daily(mysqldb.CopyToTable):
    day = luigi.DateParameter()
    table = "daily"
    columns = (("words", "text"), ("n", "int"))
    partition_by = ("day",)

    def rows(self):
        return [(f"{self.day}", "1\n")]


def test_a_range_of_dates_keeps_the_rows_of_each():
    assert build(RangeDaily(of=Daily, start=date(2013, 1, 1), stop=date(2013, 1, 4), days_back=10**5))
    heads = Daily(date(2013, 1, 1)).output().sink().heads()
    assert list(heads) == ["20130101", "20130102", "20130103"]
    assert Daily.bulk_complete([date(2013, 1, 3), date(2013, 1, 4)]) == [date(2013, 1, 3)]


def test_a_range_of_dates_is_loaded_again_by_a_label_in_its_of_params():
    days = {"of": Daily, "start": date(2013, 1, 1), "stop": date(2013, 1, 3), "days_back": 10**5}
    assert build(RangeDaily(**days))
    assert build(RangeDaily(**days, of_params={"rerun": "corrected"}))
    heads = Daily(date(2013, 1, 1)).output().sink().heads().values()
    assert [head.record.origin.rerun for head in heads] == ["corrected"] * 2


class Pairs(sqla.CopyToTable):
    item = luigi.Parameter()
    note = luigi.Parameter()
    table, columns = "pairs", FromFile.columns

    def rows(self):
        return [(self.item, self.note)]


def test_ten_tasks_that_appended_one_row_each_are_not_loaded_over_each_other_unasked():
    with pytest.raises(ParameterException, match=r"partition_by = \('item', 'note'\)"):
        Pairs("a", "b")
    kind = type("Kept", (Pairs,), {"partition_by": ("item", "note")})
    assert build(*(kind(f"item{number}", "same") for number in range(10)))
    sink = kind("item0", "same").output().sink()
    assert sum(sink.count(head.version) for head in sink.heads().values()) == 10


def test_a_series_of_pandas_is_a_row_of_the_old_dialect_and_names_the_way_out_elsewhere(memory):
    frame = pd.DataFrame({"item": ["a", "b"], "n": [1, 2]})

    class Iterated(sqla.CopyToTable):
        table, columns = "iterated", [(["item", String(9)], {}), (["n", Integer], {})]

        def rows(self):
            return (row for _, row in frame.iterrows())

    Iterated().run()
    assert rows_of(Iterated()) == [("a", 1), ("b", 2)]

    class Native(mariadb.CopyToTable):
        table, columns, rows = "native", [sa.Column("item", String(9)), sa.Column("n", Integer)], Iterated.rows

    with pytest.raises(BadRow, match=r"row 1: is a Series of pandas, .* itertuples\(index=False\)"):
        Native().run()


def test_a_load_that_failed_for_a_wrong_column_type_does_not_bind_the_next_one():
    def task_of(kind):
        body = {"table": "mended", "columns": [(["n", kind], {})], "rows": lambda self: [("text",)]}
        return type("Mended", (sqla.CopyToTable,), body)()

    with pytest.raises(BadRow):
        task_of(Integer).run()
    task_of(String(9)).run()
    assert rows_of(task_of(String(9))) == [("text",)]


@pytest.mark.parametrize("base", [sqla.CopyToTable, mysqldb.CopyToTable])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, lambda self, *given: None) for name in ("copy", "create_table", "init_copy", "post_copy")),
        ("update_id", property(lambda self: "x")),
        ("enable_metadata_columns", True),
        *((name, "x") for name in ("host", "port", "database", "user", "password", "schema", "clear_table")),
        ("reflect", True),
    ],
)
def test_what_the_old_classes_called_and_these_do_not_is_refused(base, name, value):
    kind = type("Old", (base,), {"table": "t", "columns": FromFile.columns, name: value})
    with pytest.raises(ParameterException, match=f"{name}: "):
        kind()


# Columns


@pytest.mark.parametrize(
    ("text", "ddl"),
    [
        ("VARCHAR(255)", "VARCHAR(255)"),
        ("varchar(20) NOT NULL", "VARCHAR(20) not null"),
        ("int(11) unsigned", "INTEGER UNSIGNED"),
        ("BIGINT PRIMARY KEY", "BIGINT not null key"),
        ("DECIMAL(9, 2)", "DECIMAL(9, 2)"),
        ("DATETIME(6)", "DATETIME(6)"),
        ("double precision", "DOUBLE"),
        ("ENUM('a','b')", "ENUM('a','b')"),
        ("ENUM('x,y','z')", "ENUM('x,y','z')"),
        ("enum( 'it''s', \"a)b\" ) NOT NULL", "ENUM('it''s','a)b') not null"),
        ("text", "TEXT"),
        ("bool", "BOOL"),
    ],
)
def test_a_type_as_text_becomes_the_type_of_the_column(text, ddl):
    (column,) = as_columns("t", [("c", text)])
    kind = column.type.compile(dialect=sa.dialects.mysql.dialect())
    assert kind + " not null" * (not column.nullable) + " key" * column.primary_key == ddl


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("TIMESTAMP", "ends in 2038; write DATETIME"),
        ("SERIAL PRIMARY KEY", "give the numbers in rows()"),
        ("INT AUTO_INCREMENT", "remove AUTO_INCREMENT"),
        ("INT DEFAULT 7", "remove DEFAULT"),
        ("VARCHARR(9)", "did you mean 'varchar'"),
        ("JSON", "sqlalchemy.JSON()"),
        ("VARCHAR(9) COLLATE utf8mb4_bin", "declare it by Column"),
    ],
)
def test_a_type_that_no_version_can_keep_is_refused_with_the_way_out(text, way_out):
    with pytest.raises(BadSetting, match="table 't': column 'c': ") as refused:
        as_columns("t", [("c", text)])
    assert way_out in str(refused.value)


def test_all_columns_that_cannot_work_are_named_in_one_message():
    class Events(mysqldb.CopyToTable):
        table = "events"
        columns = [("name", "VARCHAR(255)"), ("at", "TIMESTAMP"), ("until", "TIMESTAMP"), ("untyped",)]

    with pytest.raises(ParameterException) as refused:
        Events()
    said = str(refused.value)
    assert "column 'at': TIMESTAMP" in said
    assert "column 'until': TIMESTAMP" in said
    assert "column 'untyped' has no type; write ('untyped', 'VARCHAR(255)')" in said


def test_columns_that_are_names_alone_are_refused_with_what_to_write():
    with pytest.raises(BadSetting, match=r"column 'id' has no type; write \('id', 'VARCHAR\(255\)'\)"):
        as_columns("t", ["id"])


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (("PRIMARY KEY (id)",), "'PRIMARY KEY (id)' is no column; add PRIMARY KEY to the type of each column"),
        (("PRIMARY KEY", "(id, day)"), "'PRIMARY KEY (id, day)' is no column; add PRIMARY KEY to the type of each"),
        (("UNIQUE KEY one (id)",), "'UNIQUE KEY one (id)' is no column; give columns = sqlalchemy.Table(...)"),
        (("INDEX by_day", "(day)"), "'INDEX by_day (day)' is no column; give columns = sqlalchemy.Table(...)"),
        ("id INT NOT NULL", "column 'id INT NOT NULL' is one text; write ('id', 'INT NOT NULL')"),
        (("key",), "column 'key' has no type; write ('key', 'VARCHAR(255)')"),
    ],
)
def test_a_clause_of_a_table_is_not_taken_for_the_name_of_a_column(column, said):
    with pytest.raises(BadSetting) as refused:
        as_columns("t", [("id", "INT"), column])
    assert said in str(refused.value)
